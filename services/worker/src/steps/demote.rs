//! Making a promoted tree an arriving one again, when the freeze ran out before the cutover or
//! the move is undone. Blocks.

use crate::context::Stop;
use rustix::fs::{FlockOperation, flock};
use tourbus_domain::JobId;
use tourbus_mediaroot::{MediaRoot, rename_tree};
use tourbus_protocol::ArtistRef;

/// Whether this job's tree stands in the artist's place.
pub fn is_promoted(root: &MediaRoot, artist: &ArtistRef, job: JobId) -> Result<bool, Stop> {
    let noted = root.promoted(job)?.is_some_and(|p| p.artist == artist.id);
    // The note is written just before the rename: an arriving tree says that it has not happened.
    Ok(noted && !root.incoming(job).exists() && root.tree(artist.id).exists())
}

/// Demotes this job's tree, if it is promoted. Only before the cutover.
pub fn demote(root: &MediaRoot, artist: &ArtistRef, job: JobId) -> Result<(), Stop> {
    if root.promoted(job)?.is_none() {
        return Ok(());
    }
    // Several segments may arrive at once, in several processes.
    let lock = std::fs::File::create(root.job(job).join("demote.lock"))
        .map_err(|e| crate::fault::from_io(&e, format!("cannot lock the job's notes: {e}")))?;
    flock(&lock, FlockOperation::LockExclusive)
        .map_err(|e| crate::fault::from_io(&e.into(), format!("cannot lock the notes: {e}")))?;
    if is_promoted(root, artist, job)? {
        root.unlink_slug(&artist.slug, artist.id)?;
        rename_tree(&root.tree(artist.id), &root.incoming(job))?;
        tracing::info!(%job, artist = %artist.id, "promote.demoted");
    }
    root.unnote_promoted(job)?;
    Ok(())
}
