//! Readings of artists' files as scripts see them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use tourbus_store::{FindingRow, VerifyServer};
use utoipa::ToSchema;
use uuid::Uuid;

/// How far one server is.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = VerifyServer)]
pub struct VerifyServerView {
    /// The server.
    pub server_id: Uuid,
    /// Artists who live there.
    pub artists: i64,
    /// Of these, artists whose files were never read.
    pub never_verified: i64,
    /// When the one was verified who waits longest, of the others.
    pub oldest_at: Option<DateTime<Utc>>,
    /// When somebody was last.
    pub last_at: Option<DateTime<Utc>>,
    /// Readings that wait.
    pub queued: i64,
    /// Readings at work.
    pub running: i64,
    /// Artists whose files were read there in the last 7 days.
    pub read_7d: i64,
    /// Bytes in them.
    pub bytes_7d: i64,
    /// Findings that nobody has resolved.
    pub open_findings: i64,
}

impl From<VerifyServer> for VerifyServerView {
    fn from(row: VerifyServer) -> Self {
        Self {
            server_id: row.server_id,
            artists: row.artists,
            never_verified: row.never,
            oldest_at: row.oldest_at,
            last_at: row.last_at,
            queued: row.queued,
            running: row.running,
            read_7d: row.read_7d,
            bytes_7d: row.bytes_7d,
            open_findings: row.findings,
        }
    }
}

/// A file that is not what it was.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Finding)]
pub struct FindingView {
    /// The finding.
    pub id: Uuid,
    /// Whose file.
    pub artist_id: Uuid,
    /// The artist's name.
    pub artist_name: String,
    /// On whose disk it was found.
    pub server_id: Uuid,
    /// Where the artist lives now.
    pub artist_server_id: Uuid,
    /// The reading that found it last.
    pub job_id: Uuid,
    /// Where in the artist's tree; bytes that are no text are written `%XX`.
    pub path: String,
    /// `corrupt`, `unreadable`, `missing`, `changed` or `untracked`.
    pub kind: String,
    /// What that means.
    pub meaning: &'static str,
    /// How to mend it.
    pub remedy: &'static str,
    /// The size that it had, in bytes; null when it was not known before.
    pub bytes_expected: Option<i64>,
    /// The size that it has, in bytes; null when it is not there.
    pub bytes_actual: Option<i64>,
    /// Where the first piece begins that differs, in bytes; null for a file of one piece.
    pub offset: Option<i64>,
    /// BLAKE3 that this piece had, hex; of the whole file, if `offset` is null.
    pub blake3_expected: Option<String>,
    /// BLAKE3 that it has, hex.
    pub blake3_actual: Option<String>,
    /// All that the file is now, as this reading found it, in one text: who resolves the finding
    /// passes it on, so that nothing else is accepted.
    pub state: String,
    /// Why it cannot be read.
    pub detail: Option<String>,
    /// When it was first found.
    pub found_at: DateTime<Utc>,
    /// When it was last found.
    pub seen_at: DateTime<Utc>,
    /// When it was resolved; null while it is open.
    pub resolved_at: Option<DateTime<Utc>>,
    /// By whom; null when a later reading found the file right.
    pub resolved_by: Option<String>,
    /// `clean`: a later reading found it right. `mended`: a person says so. `accepted`: a person
    /// says that it is right as it is.
    pub resolution: Option<String>,
}

/// What a kind of finding means, and how to mend it.
pub fn explain(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "corrupt" => (
            "Size and time are what they were, and its bytes are not: the disk lost them.",
            "Put the file back from a backup, with cp, or upload it again. Look at the disk \
             (smartctl, dmesg) before you trust it with more.",
        ),
        "unreadable" => (
            "The disk does not give it back.",
            "Look at the kernel’s log (dmesg) and at the file’s owner and mode. If the disk fails, \
             move the artists off this server, then put the file back from a backup.",
        ),
        "missing" => (
            "It was there, or the artist’s page names it, and nobody deleted it by Tourbus.",
            "Put it back from a backup, or upload it again. If it is gone for good, accept that; \
             a song is also to be deleted in the workshop.",
        ),
        "changed" => (
            "It was written to, and not by Tourbus.",
            "Find out who works on the server’s disk. Put the file back from a backup, or accept \
             it as it is.",
        ),
        "untracked" => (
            "It is there, and Tourbus did not put it there.",
            "If it belongs there, accept it. If not, delete it on the server’s disk.",
        ),
        _ => ("It is not what it was.", "Compare it with a backup."),
    }
}

impl From<FindingRow> for FindingView {
    fn from(row: FindingRow) -> Self {
        let (meaning, remedy) = explain(&row.kind);
        Self {
            id: row.id,
            artist_id: row.artist_id,
            artist_name: row.artist_name,
            server_id: row.server_id,
            artist_server_id: row.home_id,
            job_id: row.job_id,
            path: row.path,
            kind: row.kind,
            meaning,
            remedy,
            bytes_expected: row.bytes_expected,
            bytes_actual: row.bytes_actual,
            offset: row.piece_offset,
            blake3_expected: row.blake3_expected,
            blake3_actual: row.blake3_actual,
            state: row.state,
            detail: row.detail,
            found_at: row.found_at,
            seen_at: row.seen_at,
            resolved_at: row.resolved_at,
            resolved_by: row.resolved_by,
            resolution: row.resolution,
        }
    }
}
