//! Rows by the hundred thousand, without files: for measuring pages and lists.

use super::{
    SeedError,
    plan::{self, ArtistPlan},
    rng::Rng,
};
use tourbus_domain::{ArtistId, ServerId, Slug};
use tourbus_store::{NewArtist, Store};

/// Artists in one transaction.
const ARTISTS_PER_CALL: usize = 10_000;

/// Inserts `count` artists who live on `server_id` and have no files and no songs. Fails when
/// called twice on one database: slugs repeat.
pub async fn seed_many(store: &Store, server_id: ServerId, count: usize) -> Result<(), SeedError> {
    let plan = tokio::task::spawn_blocking(move || plan::community(count, 1))
        .await
        .map_err(|_| SeedError::Interrupted)?;
    let row = |artist: &ArtistPlan| NewArtist {
        // Neither id nor slug are the plan's: the demo's artists may be there too.
        id: ArtistId::new(),
        slug: numbered(artist),
        name: artist.name.clone(),
        server_id,
        plays_total: artist.plays_total,
        plays_30d: artist.plays_30d,
        bytes: 100_000 + Rng::of(*b"sizes   ", artist.index as u64).below(40_000_000),
        songs: Vec::new(),
    };
    for part in plan.chunks(ARTISTS_PER_CALL) {
        let rows: Vec<NewArtist> = part.iter().map(row).collect();
        store.insert_artists(&rows).await?;
    }
    Ok(())
}

fn numbered(artist: &ArtistPlan) -> Slug {
    format!("{}-r{}", artist.slug, artist.index).parse().unwrap_or_else(|_| artist.slug.clone())
}
