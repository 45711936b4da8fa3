//! The trait.

use crate::error::StagingError;
use bytes::Bytes;
use std::{future::Future, time::SystemTime};

/// Most objects in one [`Page`]: what S3 gives at most.
pub const LIST_LIMIT_MAX: usize = 1000;

/// One object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its key, as it was put: without the configured prefix.
    pub key: String,
    /// Its size, in bytes.
    pub bytes: u64,
    /// When it was put, by the store's clock.
    pub modified: SystemTime,
}

/// Some objects of a listing, in ascending order of their keys' bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The objects; may be fewer than asked for, even when more follow.
    pub objects: Vec<Object>,
    /// `after` for the next page; `None` on the last.
    pub next: Option<String>,
}

/// What [`Staging::probe`] found: the store works; these are the reservations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeReport {
    /// The endpoint.
    pub endpoint: String,
    /// The bucket.
    pub bucket: String,
    /// How long put, get, range, list and delete took together, in milliseconds.
    pub took_ms: u64,
    /// What works less well than it could, each with its remedy; empty on a good store.
    pub warnings: Vec<String>,
}

/// A place for whole objects, named by keys. Clones share one connection pool.
///
/// Every call retries transient failures by itself, with jitter, up to the configured number of
/// tries, and has a deadline for each try. All calls are safe to cancel by dropping the future.
pub trait Staging: Clone + Send + Sync + 'static {
    /// Stores `body` under `key`, replacing what was there.
    ///
    /// Readers see the old object or the new one, each whole, never a mixture. After an error
    /// (or a drop) the object may be absent, the old one, or the new one whole: a store may have
    /// taken it although the answer was lost. Putting the same again is harmless.
    fn put(&self, key: &str, body: Bytes) -> impl Future<Output = Result<(), StagingError>> + Send;

    /// The whole object.
    ///
    /// An object larger than `bytes_max` is refused as [`StagingError::TooLarge`] before its
    /// body is read; one that ends before its declared length is [`StagingError::Truncated`].
    fn get(
        &self,
        key: &str,
        bytes_max: usize,
    ) -> impl Future<Output = Result<Bytes, StagingError>> + Send;

    /// `len` bytes of the object from `offset`. A range that does not lie wholly inside the
    /// object is [`StagingError::Truncated`]. A `len` of 0 asks nothing of the store.
    fn get_range(
        &self,
        key: &str,
        offset: u64,
        len: u64,
    ) -> impl Future<Output = Result<Bytes, StagingError>> + Send;

    /// The object's size in bytes; `None` when there is none under this key. A missing bucket is
    /// an error, not `None`.
    fn head(&self, key: &str) -> impl Future<Output = Result<Option<u64>, StagingError>> + Send;

    /// Whether there is an object under this key.
    fn exists(&self, key: &str) -> impl Future<Output = Result<bool, StagingError>> + Send {
        async { Ok(self.head(key).await?.is_some()) }
    }

    /// At most `limit` objects (and at most [`LIST_LIMIT_MAX`]) whose keys begin with `prefix`
    /// and come after the key `after`, in order.
    fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Page, StagingError>> + Send;

    /// Deletes everything below `prefix`, which is taken as a directory: a missing `/` at its
    /// end is added, so `a` never touches `ab/…`. Returns the number of objects deleted; nothing
    /// there is 0. The empty prefix means all below the configured prefix, and is refused when
    /// that is empty too.
    ///
    /// On an error some of the objects may be deleted; deleting again is harmless. Objects that
    /// are put meanwhile may or may not be deleted.
    fn delete_prefix(&self, prefix: &str)
    -> impl Future<Output = Result<u64, StagingError>> + Send;

    /// Puts, reads, lists and deletes one small object below `.probe/`. An error says which of
    /// these the store does not let us do, and the remedy.
    fn probe(&self) -> impl Future<Output = Result<ProbeReport, StagingError>> + Send;
}
