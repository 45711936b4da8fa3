//! Which artists a move accepts, and why it refuses the others. Pure, so that a dry run and the
//! real thing cannot disagree.

use crate::{ArtistId, JobId, ServerId};
use serde::{Deserialize, Serialize};

/// Why one artist of a request is not moved. Nothing is queued for that artist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// No artist has this id.
    UnknownArtist,
    /// The artist's home server already is the target.
    AlreadyThere,
    /// Another job holds the artist.
    AlreadyMoving,
    /// The target's free disk, less its reserve and what running moves will fill, is too small.
    NotEnoughSpace,
    /// No server has the target's id.
    UnknownServer,
    /// The target is not active: it takes no more artists.
    ServerInactive,
    /// The target is being emptied: it takes no more artists.
    ServerDraining,
    /// The target has not joined the cluster yet.
    ServerNotJoined,
    /// The target's workers have not been heard of for a while.
    ServerOffline,
    /// The target is in quarantine: its own faults failed move after move.
    ServerQuarantined,
    /// The artist's home server has not been heard of for a while.
    SourceOffline,
}

impl Refusal {
    /// The stable name, as in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownArtist => "unknown_artist",
            Self::AlreadyThere => "already_there",
            Self::AlreadyMoving => "already_moving",
            Self::NotEnoughSpace => "not_enough_space",
            Self::UnknownServer => "unknown_server",
            Self::ServerInactive => "server_inactive",
            Self::ServerDraining => "server_draining",
            Self::ServerNotJoined => "server_not_joined",
            Self::ServerOffline => "server_offline",
            Self::ServerQuarantined => "server_quarantined",
            Self::SourceOffline => "source_offline",
        }
    }

    /// What it means and what to do, in one sentence for a page.
    pub const fn explain(self) -> &'static str {
        match self {
            Self::UnknownArtist => "No artist has this id; it may have been deleted.",
            Self::AlreadyThere => "The artist already lives on that server.",
            Self::AlreadyMoving => {
                "Another job is moving this artist; wait for it, or cancel it first."
            }
            Self::NotEnoughSpace => {
                "The target's free disk, less what running moves have reserved, is too small; \
                 free some space or choose another server."
            }
            Self::UnknownServer => {
                "No server has the target's id; it may have been deleted. Choose another server."
            }
            Self::ServerInactive => {
                "The target is not active; set Server Active to yes, or choose another server."
            }
            Self::ServerDraining => "The target is being drained; choose another server.",
            Self::ServerNotJoined => {
                "The target has not joined the cluster yet; run the command of its page on that \
                 machine, or choose another server."
            }
            Self::ServerOffline => {
                "No worker of the target has reported lately; start one there, or choose another \
                 server."
            }
            Self::ServerQuarantined => {
                "The target is in quarantine; mend what its page names and release it, or choose \
                 another server."
            }
            Self::SourceOffline => {
                "No worker of the artist's home server has reported lately; start one there first."
            }
        }
    }
}

impl Refusal {
    /// What it means for so many artists, without a full stop: `47 already live on Server3`.
    pub fn tell(self, artists: u64, target: &str) -> String {
        let one = artists == 1;
        let (is, live) = if one { ("is", "lives") } else { ("are", "live") };
        match self {
            Self::UnknownArtist => format!("{artists} {is} not known here"),
            Self::AlreadyThere => format!("{artists} already {live} on {target}"),
            Self::AlreadyMoving => format!("{artists} {is} being moved by another job"),
            Self::NotEnoughSpace => {
                format!("{artists} {} no room on {target}", if one { "has" } else { "have" })
            }
            Self::UnknownServer => format!("{artists} cannot move: there is no such server"),
            Self::ServerInactive => format!("{artists} cannot move: {target} is not active"),
            Self::ServerDraining => format!("{artists} cannot move: {target} is being drained"),
            Self::ServerNotJoined => {
                format!("{artists} cannot move: {target} has not joined the cluster yet")
            }
            Self::ServerOffline => format!("{artists} cannot move: {target} is offline"),
            Self::ServerQuarantined => {
                format!("{artists} cannot move: {target} is in quarantine")
            }
            Self::SourceOffline => format!("{artists} {live} on a server that is offline"),
        }
    }
}

/// One artist of a request, as the database knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// The artist.
    pub artist_id: ArtistId,
    /// The home server.
    pub server_id: ServerId,
    /// Size of the media tree.
    pub bytes: u64,
    /// The job that holds the artist, if any.
    pub operating_job_id: Option<JobId>,
    /// Whether the home server's workers have reported lately.
    pub source_online: bool,
}

/// What the target can take. `room_bytes` shrinks as candidates are admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetRoom {
    /// The target.
    pub server_id: ServerId,
    /// Free disk less the reserve and less what running moves still have to fill, in bytes.
    pub room_bytes: u64,
}

/// Admits one candidate, taking its bytes from the room, or says why not.
pub fn admit(candidate: &Candidate, target: &mut TargetRoom) -> Result<(), Refusal> {
    if candidate.server_id == target.server_id {
        return Err(Refusal::AlreadyThere);
    }
    if candidate.operating_job_id.is_some() {
        return Err(Refusal::AlreadyMoving);
    }
    if !candidate.source_online {
        return Err(Refusal::SourceOffline);
    }
    match target.room_bytes.checked_sub(candidate.bytes) {
        Some(left) => {
            target.room_bytes = left;
            Ok(())
        }
        None => Err(Refusal::NotEnoughSpace),
    }
}
