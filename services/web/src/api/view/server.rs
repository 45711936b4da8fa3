//! Servers as scripts see them.

use crate::servers::limits::LimitsBody;
use chrono::{DateTime, Utc};
use serde::Serialize;
use tourbus_domain::Quarantine;
use tourbus_store::ServerRow;
use utoipa::ToSchema;
use uuid::Uuid;

/// A heartbeat comes every 5 s: without one for this long, a server is late, in seconds.
const LATE_AFTER_S: f64 = 15.0;

/// Whether a server's workers report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServerState {
    /// Lately.
    Online,
    /// Not for a few heartbeats.
    Late,
    /// Not for so long that it takes no moves.
    Offline,
    /// Not ever.
    Never,
    /// They report that the server is in quarantine.
    Quarantined,
}

impl ServerState {
    /// From the age of the last heartbeat, and what it said.
    pub fn of(seen_age_s: Option<f64>, offline_after_s: u32, quarantined: bool) -> Self {
        match seen_age_s {
            None => Self::Never,
            Some(s) if s > f64::from(offline_after_s) => Self::Offline,
            Some(_) if quarantined => Self::Quarantined,
            Some(s) if s > LATE_AFTER_S => Self::Late,
            Some(_) => Self::Online,
        }
    }

    /// What people are told.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Never => "never seen",
            other => other.as_str(),
        }
    }

    /// The same in a clause about the server.
    pub const fn clause(self) -> &'static str {
        match self {
            Self::Online => "is online",
            Self::Late => "is late",
            Self::Offline => "is offline",
            Self::Never => "was never seen",
            Self::Quarantined => "is in quarantine",
        }
    }

    /// Whether steps on its lanes are done at all.
    pub const fn works(self) -> bool {
        matches!(self, Self::Online | Self::Late)
    }

    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Late => "late",
            Self::Offline => "offline",
            Self::Never => "never",
            Self::Quarantined => "quarantined",
        }
    }
}

/// Why a server takes no work.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Quarantine)]
pub struct QuarantineView {
    /// When it began, on the server's clock.
    pub since: DateTime<Utc>,
    /// How many steps had failed in a row, by the server's own fault.
    pub failures: u32,
    /// Stable name of the last failure.
    pub code: String,
    /// The last failure.
    pub message: String,
    /// How to mend it.
    pub remedy: String,
}

impl From<Quarantine> for QuarantineView {
    fn from(quarantine: Quarantine) -> Self {
        let Quarantine { since, failures, error, .. } = quarantine;
        Self { since, failures, code: error.code, message: error.message, remedy: error.remedy }
    }
}

/// A server.
#[derive(Debug, Clone, Serialize, ToSchema)]
// The flags are what scripts ask for, independent of one another.
#[allow(clippy::struct_excessive_bools)]
#[schema(as = Server)]
pub struct ServerView {
    /// The server.
    pub id: Uuid,
    /// Its name in hosts and queues.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// Where the cluster's own processes reach it.
    pub ip: String,
    /// Its base URL.
    pub url: String,
    /// Whether it is the master.
    pub is_master: bool,
    /// Whether it takes artists.
    pub active: bool,
    /// Whether new artists go there.
    pub is_default: bool,
    /// Whether it is being emptied.
    pub draining: bool,
    /// When it joined by itself; null while it has not, and for servers made known by hand.
    pub joined_at: Option<DateTime<Utc>>,
    /// Whether it was deleted; then only pages know it, by name.
    #[serde(skip)]
    pub deleted: bool,
    /// Whether its workers report.
    pub state: ServerState,
    /// Why it takes no work; there while `state` is `quarantined`.
    pub quarantine: Option<QuarantineView>,
    /// When one last did.
    pub last_seen_at: Option<DateTime<Utc>>,
    /// Workers that reported within the last minute.
    pub workers: i64,
    /// The workers' version.
    pub version: Option<String>,
    /// Artists that live there.
    pub artists: i64,
    /// Plays of those artists, ever.
    pub plays_total: i64,
    /// Plays of those artists in the last 30 days.
    pub plays_30d: i64,
    /// Size of those artists' files.
    pub bytes: i64,
    /// Free disk, as last reported.
    pub free_bytes: Option<i64>,
    /// Size of that disk.
    pub total_bytes: Option<i64>,
    /// Bytes that running moves still have to write there.
    pub arriving_bytes: i64,
    /// What its moves may take of it.
    pub limits: LimitsBody,
    /// Whether a worker does not keep to these limits yet: it is a matter of seconds.
    pub limits_pending: bool,
    /// What its workers may stage and fetch at this moment, in bytes per second; null for no limit.
    pub rate_bytes_s: Option<u64>,
    /// When that ends, in UTC, such as `18:00`; null outside all windows.
    pub rate_until: Option<String>,
}

impl ServerView {
    /// Shows a row.
    pub fn new(row: ServerRow, offline_after_s: u32) -> Self {
        let rate = row.limits.bandwidth.rate_at(Utc::now());
        Self {
            id: row.id,
            slug: row.slug,
            name: row.name,
            ip: row.ip,
            url: row.url,
            is_master: row.is_master,
            active: row.active,
            is_default: row.is_default,
            draining: row.draining,
            joined_at: row.joined_at,
            deleted: row.deleted,
            state: ServerState::of(row.seen_age_s, offline_after_s, row.quarantine.is_some()),
            quarantine: row.quarantine.map(Into::into),
            last_seen_at: row.last_seen_at,
            workers: row.workers,
            version: row.version,
            artists: row.artists,
            plays_total: row.plays_total,
            plays_30d: row.plays_30d,
            bytes: row.bytes,
            free_bytes: row.free_bytes,
            total_bytes: row.total_bytes,
            arriving_bytes: row.arriving_bytes,
            limits: LimitsBody::from(&row.limits),
            limits_pending: row.limits_pending,
            rate_bytes_s: rate.bytes_s,
            rate_until: rate.until.map(|t| t.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_told_in_stages() {
        let of = |age| ServerState::of(age, 60, false).as_str();
        let bad = |age| ServerState::of(age, 60, true).as_str();
        assert_eq!(of(None), "never");
        assert_eq!(of(Some(3.0)), "online");
        assert_eq!(of(Some(16.0)), "late");
        assert_eq!(of(Some(61.0)), "offline");
        assert_eq!((bad(Some(3.0)), bad(Some(61.0))), ("quarantined", "offline"));
    }
}
