//! What can go wrong with the local stack, said so that a newcomer can mend it.

use std::{io, path::PathBuf};
use tourbus_supervisor::SupervisorError;

/// Why the local stack could not be started or used.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
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
    /// The data directory cannot be written.
    #[error(
        "the data directory {path} cannot be used: {source}. \
         Set TOURBUS_DATA_DIR (or --data-dir) to a directory that you may write"
    )]
    DataDir {
        /// The directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another process holds the lock of the data directory.
    #[error(
        "another `tourbus up` already runs on {path} (process {pid}). Stop it with Ctrl-C, or set \
         TOURBUS_DATA_DIR and TOURBUS_HTTP_PORT to start a second one beside it"
    )]
    AlreadyRunning {
        /// The data directory.
        path: PathBuf,
        /// Who holds it, as far as is known.
        pid: String,
    },
    /// The disk is nearly full.
    #[error(
        "only {free_mib} MiB are free on the disk of {path}, and {needed_mib} MiB are needed. Free \
         some, or set TOURBUS_DATA_DIR to a directory on another disk"
    )]
    DiskFull {
        /// The data directory.
        path: PathBuf,
        /// What is there, in MiB.
        free_mib: u64,
        /// What is needed, in MiB.
        needed_mib: u64,
    },
    /// A port is taken.
    #[error(
        "port {port} on 127.0.0.1, meant for {what}, is taken by another program. Set \
         TOURBUS_HTTP_PORT (or --http-port) to another first port; all others follow it. \
         `ss -ltnp 'sport = :{port}'` shows who has it"
    )]
    PortTaken {
        /// Which port.
        port: u16,
        /// For which process.
        what: String,
    },
    /// No ports are to be had.
    #[error("no {wanted} free ports in a row were found on 127.0.0.1")]
    NoPorts {
        /// How many were needed.
        wanted: u16,
    },
    /// A program of a package is missing.
    #[error("{program} is not installed. `compose/install.sh` installs it (package {package})")]
    Missing {
        /// The program.
        program: &'static str,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// The tourbus binary was not found.
    #[error("the tourbus binary was not found at {0}: build it with `cargo build -p tourbus`")]
    NoBinary(PathBuf),
    /// PostgreSQL refuses to run as root, and there is no way round.
    #[error(
        "PostgreSQL refuses to run as root; its user `postgres` cannot reach {path}, and this \
         kernel forbids user namespaces ({source}). Set TOURBUS_DATA_DIR to a directory that \
         everybody may traverse, such as /var/tmp/tourbus, or do not run this as root"
    )]
    RootPostgres {
        /// The data directory.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A child cannot be started at all.
    #[error("cannot start {name} ({program}): {source}")]
    Spawn {
        /// The process's name.
        name: String,
        /// What was to be run.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A process, or a small file.
    #[error(transparent)]
    Supervisor(#[from] SupervisorError),
    /// A one-off program failed.
    #[error("{what} failed ({exit}): {output}")]
    Command {
        /// What was being done.
        what: String,
        /// Its exit status.
        exit: String,
        /// What it said.
        output: String,
    },
    /// RabbitMQ's management API refused something.
    #[error("RabbitMQ's management API: {0}")]
    Management(String),
    /// The database.
    #[error(transparent)]
    Store(#[from] tourbus_store::StoreError),
    /// The broker's topology could not be declared.
    #[error("the broker's exchanges, queues and permissions could not be declared: {0}")]
    Topology(String),
    /// The demo's artists could not be made.
    #[error("the demo's artists could not be made: {0}")]
    Demo(String),
    /// A file of ours holds nonsense.
    #[error("{path} is damaged: {message}. Delete it and the data beside it to start afresh")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// The specification makes no sense.
    #[error("{0}")]
    Invalid(String),
}

impl LocalError {
    /// For `map_err` after an operation on a path.
    pub(crate) fn io(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }
}
