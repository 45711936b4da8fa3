//! What can go wrong with a child process or a small file.

use std::{io, path::PathBuf, time::Duration};

/// Why a child, or a file of ours, is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// A file or directory cannot be used.
    #[error("cannot {doing} {path}: {source}")]
    Io {
        /// What was being done, as a verb: "write", "create".
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A value cannot be written as JSON.
    #[error("cannot write {path}: {message}")]
    Json {
        /// Where it should go.
        path: PathBuf,
        /// Why not.
        message: String,
    },
    /// A child keeps dying while it should become ready.
    #[error("{name} died {times} times while starting, the last time it {exit}. It said:\n{tail}")]
    Died {
        /// The process's name.
        name: String,
        /// How often.
        times: u32,
        /// How it ended.
        exit: String,
        /// Its last lines.
        tail: String,
    },
    /// A child did not become ready.
    #[error("{name} was not ready after {waited:?}: {last}. It said:\n{tail}")]
    NotReady {
        /// The process's name.
        name: String,
        /// How long was waited.
        waited: Duration,
        /// What the last look gave.
        last: String,
        /// Its last lines.
        tail: String,
    },
    /// There is no such child, or it is not running.
    #[error("{0} is not running")]
    NotRunning(String),
}

impl SupervisorError {
    /// For `map_err` after an operation on a path.
    pub(crate) fn io(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }
}
