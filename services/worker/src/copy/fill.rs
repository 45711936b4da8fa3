//! Reading pieces of files into a chunk. Blocks.

use super::plan::Piece;
use crate::{buffers::Buffer, fault};
use std::time::SystemTime;
use tourbus_domain::JobError;
use tourbus_mediaroot::Beneath;
use tourbus_protocol::{
    Slice, TreePath,
    manifest::{ChunkId, Digest},
};

/// A chunk, ready to be put.
pub struct Filled {
    /// Its bytes.
    pub buffer: Buffer,
    /// What it holds: which entry of the walk, and which slice of it.
    pub slices: Vec<(usize, Slice)>,
    /// Files that were not what the walk had seen: nothing of them is in the chunk.
    pub changed: Vec<TreePath>,
}

/// Whether a file may be copied that was changed a moment ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writers {
    /// Somebody may write: a file of this instant is left for later, because a further change
    /// might not show.
    Active,
    /// Writes are frozen.
    Frozen,
}

/// Reads and hashes the pieces that are still what the walk saw.
pub fn fill(
    tree: &Beneath,
    pieces: &[Piece],
    chunk: ChunkId,
    mut buffer: Buffer,
    writers: Writers,
) -> Result<Filled, JobError> {
    let mut slices = Vec::with_capacity(pieces.len());
    let mut changed = Vec::new();
    for piece in pieces {
        let chunk_offset = buffer.len() as u64;
        match read(tree, piece, &mut buffer, writers)? {
            Some(blake3) => {
                let (offset, len) = (piece.offset, piece.len);
                slices.push((piece.entry, Slice { offset, len, blake3, chunk, chunk_offset }));
            }
            None => changed.push(piece.path.clone()),
        }
    }
    Ok(Filled { buffer, slices, changed })
}

/// The hash of the piece; `None` when the file is not what the walk saw.
fn read(
    tree: &Beneath,
    piece: &Piece,
    buffer: &mut Buffer,
    writers: Writers,
) -> Result<Option<Digest>, JobError> {
    let file = match tree.read(&piece.path) {
        Ok(file) => file,
        Err(e) if e.is_missing() => return Ok(None),
        Err(e) if e.source.kind() == std::io::ErrorKind::PermissionDenied => {
            let (owner, mode) = tree.owner_and_mode(&piece.path).unwrap_or_default();
            return Err(fault::unreadable(&piece.path, owner, mode));
        }
        Err(e) => return Err(fault::at(&piece.path)(e)),
    };
    let settled = writers == Writers::Frozen || piece.identity.is_settled(SystemTime::now());
    if file.identity != piece.identity || !settled {
        return Ok(None);
    }
    let failed = |e: std::io::Error| {
        fault::from_io(&e, format!("cannot read it: {e}")).at(piece.path.to_string())
    };
    let len = usize::try_from(piece.len).unwrap_or(usize::MAX);
    let spare = buffer.spare(len);
    let read = file.read_at(spare, piece.offset).map_err(failed)?;
    if read < len || !file.is_unchanged().map_err(failed)? {
        return Ok(None);
    }
    let digest = Digest::of(spare);
    buffer.advance(len);
    Ok(Some(digest))
}
