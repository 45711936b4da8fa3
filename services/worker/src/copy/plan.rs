//! What is still to be staged, cut into chunks.

use super::journal::Journal;
use tourbus_mediaroot::{Identity, Walked, WalkedKind};
use tourbus_protocol::TreePath;

/// A run of a file's bytes, to be read into a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Which entry of the walk.
    pub entry: usize,
    /// Which file.
    pub path: TreePath,
    /// What the walk saw.
    pub identity: Identity,
    /// From where.
    pub offset: u64,
    /// How much; never 0.
    pub len: u64,
}

/// The bytes that are not staged yet, in the order of the walk, as pieces that fill one chunk
/// after the other.
pub struct Plan {
    /// Gaps, the next one last.
    gaps: Vec<Piece>,
    chunk_bytes: u64,
}

impl Plan {
    /// What `journal` lacks of `walked`.
    pub fn new(walked: &[Walked], journal: &Journal, chunk_bytes: u64) -> Self {
        let mut gaps = Vec::new();
        for (entry, w) in walked.iter().enumerate() {
            let WalkedKind::File(identity) = w.kind else { continue };
            let staged = journal.slices(&w.path, &identity);
            let ends = staged.iter().map(|s| (s.offset, s.offset + s.len));
            for (offset, end) in gaps_between(ends, identity.size) {
                let (path, len) = (w.path.clone(), end - offset);
                gaps.push(Piece { entry, path, identity, offset, len });
            }
        }
        gaps.reverse();
        Self { gaps, chunk_bytes: chunk_bytes.max(1) }
    }
}

impl Iterator for Plan {
    type Item = Vec<Piece>;

    fn next(&mut self) -> Option<Vec<Piece>> {
        let mut chunk = Vec::new();
        let mut room = self.chunk_bytes;
        while room > 0
            && let Some(mut gap) = self.gaps.pop()
        {
            let len = gap.len.min(room);
            chunk.push(Piece { len, ..gap.clone() });
            room -= len;
            if len < gap.len {
                gap.offset += len;
                gap.len -= len;
                self.gaps.push(gap);
            }
        }
        (!chunk.is_empty()).then_some(chunk)
    }
}

/// What sorted runs leave of `0..size`.
pub fn gaps_between(runs: impl Iterator<Item = (u64, u64)>, size: u64) -> Vec<(u64, u64)> {
    let mut gaps = Vec::new();
    let mut at = 0;
    for (start, end) in runs.chain([(size, size)]) {
        if start > at {
            gaps.push((at, start.min(size)));
        }
        at = at.max(end);
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_what_runs_leave() {
        let gaps = |runs: &[(u64, u64)], size| gaps_between(runs.iter().copied(), size);
        assert_eq!(gaps(&[], 0), []);
        assert_eq!(gaps(&[], 9), [(0, 9)]);
        assert_eq!(gaps(&[(0, 4), (6, 9)], 9), [(4, 6)]);
        assert_eq!(gaps(&[(2, 4), (3, 6)], 9), [(0, 2), (6, 9)]);
        assert_eq!(gaps(&[(0, 9)], 9), []);
    }
}
