//! What the file system answers, as errors that name the file and the remedy.

use std::{io, path::Path};
use tourbus_domain::{ErrorClass, JobError};
use tourbus_mediaroot::{FreezeError, RootError, WalkError};
use tourbus_protocol::TreePath;

/// The code of every error that says that a disk is full.
pub const DISK_FULL: &str = "disk_full";

/// From an operation on the media root.
pub fn from_root(error: &RootError) -> JobError {
    from_io(&error.source, error.to_string())
}

/// The same, blaming one file of the tree.
pub fn at(path: &TreePath) -> impl Fn(RootError) -> JobError + '_ {
    move |error| from_root(&error).at(path.to_string())
}

/// From a bare answer; `message` says what was tried.
pub fn from_io(error: &io::Error, message: String) -> JobError {
    use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    let (class, code, remedy) = match error.kind() {
        StorageFull | QuotaExceeded => (
            ErrorClass::Permanent,
            DISK_FULL,
            "Free some space on the media root's disk, or choose another server, then retry",
        ),
        ReadOnlyFilesystem => (
            ErrorClass::Permanent,
            "disk_read_only",
            "The disk is mounted read-only: look at the kernel's log (dmesg), then mount it again",
        ),
        PermissionDenied => (
            ErrorClass::Permanent,
            "media_root_denied",
            "Let the worker's user own the media root and everything below it (chown -R)",
        ),
        _ => (
            ErrorClass::Transient,
            "disk_error",
            "If it happens again, look at the kernel's log (dmesg) for faults of the disk",
        ),
    };
    JobError::new(class, code, message, remedy)
}

/// The target has not enough room.
pub fn disk_full(free_bytes: u64, wanted_bytes: u64, reserve_bytes: u64) -> JobError {
    let (free, wanted) = (mib(free_bytes), mib(wanted_bytes));
    JobError::new(
        ErrorClass::Permanent,
        DISK_FULL,
        format!(
            "the disk has {free} MiB free; {wanted} MiB would not leave the reserve of {} MiB",
            mib(reserve_bytes)
        ),
        "Free some space on the media root's disk, or choose another server, then retry",
    )
}

const fn mib(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

/// A file or directory that the worker may not read.
pub fn unreadable(path: &TreePath, owner: u32, mode: u32) -> JobError {
    JobError::new(
        ErrorClass::Permanent,
        "file_unreadable",
        format!("the worker may not read it: it belongs to user {owner} and has mode {mode:04o}"),
        "Give it to the worker's user (chown) or let that user read it (chmod), then retry",
    )
    .at(path.to_string())
}

/// From walking a tree.
pub fn from_walk(error: &WalkError) -> JobError {
    match error {
        WalkError::Special { path, what } => JobError::new(
            ErrorClass::Permanent,
            "file_special",
            format!("it is a {what}, and only files, directories and symlinks can be moved"),
            "Remove it from the artist's tree, then retry",
        )
        .at(path.to_string()),
        WalkError::Name(error) => JobError::new(
            ErrorClass::Permanent,
            "file_name_impossible",
            error.to_string(),
            "Shorten the path (4095 bytes at most), then retry",
        ),
        WalkError::Unreadable { path, owner, mode, .. } => unreadable(path, *owner, *mode),
        WalkError::Io { path, source } => from_io(source, error.to_string()).at(path.to_string()),
    }
}

/// From freezing.
pub fn from_freeze(error: &FreezeError) -> JobError {
    match error {
        FreezeError::Other(_) => JobError::new(
            ErrorClass::Transient,
            "frozen_by_another_job",
            error.to_string(),
            "Wait until that job has ended; its freeze ends by itself",
        ),
        FreezeError::Root(error) => from_root(error),
    }
}

/// The artist has no tree on the server that should be home.
pub fn tree_missing() -> JobError {
    JobError::new(
        ErrorClass::Permanent,
        "tree_missing",
        "the artist has no media tree on this server",
        "Check that the media root's disk is mounted. If the artist is new and the job that makes \
         the page was cancelled, retry that job; if the artist never had files, make an empty \
         directory named by the artist's id",
    )
}

/// Something else than a directory stands where the artist's tree should be.
pub fn tree_no_directory(path: &Path) -> JobError {
    JobError::new(
        ErrorClass::Permanent,
        "tree_no_directory",
        format!("{} is a file or a symlink, not a directory", path.display()),
        "Put the artist's directory itself there: to use another disk, mount it (or bind-mount the \
         directory) instead of linking to it",
    )
}

/// What an export leaves behind for the sync is gone.
pub fn job_state_missing() -> JobError {
    JobError::new(
        ErrorClass::Permanent,
        "job_state_missing",
        "this server has no record of the job's export",
        "Retry the move; see whether something removes files below .tourbus in the media root",
    )
}
