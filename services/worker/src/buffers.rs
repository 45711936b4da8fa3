//! The chunk buffers of a process: what bounds its memory, whatever it moves.

use bytes::Bytes;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tourbus_domain::{ErrorClass, JobError};

/// All chunk buffers of a process, for exports and imports together. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Buffers {
    pool: Arc<Pool>,
}

#[derive(Debug)]
struct Pool {
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Vec<u8>>>,
    chunk_bytes: usize,
    count: usize,
}

/// A buffer of one chunk to read into. Dropping it, or the [`Bytes`] made of it, gives it back.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    len: usize,
    pool: Arc<Pool>,
    _permit: OwnedSemaphorePermit,
}

impl Buffers {
    /// `count` buffers of `chunk_bytes` each; made when first needed.
    pub fn new(count: usize, chunk_bytes: usize) -> Self {
        let count = count.clamp(1, Semaphore::MAX_PERMITS >> 3);
        let permits = Arc::new(Semaphore::new(count));
        Self { pool: Arc::new(Pool { permits, idle: Mutex::default(), chunk_bytes, count }) }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.pool.count
    }

    /// Waits for a buffer, first come first served.
    pub async fn take(&self) -> Result<Buffer, JobError> {
        let permit = self.permits(1).await?;
        let bytes = self.pool.pop().unwrap_or_else(|| vec![0; self.pool.chunk_bytes]);
        Ok(Buffer { bytes, len: 0, pool: Arc::clone(&self.pool), _permit: permit })
    }

    /// Waits for room for `bytes` that somebody else will allocate. More than there is in all
    /// counts as all there is.
    pub async fn room(&self, bytes: u64) -> Result<OwnedSemaphorePermit, JobError> {
        let buffers = bytes.div_ceil(self.pool.chunk_bytes as u64).max(1);
        let wanted = usize::try_from(buffers).unwrap_or(usize::MAX).min(self.pool.count);
        let permit = self.permits(wanted).await?;
        // The room may be what an idle buffer still fills.
        for _ in 0..wanted {
            drop(self.pool.pop());
        }
        Ok(permit)
    }

    async fn permits(&self, wanted: usize) -> Result<OwnedSemaphorePermit, JobError> {
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
        let permits = Arc::clone(&self.pool.permits).acquire_many_owned(wanted).await;
        // Never closed; if it were, the process is ending.
        permits.map_err(|_| {
            JobError::new(ErrorClass::Transient, "worker_ending", "the worker is ending", "")
        })
    }
}

impl Pool {
    fn pop(&self) -> Option<Vec<u8>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

impl Buffer {
    /// How much fits.
    pub fn capacity(&self) -> usize {
        self.bytes.len()
    }

    /// How much is in it.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The next `len` bytes that are free, to be filled; fewer at the end.
    pub fn spare(&mut self, len: usize) -> &mut [u8] {
        let end = self.bytes.len().min(self.len + len);
        &mut self.bytes[self.len..end]
    }

    /// Counts the next `len` bytes as filled.
    pub fn advance(&mut self, len: usize) {
        self.len = self.bytes.len().min(self.len + len);
    }

    /// What is in it, without copying.
    pub fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    const SOON: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn no_more_buffers_than_allowed_and_each_comes_back() {
        let buffers = Buffers::new(2, 16);
        let first = buffers.take().await.unwrap();
        let second = buffers.take().await.unwrap().freeze();
        assert!(timeout(SOON, buffers.take()).await.is_err());
        let clone = second.clone();
        drop(second);
        assert!(timeout(SOON, buffers.take()).await.is_err());
        drop(clone);
        buffers.take().await.unwrap();
        drop(first);
        let all = buffers.room(1_000).await.unwrap();
        assert!(timeout(SOON, buffers.take()).await.is_err());
        drop(all);
        buffers.take().await.unwrap();
    }
}
