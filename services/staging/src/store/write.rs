//! How an object comes in.

use super::{DirStore, INCOMING_DIR, etag, internal, key};
use bytes::Bytes;
use s3s::{S3Result, s3_error};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::PathBuf,
    sync::atomic::Ordering,
};

/// Tries of making the directory and renaming into it, while deletes beside us remove the
/// directory as empty. Each lost try needs a delete at that very moment.
const PROMOTE_TRIES_MAX: usize = 64;

/// A body that arrives, beside the bucket. Dropped before [`Incoming::promote`], it is removed.
pub(crate) struct Incoming {
    file: File,
    path: PathBuf,
    promoted: bool,
}

impl DirStore {
    /// A new, empty body.
    pub(crate) fn incoming(&self) -> S3Result<Incoming> {
        let n = self.next_incoming.fetch_add(1, Ordering::Relaxed);
        let path = self.root.join(INCOMING_DIR).join(n.to_string());
        let file = File::create_new(&path).map_err(internal)?;
        Ok(Incoming { file, path, promoted: false })
    }

    /// Refuses a put before its body is read.
    pub(crate) fn check_put(&self, bucket: &str, key: &str) -> S3Result<()> {
        self.bucket(bucket)?;
        key::relative_path(key).map(drop)
    }

    /// Makes a whole body the object: from here on readers see it. Returns its entity tag.
    pub(crate) fn promote(&self, mut body: Incoming, bucket: &str, key: &str) -> S3Result<String> {
        let tag = etag(&body.file.metadata().map_err(internal)?);
        let bucket = self.bucket(bucket)?;
        let path = bucket.join(key::relative_path(key)?);
        for _ in 0..PROMOTE_TRIES_MAX {
            match fs::rename(&body.path, &path) {
                Ok(()) => {
                    body.promoted = true;
                    return Ok(tag);
                }
                Err(e) if e.kind() == io::ErrorKind::NotFound && bucket.is_dir() => {}
                Err(e) => return Err(refused(e)),
            }
            let Some(directory) = path.parent() else { break };
            match fs::create_dir_all(directory) {
                Ok(()) => {}
                // Removed between two of its levels: the next round makes it again.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(refused(e)),
            }
        }
        Err(s3_error!(ServiceUnavailable, "the directory of this key kept being removed"))
    }
}

impl Incoming {
    /// Adds to the body, without copying.
    pub(crate) fn append(&mut self, parts: &[Bytes]) -> io::Result<()> {
        parts.iter().try_for_each(|part| self.file.write_all(part))
    }

    pub(crate) const fn file(&self) -> &File {
        &self.file
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.promoted
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(%error, path = %self.path.display(), "staging.leftover_not_removed");
        }
    }
}

fn refused(error: io::Error) -> s3s::S3Error {
    match error.kind() {
        io::ErrorKind::NotADirectory
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::AlreadyExists
        | io::ErrorKind::DirectoryNotEmpty => s3_error!(
            InvalidRequest,
            "this store keeps keys as paths: an object cannot lie below another object"
        ),
        io::ErrorKind::InvalidFilename => s3_error!(KeyTooLongError),
        _ => internal(error),
    }
}
