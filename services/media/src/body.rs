//! A part of a file as a response body.
//!
//! What the page cache holds is read at once, on the reactor's thread, and cannot block it
//! (`RWF_NOWAIT`); what must come from the disk is read by a blocking thread, in bigger pieces,
//! so that the kernel's read-ahead gets going. Memory per stream is at most one piece here and
//! one in the connection.

use crate::{counters::Counters, plays::Meter};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use rustix::io::{Errno, ReadWriteFlags, pread, preadv2};
use std::{
    io::{self, IoSliceMut},
    os::fd::OwnedFd,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};
use tokio::task::JoinHandle;

/// Piece read from the page cache.
const CACHED_BYTES: usize = 64 << 10;
/// Piece read from the disk.
const DISK_BYTES: usize = 256 << 10;
/// Buffers kept for the next stream: 4 MiB.
const POOL_BUFFERS_MAX: usize = 64;

/// Buffers of [`CACHED_BYTES`] that go round, so that none is cleared twice.
#[derive(Default)]
pub(crate) struct Pool(Mutex<Vec<Box<[u8]>>>);

impl Pool {
    fn take(&self) -> Box<[u8]> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.unwrap_or_else(|| vec![0; CACHED_BYTES].into_boxed_slice())
    }

    fn put(&self, buffer: Box<[u8]>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < POOL_BUFFERS_MAX {
            kept.push(buffer);
        }
    }
}

/// A buffer on loan: returns to its pool when the connection has written it.
struct Loan {
    buffer: Box<[u8]>,
    filled: usize,
    pool: Arc<Pool>,
}

impl AsRef<[u8]> for Loan {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.pool.put(std::mem::take(&mut self.buffer));
    }
}

/// `left` bytes of a file from `at` on. Ends with an error, and so with the connection, when the
/// file turns out to be shorter: a short answer must not look whole.
pub(crate) struct FileBody {
    fd: Arc<OwnedFd>,
    at: u64,
    left: u64,
    disk: Option<JoinHandle<io::Result<Bytes>>>,
    meter: Option<Meter>,
    pool: Arc<Pool>,
    counters: Arc<Counters>,
}

impl FileBody {
    /// Sends `left` bytes from `at`.
    pub(crate) fn new(
        fd: OwnedFd,
        at: u64,
        left: u64,
        meter: Option<Meter>,
        pool: &Arc<Pool>,
        counters: &Arc<Counters>,
    ) -> Self {
        counters.streams.increment(1);
        Self {
            fd: Arc::new(fd),
            at,
            left,
            disk: None,
            meter,
            pool: Arc::clone(pool),
            counters: Arc::clone(counters),
        }
    }

    /// What the page cache has of the next bytes; `None` when the disk must be asked.
    fn cached(&self) -> io::Result<Option<Bytes>> {
        let want = usize::try_from(self.left).unwrap_or(usize::MAX).min(CACHED_BYTES);
        let mut loan = Loan { buffer: self.pool.take(), filled: 0, pool: Arc::clone(&self.pool) };
        let mut into = [IoSliceMut::new(&mut loan.buffer[..want])];
        match preadv2(&*self.fd, &mut into, self.at, ReadWriteFlags::NOWAIT) {
            Ok(filled) => {
                loan.filled = filled;
                Ok(Some(Bytes::from_owner(loan)))
            }
            // OPNOTSUPP, INVAL, NOSYS: the file system or the kernel knows no NOWAIT.
            Err(Errno::AGAIN | Errno::INTR | Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS) => {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn ask_disk(&self) -> JoinHandle<io::Result<Bytes>> {
        self.counters.disk_reads.increment(1);
        let (fd, at) = (Arc::clone(&self.fd), self.at);
        let want = usize::try_from(self.left).unwrap_or(usize::MAX).min(DISK_BYTES);
        tokio::task::spawn_blocking(move || {
            let mut piece = Vec::with_capacity(want);
            rustix::io::retry_on_intr(|| {
                pread(&*fd, rustix::buffer::spare_capacity(&mut piece), at)
            })?;
            // The allocator may have given more room than asked for.
            piece.truncate(want);
            Ok(Bytes::from(piece))
        })
    }

    fn next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        if self.disk.is_none() {
            match self.cached() {
                Ok(None) => self.disk = Some(self.ask_disk()),
                Ok(Some(piece)) => return Poll::Ready(Ok(piece)),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        let Some(reading) = self.disk.as_mut() else { return Poll::Pending };
        let read = ready!(Pin::new(reading).poll(cx));
        self.disk = None;
        Poll::Ready(read.map_err(io::Error::other).and_then(|r| r))
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let piece = match ready!(self.next(cx)) {
            Ok(piece) if piece.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
            other => other,
        };
        Poll::Ready(Some(piece.map(|piece| {
            self.at += piece.len() as u64;
            self.left -= piece.len() as u64;
            self.counters.bytes.increment(piece.len() as u64);
            if let Some(meter) = &mut self.meter {
                meter.sent(piece.len() as u64);
            }
            Frame::data(piece)
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl Drop for FileBody {
    fn drop(&mut self) {
        self.counters.streams.decrement(1);
    }
}
