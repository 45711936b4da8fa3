//! Who is in the community: pure, so that every machine makes the same.

use super::{names, rng::Rng};
use std::collections::HashSet;
use tourbus_domain::{ArtistId, Slug};
use uuid::Builder;

/// Share of the artists, per server, in the order of the list; further servers get the last.
const SHARES: [u64; 3] = [60, 25, 15];
/// Plays of the most played artist.
const PLAYS_MAX: f64 = 2_400_000.0;
/// How steeply plays fall with the rank (Zipf).
const PLAYS_EXPONENT: f64 = 0.95;
/// Shortest and longest song, in milliseconds.
const SONG_MS: (u64, u64) = (6_000, 12_000);

/// An artist to be made.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ArtistPlan {
    /// Place in the plan.
    pub(super) index: usize,
    /// Always the same for this index.
    pub(super) id: ArtistId,
    /// Its name in URLs.
    pub(super) slug: Slug,
    /// Its name for people.
    pub(super) name: String,
    /// What it says of itself.
    pub(super) text: String,
    /// Which server of the list.
    pub(super) server: usize,
    /// Plays, ever.
    pub(super) plays_total: u64,
    /// Plays in the last 30 days.
    pub(super) plays_30d: u64,
    /// Its songs.
    pub(super) songs: Vec<SongPlan>,
}

/// A song to be made.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SongPlan {
    /// Title.
    pub(super) title: String,
    /// File below `songs/`.
    pub(super) file_name: String,
    /// Length, in milliseconds.
    pub(super) length_ms: u64,
    /// What it sounds like.
    pub(super) tune: u64,
    /// Plays, ever; those of all songs add up to the artist's.
    pub(super) plays_total: u64,
}

/// The first `artists` artists, spread over `servers` servers (at least one).
pub(super) fn community(artists: usize, servers: usize) -> Vec<ArtistPlan> {
    let ranks = ranks(artists);
    let mut taken = HashSet::new();
    (0..artists)
        .map(|index| {
            let mut rng = Rng::of(*b"artists ", index as u64);
            let (name, slug) = unused_name(&mut rng, &mut taken, index);
            let rank = ranks[index] as f64 + 1.0;
            let wobble = 0.85 + 0.3 * rng.unit();
            let plays_total = (PLAYS_MAX * wobble / rank.powf(PLAYS_EXPONENT)) as u64;
            // Between a forgotten artist and one that everybody has just found.
            let recent = 0.004 + 0.12 * rng.unit().powi(3);
            ArtistPlan {
                index,
                id: id(index),
                text: names::about(&mut rng, &name),
                slug,
                name,
                server: server(&mut rng, servers),
                plays_total,
                plays_30d: (plays_total as f64 * recent) as u64,
                songs: songs(index, plays_total),
            }
        })
        .collect()
}

fn id(index: usize) -> ArtistId {
    let mut rng = Rng::of(*b"identity", index as u64);
    let bits = (u128::from(rng.next()) << 64) | u128::from(rng.next());
    ArtistId(Builder::from_random_bytes(bits.to_be_bytes()).into_uuid())
}

fn unused_name(rng: &mut Rng, taken: &mut HashSet<String>, index: usize) -> (String, Slug) {
    // A few draws find a free name; a community of many thousands gets numbers.
    for _ in 0..8 {
        let name = names::artist(rng);
        if let Ok(slug) = names::slugify(&name).parse::<Slug>()
            && taken.insert(slug.as_str().to_owned())
        {
            return (name, slug);
        }
    }
    let name = format!("{} {}", names::artist(rng), index + 1);
    let slug = names::slugify(&name);
    taken.insert(slug.clone());
    let fallback = || format!("artist-{}", index + 1);
    match slug.parse().or_else(|_| fallback().parse()) {
        Ok(slug) => (name, slug),
        Err(error) => unreachable!("a made-up slug is valid: {error}"),
    }
}

/// Every rank once, shuffled.
fn ranks(artists: usize) -> Vec<usize> {
    let mut ranks: Vec<usize> = (0..artists).collect();
    let mut rng = Rng::of(*b"ranks   ", artists as u64);
    for last in (1..artists).rev() {
        ranks.swap(last, rng.below(last as u64 + 1) as usize);
    }
    ranks
}

fn server(rng: &mut Rng, servers: usize) -> usize {
    let share = |server: usize| SHARES[server.min(SHARES.len() - 1)];
    let mut draw = rng.below((0..servers).map(share).sum());
    (0..servers)
        .find(|s| {
            let found = draw < share(*s);
            draw = draw.saturating_sub(share(*s));
            found
        })
        .unwrap_or(0)
}

fn songs(index: usize, plays_total: u64) -> Vec<SongPlan> {
    let mut rng = Rng::of(*b"songs   ", index as u64);
    let count = 2 + rng.below(4).min(rng.below(4)) as usize;
    let mut left = plays_total;
    (0..count)
        .map(|n| {
            let title = names::song(&mut rng);
            let plays =
                if n + 1 == count { left } else { (left as f64 * (0.3 + 0.4 * rng.unit())) as u64 };
            left -= plays;
            SongPlan {
                file_name: format!("{:02}-{}.wav", n + 1, names::slugify(&title)),
                title,
                length_ms: SONG_MS.0 + rng.below(SONG_MS.1 - SONG_MS.0),
                tune: rng.next(),
                plays_total: plays,
            }
        })
        .collect()
}
