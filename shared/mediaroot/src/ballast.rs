//! Ballast: room that is held while there is plenty, for the notes of moves on a disk that others
//! have filled. Without it nobody could be moved off a full server, and no move that found the
//! disk full could be undone.

use crate::{
    MediaRoot,
    error::{Doing, RootError, absent},
};
use rustix::{
    fs::{FallocateFlags, FlockOperation, fallocate, flock},
    io::Errno,
};
use std::{
    fs::File,
    io::{Seek, SeekFrom, Write},
};

/// Most that is held, in bytes: notes of some hundred moves.
const BALLAST_BYTES_MAX: u64 = 16 << 20;
/// At most this part of the disk.
const DISK_SHARE: u64 = 64;
/// It is filled only while this many times as much is free.
const PLENTY: u64 = 4;
/// What is given up at a time, in bytes.
const PIECE_BYTES: u64 = 256 << 10;

impl MediaRoot {
    /// Fills the ballast, if there is plenty of room. Bytes that are held afterwards.
    pub fn keep_ballast(&self) -> Result<u64, RootError> {
        let path = self.ballast();
        let space = self.space()?;
        let wanted = BALLAST_BYTES_MAX.min(space.total_bytes / DISK_SHARE);
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .doing("open", &path)?;
        flock(&file, FlockOperation::LockExclusive).doing("lock", &path)?;
        let held = file.metadata().doing("examine", &path)?.len();
        if held >= wanted || space.free_bytes < wanted.saturating_mul(PLENTY) {
            return Ok(held);
        }
        match fallocate(&file, FallocateFlags::empty(), held, wanted - held) {
            // A file system that cannot: it takes room by being written.
            Err(Errno::OPNOTSUPP) => fill(&mut file, held, wanted).doing("fill", &path)?,
            other => other.doing("fill", &path)?,
        }
        Ok(wanted)
    }

    /// Gives up a piece of the ballast. Whether there was one.
    pub fn give_up_ballast(&self) -> Result<bool, RootError> {
        let path = self.ballast();
        let opened = File::options().write(true).open(&path).doing("open", &path);
        let Some(file) = absent(opened)? else { return Ok(false) };
        flock(&file, FlockOperation::LockExclusive).doing("lock", &path)?;
        let held = file.metadata().doing("examine", &path)?.len();
        if held == 0 {
            return Ok(false);
        }
        file.set_len(held.saturating_sub(PIECE_BYTES)).doing("shorten", &path)?;
        Ok(true)
    }
}

fn fill(file: &mut File, from: u64, to: u64) -> std::io::Result<()> {
    let zeros = vec![0; PIECE_BYTES as usize];
    file.seek(SeekFrom::Start(from))?;
    let mut left = to - from;
    while left > 0 {
        let n = left.min(PIECE_BYTES);
        file.write_all(&zeros[..n as usize])?;
        left -= n;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_given_up_piece_by_piece_and_filled_again() {
        let dir = tempfile::tempdir().unwrap();
        let root = MediaRoot::new(dir.path());
        root.prepare().unwrap();
        assert!(!root.give_up_ballast().unwrap(), "there is none yet");
        let held = root.keep_ballast().unwrap();
        assert!(held > 0 && held <= BALLAST_BYTES_MAX);
        assert_eq!(root.keep_ballast().unwrap(), held);
        let mut pieces = 0;
        while root.give_up_ballast().unwrap() {
            pieces += 1;
        }
        assert_eq!(pieces, held.div_ceil(PIECE_BYTES));
        assert_eq!(root.keep_ballast().unwrap(), held);
    }

    #[test]
    fn filling_by_writing_makes_it_as_long() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = File::create(dir.path().join("x")).unwrap();
        fill(&mut file, 0, PIECE_BYTES + 5).unwrap();
        fill(&mut file, PIECE_BYTES + 5, 2 * PIECE_BYTES).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 2 * PIECE_BYTES);
    }
}
