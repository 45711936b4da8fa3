//! Queues, LOFI, verification, audit, balance.

use super::{Access, Extent, Listing, Plain, Span, Sure, work::said};
use crate::numbers;
use clap::{ArgGroup, Args as ClapArgs, Subcommand};
use uuid::Uuid;

/// `tourbus queues`.
#[derive(Debug, ClapArgs)]
pub struct Queues {
    #[command(flatten)]
    pub access: Access,
    #[command(flatten)]
    pub what: Listing<Plain, QueuesAction>,
}

#[derive(Debug, Subcommand)]
pub enum QueuesAction {
    /// How much waits on each lane
    List(Plain),
    /// Have a server's workers take nothing from one of its lanes; what they hold is finished
    Pause(PauseLane),
    /// Have them take from it again
    Resume(OneLane),
    /// Messages that nobody could handle
    Dead(Dead),
    /// Have the step of a dead order sent again, or a dead event read again; or of all that fit
    Requeue(SomeLetters),
    /// Remove a dead message for good, or all that fit
    Discard(SomeLetters),
}

impl From<Plain> for QueuesAction {
    fn from(list: Plain) -> Self {
        Self::List(list)
    }
}

#[derive(Debug, ClapArgs)]
pub struct OneLane {
    /// Whose lane
    #[arg(value_name = "SERVER")]
    pub server: String,
    /// Which: export, express, import, lofi, lofi-bulk, verify or upkeep
    #[arg(value_name = "LANE")]
    pub lane: String,
}

#[derive(Debug, ClapArgs)]
pub struct PauseLane {
    #[command(flatten)]
    pub lane: OneLane,
    /// Why, for people to read
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub reason: String,
}

/// Which dead messages.
#[derive(Debug, ClapArgs)]
pub struct LetterFilter {
    /// Only those that stood on a lane of this server
    #[arg(long, value_name = "SLUG")]
    pub server: Option<String>,
    /// Only those with this fault, as the table names it
    #[arg(long, value_name = "FAULT", value_parser = said)]
    pub fault: Option<String>,
    /// Only those that the broker took off for this: `rejected`, `delivery_limit`, `expired` or
    /// `maxlen`
    #[arg(long, value_name = "REASON", value_parser = said)]
    pub reason: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub struct Dead {
    #[command(flatten)]
    pub filter: LetterFilter,
    #[command(flatten)]
    pub extent: Extent,
}

#[derive(Debug, ClapArgs)]
#[command(group = ArgGroup::new("which").required(true).multiple(true)
    .args(["id", "server", "fault", "reason", "all"]))]
pub struct SomeLetters {
    /// The message, as `queues dead` names it
    #[arg(value_name = "ID", conflicts_with_all = ["server", "fault", "reason", "all"])]
    pub id: Option<Uuid>,
    #[command(flatten)]
    pub filter: LetterFilter,
    /// All there are
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub sure: Sure,
}

/// What `tourbus lofi` does with the cluster's songs.
#[derive(Debug, Subcommand)]
pub enum LofiAction {
    /// How many songs have their small version, and how fast they are made
    Status(LofiStatus),
    /// Queue conversions of songs
    Queue(LofiQueue),
    /// Songs whose last conversion failed, and why
    Failures(LofiFailures),
    /// Try again every song whose last conversion failed
    Retry(LofiRetry),
}

#[derive(Debug, ClapArgs)]
pub struct LofiStatus {
    #[command(flatten)]
    pub access: Access,
}

// The flags are options, independent of one another.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, ClapArgs)]
#[command(group = ArgGroup::new("which").required(true).args(["artist", "server", "everything"]))]
pub struct LofiQueue {
    #[command(flatten)]
    pub access: Access,
    /// All songs of these artists, by id or slug
    #[arg(long, value_name = "ARTIST", num_args = 1..)]
    pub artist: Vec<String>,
    /// All songs of the artists who live on this server
    #[arg(long, value_name = "SLUG")]
    pub server: Option<String>,
    /// All songs there are
    #[arg(long)]
    pub everything: bool,
    /// By this profile; each artist's own, or the cluster's, by default
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Only songs that have no small version
    #[arg(long)]
    pub only_missing: bool,
    /// Only songs whose small version was made by another profile
    #[arg(long, conflicts_with = "only_missing")]
    pub only_outdated: bool,
    /// Before everything that is converted in bulk
    #[arg(long)]
    pub express: bool,
    /// Why, for people to read
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub reason: String,
    /// Only say how many songs that is, and how long it may take
    #[arg(long)]
    pub dry_run: bool,
    /// Wait until all are converted; status 1 unless all are
    #[arg(long, conflicts_with = "dry_run")]
    pub watch: bool,
}

#[derive(Debug, ClapArgs)]
pub struct LofiFailures {
    #[command(flatten)]
    pub access: Access,
    /// At most so many, the newest first
    #[arg(long, value_name = "N", default_value_t = 50,
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
}

#[derive(Debug, ClapArgs)]
pub struct LofiRetry {
    #[command(flatten)]
    pub access: Access,
}

/// `tourbus verify`.
#[derive(Debug, ClapArgs)]
pub struct Verify {
    #[command(flatten)]
    pub access: Access,
    #[command(subcommand)]
    pub action: VerifyAction,
}

#[derive(Debug, Subcommand)]
pub enum VerifyAction {
    /// Queue a verification for each artist
    Queue(VerifyQueue),
    /// Files that are not as they should be, the newest finding first
    Findings(VerifyFindings),
    /// Say of findings that they were mended; or, with --accept, that the files are right as they
    /// are
    Resolve(VerifyResolve),
}

#[derive(Debug, ClapArgs)]
pub struct VerifyFindings {
    #[command(flatten)]
    pub extent: Extent,
}

#[derive(Debug, ClapArgs)]
#[command(group = ArgGroup::new("which").required(true).args(["id", "artist"]))]
pub struct VerifyResolve {
    /// The finding, as `verify findings` names it
    #[arg(value_name = "ID")]
    pub id: Option<Uuid>,
    /// All findings of this artist, by id or slug
    #[arg(long, value_name = "ARTIST", value_parser = said)]
    pub artist: Option<String>,
    /// The next reading takes the files as they are now; without it they were mended, and what was
    /// not is found anew
    #[arg(long)]
    pub accept: bool,
    #[command(flatten)]
    pub sure: Sure,
}

#[derive(Debug, ClapArgs)]
#[command(group = ArgGroup::new("which").required(true).args(["artist", "server", "everything"]))]
pub struct VerifyQueue {
    /// These artists, by id or slug
    #[arg(long, value_name = "ARTIST", num_args = 1..)]
    pub artist: Vec<String>,
    /// Everybody who lives on this server
    #[arg(long, value_name = "SLUG")]
    pub server: Option<String>,
    /// Everybody
    #[arg(long)]
    pub everything: bool,
    /// Read at most so much a second, such as 20MB; as the master has it by default
    #[arg(long, value_name = "BYTES", value_parser = numbers::parse_bytes)]
    pub rate: Option<u64>,
    /// Wait until all are verified; status 1 unless all are well
    #[arg(long)]
    pub watch: bool,
}

/// `tourbus audit`.
#[derive(Debug, ClapArgs)]
pub struct Audit {
    #[command(flatten)]
    pub access: Access,
    #[command(flatten)]
    pub what: Listing<AuditList, AuditAction>,
}

#[derive(Debug, Subcommand)]
pub enum AuditAction {
    /// Who did what, the newest first
    List(AuditList),
}

impl From<AuditList> for AuditAction {
    fn from(list: AuditList) -> Self {
        Self::List(list)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, ClapArgs)]
pub struct AuditList {
    /// By whom: an email address, or the name of a process
    #[arg(long, value_name = "WHO")]
    pub actor: Option<String>,
    /// This action, or all of a noun: job.cancel, job.
    #[arg(long, value_name = "ACTION")]
    pub action: Option<String>,
    /// To this object: batch:ID, server:ID …
    #[arg(long, value_name = "NOUN:ID")]
    pub object: Option<String>,
    /// done, refused or failed
    #[arg(long, value_name = "RESULT")]
    pub result: Option<String>,
    #[command(flatten)]
    pub span: Span,
    #[command(flatten)]
    pub extent: Extent,
}

/// `tourbus balance`.
#[derive(Debug, ClapArgs)]
pub struct Balance {
    #[command(flatten)]
    pub access: Access,
    #[command(flatten)]
    pub what: Listing<BalanceShow, BalanceAction>,
}

#[derive(Debug, Subcommand)]
pub enum BalanceAction {
    /// Show which moves would spread the plays evenly
    Show(BalanceShow),
    /// Queue these moves, as one batch
    Apply(BalanceApply),
    /// Show or change who looks at the balance while nobody does
    Watch(BalanceWatch),
}

impl From<BalanceShow> for BalanceAction {
    fn from(show: BalanceShow) -> Self {
        Self::Show(show)
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.01..=1.0).contains(share));
    share.ok_or_else(|| "a tolerance is a share from 0.01 to 1, such as 0.1".to_owned())
}

#[derive(Debug, Clone, Copy, Default, PartialEq, ClapArgs)]
pub struct BalanceShow {
    /// How far a server's plays may be from its share; 0.1 by default
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub tolerance: Option<f64>,
    /// Moves at most; 200 by default
    #[arg(long, value_name = "N")]
    pub moves_max: Option<u32>,
    /// Artists that moved within so many days stay; 7 by default
    #[arg(long, value_name = "DAYS")]
    pub rest_days: Option<u32>,
}

#[derive(Debug, Clone, ClapArgs)]
pub struct BalanceWatch {
    /// How often it looks from now on
    #[arg(long, value_name = "WHEN", value_parser = ["off", "hourly", "daily"])]
    pub every: Option<String>,
    /// How far a server's plays may be from its share from now on
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub tolerance: Option<f64>,
    /// Look at once; what it finds is shown by the next call
    #[arg(long)]
    pub now: bool,
}

#[derive(Debug, ClapArgs)]
pub struct BalanceApply {
    #[command(flatten)]
    pub show: BalanceShow,
    /// Before everything that is queued
    #[arg(long)]
    pub express: bool,
    /// Why, for people to read
    #[arg(long, value_name = "TEXT", default_value = "tourbus balance apply")]
    pub reason: String,
    #[command(flatten)]
    pub sure: Sure,
}
