//! What can go wrong with the database, by what to do about it.

use std::time::Duration;
use tourbus_domain::ErrorClass;

/// Why a call to the database failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database is away, starting, or out of connections: try again later. Nothing was
    /// changed, unless the connection was lost while committing.
    #[error("the database is not available: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// Two transactions were in each other's way: try again at once.
    #[error("the transaction lost against another one: {0}")]
    Contention(#[source] sqlx::Error),
    /// The database holds something that forbids this: a name that is taken, a row in use.
    #[error("the database holds something that forbids this ({constraint}): {source}")]
    Conflict {
        /// The constraint that said no, such as `servers_name_key`.
        constraint: String,
        /// The whole report.
        source: sqlx::Error,
    },
    /// What was asked for makes no sense to the database; asking again will not help.
    #[error("{0}")]
    Invalid(String),
    /// The program and the database disagree: a wrong statement, an undecodable row.
    #[error("the program and the database disagree: {0}")]
    Bug(#[source] sqlx::Error),
    /// A row says something that the program does not understand.
    #[error("a row of {table} is not understood: {message}")]
    Undecodable {
        /// Which table.
        table: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// A migration failed.
    #[error("the database could not be migrated: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
}

impl StoreError {
    /// What a caller should do about it.
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::Unavailable(_) | Self::Contention(_) => ErrorClass::Transient,
            Self::Conflict { .. } | Self::Invalid(_) => ErrorClass::Permanent,
            Self::Bug(_) | Self::Undecodable { .. } | Self::Migrate(_) => ErrorClass::Fatal,
        }
    }

    /// Whether trying the same again can help.
    pub const fn is_transient(&self) -> bool {
        matches!(self.class(), ErrorClass::Transient)
    }

    /// How long to wait before a transient failure is tried again.
    pub const fn pause(&self) -> Duration {
        match self {
            Self::Contention(_) => Duration::from_millis(10),
            _ => Duration::from_millis(500),
        }
    }

    // Taken by value, so that it fits into `map_err`.
    #[allow(clippy::needless_pass_by_value)]
    pub(crate) fn undecodable(table: &'static str, message: impl ToString) -> Self {
        Self::Undecodable { table, message: message.to_string() }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        match &error {
            E::Io(_)
            | E::Tls(_)
            | E::PoolTimedOut
            | E::PoolClosed
            | E::WorkerCrashed
            | E::BeginFailed
            // What a server says while it dies can end in the middle of a message.
            | E::Protocol(_) => Self::Unavailable(error),
            E::Database(report) => {
                let code = report.code().unwrap_or_default();
                match code.get(..2) {
                    // 40001 serialization, 40P01 deadlock, 55P03 lock not available.
                    Some("40") => Self::Contention(error),
                    Some("55") if code == "55P03" => Self::Contention(error),
                    // 08 connection, 53 out of resources, 57P admin shutdown, 57014 timeout.
                    Some("08" | "53" | "57") => Self::Unavailable(error),
                    // A NUL in a text, a number or a time that no column can hold.
                    Some("22")
                        if matches!(&*code, "22021" | "22P05" | "22003" | "22007" | "22008") =>
                    {
                        Self::Invalid(format!("The database cannot hold a value: {report}."))
                    }
                    Some("23") => Self::Conflict {
                        constraint: report.constraint().unwrap_or_default().to_owned(),
                        source: error,
                    },
                    _ => Self::Bug(error),
                }
            }
            _ => Self::Bug(error),
        }
    }
}
