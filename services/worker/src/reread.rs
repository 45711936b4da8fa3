//! Reading an artist's files back from the disk, no faster than an operator allows.

use crate::{
    context::{Emit, Stop},
    fault,
    pace::{Pace, SLEEP_MAX},
    steps::MOVING_AGAIN_S,
};
use chrono::Utc;
use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};
use tourbus_domain::{ArtistId, StepRef};
use tourbus_mediaroot::{
    Identity, MediaRoot, Piece, Read, ReadFile, Reading, RootError, Walked, WalkedKind, Writable,
};
use tourbus_protocol::{EventBody, TreePath, manifest::Digest};

/// Bytes that are read at once.
const READ_BYTES: usize = 256 << 10;
/// Bytes of a file after which it is kept how far it is.
const KEEP_EVERY: u64 = 64 << 20;
/// How often it is told how far it is, and looked whether the artist moves.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// How often a file that changes while it is read is read anew.
const ANEW_MAX: u32 = 3;

/// Errors that are one file's, so that the others are read all the same.
const FILE_FAULTS: [i32; 6] =
    [libc::EIO, libc::EACCES, libc::EPERM, libc::EBADMSG, libc::EUCLEAN, libc::ENODATA];

/// Keeps to a number of bytes per second.
pub struct Rest {
    rate_bytes_s: u64,
    pace: Pace,
}

impl Rest {
    /// So many bytes per second; at least one.
    pub fn new(rate_bytes_s: u64) -> Self {
        Self { rate_bytes_s, pace: Pace::new(Instant::now()) }
    }

    /// Waits until so many more bytes were due. Whether to go on.
    fn after(&mut self, bytes: u64, stop: &dyn Fn() -> bool) -> bool {
        loop {
            if stop() {
                return false;
            }
            let left = self.pace.take(bytes, self.rate_bytes_s, Instant::now());
            let Some(left) = left else { return true };
            #[expect(clippy::disallowed_methods, reason = "a thread of its own, not a runtime's")]
            std::thread::sleep(left.min(SLEEP_MAX));
        }
    }
}

/// One try's reading.
pub struct Reader {
    /// Where the freezes are.
    pub root: MediaRoot,
    /// Whose files.
    pub artist: ArtistId,
    /// Them.
    pub tree: Writable,
    /// What was read before, and what is read now.
    pub reading: Reading,
    /// How fast.
    pub rest: Rest,
    /// Takes how far it is.
    pub events: Arc<dyn Emit>,
    /// For these.
    pub step: StepRef,
    /// Bytes dealt with, over all tries.
    pub bytes: u64,
    /// Whether to stop.
    pub stop: Box<dyn Fn() -> bool + Send>,
}

/// How reading a file went.
enum Went {
    /// Well, or it is gone.
    Done,
    /// It was written to meanwhile.
    Changed,
}

/// Why the bytes of a file did not come.
enum Broken {
    Stopped,
    Io(io::Error),
    Root(RootError),
}

impl From<RootError> for Broken {
    fn from(error: RootError) -> Self {
        Self::Root(error)
    }
}

impl Reader {
    /// Reads every file that was not read yet. Blocks.
    pub fn all(&mut self, files: &[(Walked, u64)]) -> Result<(), Stop> {
        let mut told = Instant::now();
        for (walked, _) in files {
            let WalkedKind::File(seen) = walked.kind else { continue };
            self.tell_now_and_then(&mut told)?;
            for anew in 1..=ANEW_MAX {
                let last = anew == ANEW_MAX;
                if let Went::Done = self.file(&walked.path, &seen, last, &mut told)? {
                    break;
                }
            }
        }
        self.tell();
        Ok(())
    }

    fn file(
        &mut self,
        path: &TreePath,
        seen: &Identity,
        last: bool,
        told: &mut Instant,
    ) -> Result<Went, Stop> {
        let file = match self.tree.tree().read(path) {
            Ok(file) => file,
            Err(error) if error.is_missing() => return Ok(Went::Done),
            Err(error) => return self.unreadable(path, seen, &error.source),
        };
        let (before, begun_at) = (self.bytes, Instant::now());
        let (pieces, whole) = self.reading.resumed(path, &file.identity);
        if whole {
            self.bytes += file.identity.size;
            self.tell_now_and_then(told)?;
            return Ok(Went::Done);
        }
        let identity = file.identity;
        match self.pieces(path, &file, &pieces, begun_at, told) {
            Ok(()) => {}
            Err(Broken::Stopped) => return Err(self.why()),
            Err(Broken::Root(error)) => return Err(error.into()),
            Err(Broken::Io(error)) => return self.unreadable(path, &identity, &error),
        }
        let changed = !file.is_unchanged().map_err(|e| fault::from_io(&e, e.to_string()))?;
        if changed && !last {
            self.bytes = before;
            return Ok(Went::Changed);
        }
        Ok(Went::Done)
    }

    /// Reads the pieces that are left, and keeps them.
    fn pieces(
        &mut self,
        path: &TreePath,
        file: &ReadFile,
        read: &[Piece],
        begun_at: Instant,
        told: &mut Instant,
    ) -> Result<(), Broken> {
        let (identity, plan) = (file.identity, self.reading.plan(path, file.identity.size));
        let mut offset: u64 = read.iter().map(|p| p.len).sum();
        self.bytes += offset;
        let (mut from, mut fresh, mut since) = (read.len(), Vec::new(), begun_at);
        for len in plan.iter().skip(read.len()) {
            let hashed = self.piece(file, offset, *len, told);
            let stopped = matches!(hashed, Err(Broken::Stopped));
            if let Ok(digest) = &hashed {
                fresh.push(Piece { len: *len, blake3: *digest });
                offset += len;
            }
            let bytes: u64 = fresh.iter().map(|p: &Piece| p.len).sum();
            if (stopped || bytes >= KEEP_EVERY) && !fresh.is_empty() && offset < identity.size {
                let (count, more) = (fresh.len(), std::mem::take(&mut fresh));
                let ms = millis(since);
                self.reading.keep(path, identity, from, Read::Pieces(more), false, ms)?;
                (from, since) = (from + count, Instant::now());
            }
            hashed?;
        }
        self.reading.keep(path, identity, from, Read::Pieces(fresh), true, millis(since))?;
        Ok(())
    }

    fn piece(
        &mut self,
        file: &ReadFile,
        offset: u64,
        len: u64,
        told: &mut Instant,
    ) -> Result<Digest, Broken> {
        // Asks the disk, as far as that can be asked for; and leaves the kernel's memory to what
        // listeners hear. Best effort.
        let forget = |when: &str| {
            if let Err(error) = file.forget_cached(offset, len) {
                tracing::debug!(%error, when, "verify.cache_kept");
            }
        };
        forget("before");
        let mut buffer = vec![0; READ_BYTES.min(usize::try_from(len).unwrap_or(READ_BYTES))];
        let mut hasher = blake3::Hasher::new();
        let mut at = 0;
        while at < len {
            let want = buffer.len().min(usize::try_from(len - at).unwrap_or(usize::MAX));
            let got = file.read_at(&mut buffer[..want], offset + at).map_err(Broken::Io)?;
            hasher.update(&buffer[..got]);
            at += got as u64;
            self.bytes += got as u64;
            metrics::counter!("tourbus_worker_reread_bytes_total").increment(got as u64);
            if !self.rest.after(got as u64, &self.stop) {
                return Err(Broken::Stopped);
            }
            if self.tell_now_and_then(told).is_err() {
                return Err(Broken::Stopped);
            }
            if got < want {
                // It has become shorter: what is there is compared all the same.
                break;
            }
        }
        forget("after");
        Ok(Digest(*hasher.finalize().as_bytes()))
    }

    /// Keeps that a file does not come back from the disk; or gives up, if that is not the file's
    /// own fault.
    fn unreadable(
        &mut self,
        path: &TreePath,
        seen: &Identity,
        error: &io::Error,
    ) -> Result<Went, Stop> {
        if !error.raw_os_error().is_some_and(|e| FILE_FAULTS.contains(&e)) {
            return Err(fault::from_io(error, format!("cannot read: {error}"))
                .at(path.to_string())
                .into());
        }
        tracing::warn!(artist = %self.artist, %path, %error, "verify.unreadable");
        self.reading.keep(path, *seen, 0, Read::Fault(error.to_string()), true, 0)?;
        Ok(Went::Done)
    }

    fn tell(&self) {
        let (step, bytes) = (self.step, self.bytes);
        self.events.emit(EventBody::Progress { step, bytes, totals: None });
    }

    /// Says how far it is, and stops while the artist moves: the move reads all of it anyway.
    fn tell_now_and_then(&self, told: &mut Instant) -> Result<(), Stop> {
        if (self.stop)() {
            return Err(Stop::Interrupted);
        }
        if told.elapsed() >= TELL_EVERY {
            *told = Instant::now();
            self.tell();
            if self.root.frozen(self.artist, Utc::now())?.is_some() {
                return Err(moving());
            }
        }
        Ok(())
    }

    /// Why reading was broken off.
    fn why(&self) -> Stop {
        match self.root.frozen(self.artist, Utc::now()) {
            Ok(Some(_)) if !(self.stop)() => moving(),
            _ => Stop::Interrupted,
        }
    }
}

const fn moving() -> Stop {
    Stop::Snoozed { reason: "the artist is moving", after_s: MOVING_AGAIN_S }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_to_its_rate_and_stops_when_it_is_told_to() {
        let mut rest = Rest::new(1 << 20);
        let began = Instant::now();
        // The first quarter of a second's worth is a burst.
        for _ in 0..3 {
            assert!(rest.after(256 << 10, &|| false));
        }
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(450), "{took:?}");
        assert!(!rest.after(1 << 40, &|| true));
    }
}
