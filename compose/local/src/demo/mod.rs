//! The demo community: made-up artists with real, playable songs, the same on every machine.
//!
//! First every tree is written and made durable, then all rows in one transaction. So a seed
//! that was interrupted leaves files without rows, and the next one finds and keeps them.

mod cover;
mod many;
mod names;
mod plan;
mod rng;
mod synth;
mod tree;

pub use many::seed_many;

use plan::ArtistPlan;
use std::{
    io,
    num::NonZeroUsize,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};
use tourbus_domain::{ServerId, Slug};
use tourbus_mediaroot::MediaRoot;
use tourbus_store::{Matching, NewArtist, NewSong, Store, StoreError};

/// Progress is logged every so many artists.
const PROGRESS_EVERY: usize = 50;

/// A server that gets its part of the community. The first of the list gets the most.
#[derive(Debug, Clone)]
pub struct SeedServer {
    /// The server.
    pub id: ServerId,
    /// Its name.
    pub slug: Slug,
    /// Its media root; made when missing.
    pub media_root: PathBuf,
}

/// What was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SeedReport {
    /// Artists; zero when there were some already, and nothing was done.
    pub artists: usize,
    /// Songs.
    pub songs: usize,
    /// Size of all trees, in bytes.
    pub bytes: u64,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
}

/// Why the community could not be made. Trees that are there already are kept for the next try.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The database.
    #[error("seeding the demo: {0}")]
    Store(#[from] StoreError),
    /// The disk.
    #[error("seeding the demo: cannot write {path}: {source}")]
    Write {
        /// What could not be written.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A list without servers.
    #[error("seeding the demo: no server to put artists on")]
    NoServers,
    /// The thread that writes has panicked, or was stopped.
    #[error("seeding the demo: interrupted")]
    Interrupted,
}

/// Makes `artists` artists with their trees, unless there are some already. Stops early when the
/// future is dropped.
pub async fn seed(
    store: &Store,
    servers: &[SeedServer],
    artists: usize,
) -> Result<SeedReport, SeedError> {
    if servers.is_empty() {
        return Err(SeedError::NoServers);
    }
    if store.count_artists(&Matching::default(), 0).await? > 0 {
        return Ok(SeedReport::default());
    }
    let begun = Instant::now();
    tracing::info!(artists, servers = servers.len(), "demo.seeding");
    let stop = StopOnDrop::default();
    let (flag, owned) = (Arc::clone(&stop.0), servers.to_vec());
    let rows = tokio::task::spawn_blocking(move || write_all(&owned, artists, &flag))
        .await
        .map_err(|_| SeedError::Interrupted)??;
    store.insert_artists(&rows).await?;
    let report = SeedReport {
        artists: rows.len(),
        songs: rows.iter().map(|a| a.songs.len()).sum(),
        bytes: rows.iter().map(|a| a.bytes).sum(),
        elapsed_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    let SeedReport { artists, songs, bytes, elapsed_ms } = report;
    tracing::info!(artists, songs, bytes, elapsed_ms, "demo.seeded");
    Ok(report)
}

/// Tells the writing threads to stop when nobody waits for them any more.
#[derive(Default)]
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Writes every tree, one thread per core, and returns the rows in the plan's order.
fn write_all(
    servers: &[SeedServer],
    artists: usize,
    stop: &AtomicBool,
) -> Result<Vec<NewArtist>, SeedError> {
    let roots: Vec<MediaRoot> = servers.iter().map(|s| MediaRoot::new(&s.media_root)).collect();
    for root in &roots {
        tree::prepare(root)?;
    }
    let plan = plan::community(artists, servers.len());
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        let mut rows = Vec::new();
        while !stop.load(Relaxed) {
            let Some(artist) = plan.get(next.fetch_add(1, Relaxed)) else { return Ok(rows) };
            let server = &servers[artist.server];
            let bytes = tree::write(&roots[artist.server], artist)?;
            rows.push((artist.index, row(artist, server.id, bytes)));
            let done = done.fetch_add(1, Relaxed) + 1;
            if done.is_multiple_of(PROGRESS_EVERY) {
                tracing::info!(done, of = artists, "demo.seeding");
            }
        }
        Err(SeedError::Interrupted)
    };
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let parts: Vec<Result<Vec<_>, SeedError>> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let joined = handles.into_iter().map(std::thread::ScopedJoinHandle::join);
        joined.map(|part| part.unwrap_or(Err(SeedError::Interrupted))).collect()
    });
    let mut rows = Vec::with_capacity(artists);
    for part in parts {
        rows.extend(part?);
    }
    rows.sort_unstable_by_key(|(index, _)| *index);
    for root in &roots {
        tree::finish(root)?;
    }
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

fn row(artist: &ArtistPlan, server_id: ServerId, written: tree::Written) -> NewArtist {
    let song = |(song, (bytes, duration_ms)): (&plan::SongPlan, (u64, u64))| NewSong {
        title: song.title.clone(),
        path: format!("songs/{}", song.file_name),
        bytes,
        plays_total: song.plays_total,
        duration_ms,
    };
    let songs = artist.songs.iter().zip(written.songs).map(song);
    NewArtist {
        id: artist.id,
        slug: artist.slug.clone(),
        name: artist.name.clone(),
        server_id,
        plays_total: artist.plays_total,
        plays_30d: artist.plays_30d,
        bytes: written.bytes,
        songs: songs.collect(),
    }
}

#[cfg(test)]
mod tests;
