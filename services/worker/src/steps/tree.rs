//! Opening and walking an artist's tree at its home.

use crate::{
    context::{Context, Stop},
    fault,
};
use std::sync::Arc;
use tourbus_domain::{ArtistId, Totals};
use tourbus_mediaroot::{Beneath, Walked, WalkedKind};
use tourbus_staging::Staging;

/// Opens the tree; its absence is a permanent error.
pub async fn open<S: Staging>(ctx: &Context<S>, artist: ArtistId) -> Result<Arc<Beneath>, Stop> {
    let path = ctx.root.tree(artist);
    ctx.blocking(move || match Beneath::open(&path) {
        Ok(tree) => Ok(Arc::new(tree)),
        Err(e) if e.is_missing() => Err(fault::tree_missing().into()),
        Err(_) if path.symlink_metadata().is_ok_and(|m| !m.is_dir()) => {
            Err(fault::tree_no_directory(&path).into())
        }
        Err(e) => Err(e.into()),
    })
    .await
}

/// Walks it.
pub async fn walk<S: Staging>(
    ctx: &Context<S>,
    tree: &Arc<Beneath>,
) -> Result<Arc<Vec<Walked>>, Stop> {
    let tree = Arc::clone(tree);
    ctx.blocking(move || match tree.walk() {
        Ok(walked) => Ok(Arc::new(walked)),
        Err(e) => Err(fault::from_walk(&e).into()),
    })
    .await
}

/// How much there is of it.
pub fn totals(walked: &[Walked]) -> Totals {
    let mut totals = Totals::default();
    for w in walked {
        if let WalkedKind::File(identity) = w.kind {
            totals.files += 1;
            totals.bytes += identity.size;
        }
    }
    totals
}
