//! Objects as files.
//!
//! Everything here blocks: callers run it on the blocking pool.

mod attributes;
mod key;
mod list;
mod remove;
mod write;

pub(crate) use attributes::Attributes;
pub(crate) use list::{Entry, ListQuery, Listing};
pub(crate) use write::Incoming;

use crate::error::StagingServerError;
use s3s::{S3Result, s3_error};
use std::{
    fs::{self, File, Metadata, TryLockError},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::atomic::AtomicU64,
};

/// Where bodies arrive.
const INCOMING_DIR: &str = ".incoming";
/// Held locked while a process serves from this root.
const LOCK_FILE: &str = ".lock";

pub(crate) struct DirStore {
    root: PathBuf,
    next_incoming: AtomicU64,
    /// Locked for as long as the store is open.
    _lock: File,
}

impl DirStore {
    /// Opens the root, makes it and the bucket when missing, and clears away what an earlier
    /// process left unfinished.
    pub(crate) fn open(root: &Path, bucket: &str) -> Result<Self, StagingServerError> {
        if !s3s::path::check_bucket_name(bucket) {
            return Err(StagingServerError::Bucket { bucket: bucket.to_owned() });
        }
        let failed = |source| StagingServerError::Root { path: root.to_owned(), source };
        fs::create_dir_all(root).map_err(failed)?;
        let lock = File::create(root.join(LOCK_FILE)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StagingServerError::InUse { path: root.to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let store = Self { root: root.to_owned(), next_incoming: AtomicU64::new(0), _lock: lock };
        store.tidy(bucket).map_err(failed)?;
        Ok(store)
    }

    fn tidy(&self, bucket: &str) -> io::Result<()> {
        let incoming = self.root.join(INCOMING_DIR);
        match fs::remove_dir_all(&incoming) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => fs::create_dir_all(&incoming)?,
        }
        let bucket = self.root.join(bucket);
        fs::create_dir_all(&bucket)?;
        remove::prune_below(&bucket)
    }

    /// Makes a bucket; one that exists already is ours and fine.
    pub(crate) fn create_bucket(&self, bucket: &str) -> S3Result<()> {
        fs::create_dir_all(self.root.join(bucket)).map_err(internal)
    }

    /// The bucket's directory.
    pub(crate) fn bucket(&self, bucket: &str) -> S3Result<PathBuf> {
        let path = self.root.join(bucket);
        // s3s has checked the name: no slash, no dot in front, so it is a child of the root.
        if path.is_dir() { Ok(path) } else { Err(s3_error!(NoSuchBucket)) }
    }

    /// Names of all buckets, in order.
    pub(crate) fn buckets(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            let name = entry.file_name().into_string().unwrap_or_default();
            if s3s::path::check_bucket_name(&name) && entry.file_type()?.is_dir() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// An object's file, open for reading.
    pub(crate) fn open_object(&self, bucket: &str, key: &str) -> S3Result<(File, Metadata)> {
        let path = self.bucket(bucket)?.join(key::relative_path(key)?);
        let file = File::open(path).map_err(missing_or_internal)?;
        let metadata = file.metadata().map_err(internal)?;
        if metadata.is_file() { Ok((file, metadata)) } else { Err(s3_error!(NoSuchKey)) }
    }
}

/// An entity tag: new for each put. Not the MD5, which would cost more than all the rest of a
/// put; clients must not expect that (multipart tags never were).
pub(crate) fn etag(metadata: &Metadata) -> String {
    let nanos = metadata.mtime_nsec().cast_unsigned();
    format!("{:x}-{nanos:x}-{:x}-{:x}", metadata.mtime(), metadata.len(), metadata.ino())
}

/// The client's answer to an unexpected failure of the file system.
pub(crate) fn internal(error: io::Error) -> s3s::S3Error {
    tracing::error!(%error, "staging.file_system_failed");
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            s3_error!(InternalError, "the staging server's disk is full")
        }
        _ => s3s::S3Error::with_source(s3s::S3ErrorCode::InternalError, Box::new(error)),
    }
}

fn missing_or_internal(error: io::Error) -> s3s::S3Error {
    match error.kind() {
        // A part of the path is an object: then there is nothing below it.
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => s3_error!(NoSuchKey),
        _ => internal(error),
    }
}
