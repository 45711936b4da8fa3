//! Rows by the hundred thousand, without files: for measuring pages and lists.

use super::{SeedError, plan, rng::Rng};
use tourbus_domain::{ArtistId, ServerId};
use tourbus_store::{NewArtist, Store};

/// Artists in one transaction.
const ARTISTS_PER_CALL: usize = 10_000;

/// Inserts `count` artists who live on `server_id` and have no files and no songs. Fails when
/// called twice on one database: names repeat.
pub async fn seed_many(store: &Store, server_id: ServerId, count: usize) -> Result<(), SeedError> {
    let plan = tokio::task::spawn_blocking(move || plan::community(count, 1))
        .await
        .map_err(|_| SeedError::Interrupted)?;
    for part in plan.chunks(ARTISTS_PER_CALL) {
        let rows: Vec<NewArtist> = part
            .iter()
            .map(|artist| NewArtist {
                // Not the plan's: the demo's artists may be there too.
                id: ArtistId::new(),
                slug: artist.slug.clone(),
                name: artist.name.clone(),
                server_id,
                plays_total: artist.plays_total,
                plays_30d: artist.plays_30d,
                bytes: 100_000 + Rng::of(*b"sizes   ", artist.index as u64).below(40_000_000),
                songs: Vec::new(),
            })
            .collect();
        store.insert_artists(&rows).await?;
    }
    Ok(())
}
