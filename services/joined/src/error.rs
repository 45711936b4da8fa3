//! Why a server does not join or run, for the person before it.

use std::{io, path::PathBuf};
use tourbus_supervisor::SupervisorError;
use tourbus_tls::{Fault, TlsError};

/// Why a server did not join, or does not run.
#[derive(Debug, thiserror::Error)]
pub enum JoinedError {
    /// A file or directory cannot be used.
    #[error("cannot {doing} {path}: {source}")]
    Io {
        /// What was being done, as a verb.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file of ours holds nonsense.
    #[error("{path} is damaged: {message}. Remove it, and run the command of the server's page")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// Nothing has joined from this directory.
    #[error(
        "no server has joined from {0}. Run the command that the server's page at the master shows"
    )]
    NotJoined(PathBuf),
    /// No token, and nothing has joined yet.
    #[error(
        "there is no enrolment token: set TOURBUS_TOKEN, or give the token on standard input. The \
         server's page at the master makes one"
    )]
    NoToken,
    /// Secrets would travel readable.
    #[error("{0}\nNothing was changed here")]
    Readable(String),
    /// A certificate that was named cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The master's certificate, or what answers in its place, is wrong.
    #[error("the master at {url} is not to be trusted: {fault}. {remedy}")]
    Untrusted {
        /// Its URL.
        url: String,
        /// What is wrong.
        fault: Fault,
        /// How to mend it.
        remedy: String,
    },
    /// The master cannot be reached.
    #[error(
        "the master at {url} cannot be reached: {why}. `curl -v {url}/readyz` shows more; nothing \
         was changed, and the same command can be run again"
    )]
    Unreachable {
        /// Its URL.
        url: String,
        /// Why not.
        why: String,
    },
    /// The master refuses.
    #[error("the master does not let this server in: {detail} {remedy}")]
    Refused {
        /// Stable name.
        code: String,
        /// What is wrong.
        detail: String,
        /// How to mend it.
        remedy: String,
    },
    /// The same directory is in use.
    #[error(
        "another `tourbus server run` works on {0}. Stop it first: `systemctl stop tourbus`, or \
         Ctrl-C where it runs"
    )]
    Running(PathBuf),
    /// A command of the system failed.
    #[error("`{command}` failed: {output}")]
    Command {
        /// The command.
        command: String,
        /// What it said.
        output: String,
    },
    /// The specification makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// A process or a small file.
    #[error(transparent)]
    Supervisor(#[from] SupervisorError),
}

impl JoinedError {
    /// For `map_err` after an operation on a path.
    pub(crate) fn io(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }
}
