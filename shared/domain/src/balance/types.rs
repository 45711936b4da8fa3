//! What the planner is told, and what it answers.

use crate::{ArtistId, ServerId, TargetRoom};

/// What a server does in a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Role {
    /// Gives and takes: an active server. The default.
    #[default]
    GivesAndTakes,
    /// Gives but does not take: in quarantine, say. In the mean only while above its share, for
    /// nothing can be done for one below.
    GivesOnly,
    /// On its way out: gives what helps the others, takes nothing and is due no plays.
    Draining,
    /// Neither gives nor takes, and is not in the mean: inactive, offline or not joined.
    Apart,
}

impl Role {
    /// Whether its artists may leave.
    pub const fn gives(self) -> bool {
        !matches!(self, Self::Apart)
    }

    /// Whether artists may arrive.
    pub const fn takes(self) -> bool {
        matches!(self, Self::GivesAndTakes)
    }
}

/// A server, as the planner sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BalanceServer {
    /// Which, and what arriving artists may fill. A full server has a room of 0 bytes.
    pub room: TargetRoom,
    /// Whether it gives and takes.
    pub role: Role,
    /// Its strength beside the others: one of 2.0 is due twice the plays of one of 1.0. Finite and
    /// above 0.
    pub weight: f64,
}

/// An artist, as the planner sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BalanceArtist {
    /// The artist.
    pub artist_id: ArtistId,
    /// The home server.
    pub server_id: ServerId,
    /// Size of the media tree.
    pub bytes: u64,
    /// Plays in the last 30 days.
    pub plays_30d: u64,
    /// False while a job holds the artist, and while it rests after a move.
    pub movable: bool,
}

/// What the plan is to reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BalanceGoal {
    /// How far a server may be from its share, as a part of that share: 0.1 is 10 % above or below.
    /// Finite, not below 0. Default 0.1.
    pub tolerance: f64,
    /// Most moves of a plan. Default 200.
    pub moves_max: usize,
}

impl Default for BalanceGoal {
    fn default() -> Self {
        Self { tolerance: 0.1, moves_max: 200 }
    }
}

/// Why there is no plan: the description of the cluster cannot be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BalanceFault {
    /// The tolerance is below 0, or no number.
    #[error("the tolerance must be a number from 0 up")]
    Tolerance,
    /// A weight is not above 0, or no number.
    #[error("the weight of server {0} must be a number above 0")]
    Weight(ServerId),
    /// A server is listed twice.
    #[error("server {0} is listed twice")]
    ServerTwice(ServerId),
    /// An artist is listed twice.
    #[error("artist {0} is listed twice")]
    ArtistTwice(ArtistId),
    /// An artist lives on a server that is not listed.
    #[error("artist {0} lives on a server that is not listed")]
    UnknownHome(ArtistId),
    /// The sum of all bytes or of all plays is beyond 64 bits.
    #[error("the artists' bytes or plays add up to more than 64 bits hold")]
    TooLarge,
}

/// A plan: what to move, and what comes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The moves, most plays first; ties by the artist's id.
    pub moves: Vec<PlannedMove>,
    /// Every server that was listed, by id.
    pub servers: Vec<ServerLoad>,
    /// `None` when every server with a share is within the tolerance afterwards.
    pub shortfall: Option<Shortfall>,
}

impl Plan {
    /// Whether every server with a share is within the tolerance afterwards.
    pub const fn is_reached(&self) -> bool {
        self.shortfall.is_none()
    }

    /// Bytes that the plan moves.
    pub fn bytes_moved(&self) -> u64 {
        self.moves.iter().map(|m| m.bytes).sum()
    }

    /// Plays in 30 days that the plan moves.
    pub fn plays_moved_30d(&self) -> u64 {
        self.moves.iter().map(|m| m.plays_30d).sum()
    }
}

/// One artist to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedMove {
    /// The artist.
    pub artist_id: ArtistId,
    /// The home server.
    pub from: ServerId,
    /// The new home.
    pub to: ServerId,
    /// Size of the media tree.
    pub bytes: u64,
    /// Plays in the last 30 days.
    pub plays_30d: u64,
    /// What it is good for.
    pub why: MoveReason,
}

/// Why a plan has a move. The figures are those before the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MoveReason {
    /// In one word.
    pub cause: MoveCause,
    /// Plays of the source above its share; negative when below. A draining server is due none, so
    /// all its plays are above.
    pub source_over_plays_30d: i64,
    /// Plays that the target was short of its share; negative when above.
    pub target_under_plays_30d: i64,
}

/// Why a plan has a move, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MoveCause {
    /// The source was above the tolerance, and the target below.
    RelievesAndFills,
    /// The source was above the tolerance.
    Relieves,
    /// The target was below the tolerance.
    Fills,
    /// Both were within: it makes way for another move.
    MakesWay,
}

/// A server before and after the plan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ServerLoad {
    /// The server.
    pub server_id: ServerId,
    /// Plays that it is due. `None` for one that is not in the mean.
    pub share_plays_30d: Option<f64>,
    /// Plays of its artists in the last 30 days.
    pub plays_before_30d: u64,
    /// The same with the plan carried out.
    pub plays_after_30d: u64,
    /// Size of its artists' media.
    pub bytes_before: u64,
    /// The same with the plan carried out.
    pub bytes_after: u64,
}

impl ServerLoad {
    /// How far it was from its share, as a part of it; negative below. `None` without a share.
    pub fn off_before(&self) -> Option<f64> {
        self.off(self.plays_before_30d)
    }

    /// The same with the plan carried out.
    pub fn off_after(&self) -> Option<f64> {
        self.off(self.plays_after_30d)
    }

    fn off(&self, plays: u64) -> Option<f64> {
        let share = self.share_plays_30d?;
        Some(if share > 0.0 { plays as f64 / share - 1.0 } else { 0.0 })
    }
}

/// That the tolerance is not reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortfall {
    /// The server that stays the furthest from its share.
    pub server_id: ServerId,
    /// What stands in the way.
    pub reason: ShortfallReason,
}

/// What stands in the way of the tolerance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShortfallReason {
    /// No server takes artists.
    NoTarget,
    /// This artist alone has more plays than any server may have.
    ArtistTooLarge(ArtistId),
    /// No artist with plays may be moved: all rest or are held.
    NothingMovable,
    /// More moves would help than the plan may have.
    MoveBound,
    /// This artist's move would help, but no server that it would help has room for it.
    NoRoom(ArtistId),
    /// This artist's move would help, but it rests or is held.
    Resting(ArtistId),
    /// Artists move as a whole, and no choice of them that was found comes nearer.
    TooCoarse,
}
