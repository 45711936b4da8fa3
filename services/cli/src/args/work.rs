//! Moves, batches and jobs.

use super::{Access, Extent, Listing, Span, Sure};
use clap::{ArgGroup, Args as ClapArgs, Subcommand};
use std::path::PathBuf;

/// `tourbus moves`.
#[derive(Debug, ClapArgs)]
pub struct Moves {
    #[command(flatten)]
    pub access: Access,
    #[command(subcommand)]
    pub action: MovesAction,
}

#[derive(Debug, Subcommand)]
pub enum MovesAction {
    /// Queue moves to a server; status 1 when nobody can be moved
    Queue(MovesQueue),
    /// Follow a batch until it ends; status 1 unless all of it succeeds
    Watch(MovesWatch),
}

// The flags are options, independent of one another.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, ClapArgs)]
#[command(group = ArgGroup::new("who").required(true).args(["artist", "from", "all"]))]
pub struct MovesQueue {
    /// These artists, by id or slug
    #[arg(long, value_name = "ARTIST", num_args = 1..)]
    pub artist: Vec<String>,
    /// Everybody who lives on this server
    #[arg(long, value_name = "SLUG")]
    pub from: Option<String>,
    /// Everybody
    #[arg(long)]
    pub all: bool,
    /// Of these only those with this in their name, any case
    #[arg(long, value_name = "TEXT", conflicts_with = "artist")]
    pub filter: Option<String>,
    /// The new home
    #[arg(long, value_name = "SLUG")]
    pub to: String,
    /// Why, for people to read
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub reason: String,
    /// Before everything that is queued
    #[arg(long)]
    pub express: bool,
    /// Only say who would be moved, and who not
    #[arg(long)]
    pub dry_run: bool,
    /// Wait until all have moved; status 1 unless all have
    #[arg(long, conflicts_with = "dry_run")]
    pub watch: bool,
    #[command(flatten)]
    pub sure: Sure,
}

#[derive(Debug, ClapArgs)]
pub struct MovesWatch {
    /// The batch; the newest one under way by default
    #[arg(value_name = "BATCH")]
    pub batch: Option<String>,
}

/// `tourbus batches`.
#[derive(Debug, ClapArgs)]
pub struct Batches {
    #[command(flatten)]
    pub access: Access,
    #[command(flatten)]
    pub what: Listing<BatchesList, BatchesAction>,
}

#[derive(Debug, Subcommand)]
pub enum BatchesAction {
    /// Batches, the newest first
    List(BatchesList),
    /// One batch: how far it is, and what of it failed
    Show(OneBatch),
    /// Let no more jobs of batches begin; what has begun is finished
    Pause(SomeBatches),
    /// Let batches go on
    Resume(SomeBatches),
    /// Undo what of batches has not gone too far
    Cancel(SomeBatches),
    /// Try again what of batches failed or is stuck
    Retry(RetryBatches),
}

impl From<BatchesList> for BatchesAction {
    fn from(list: BatchesList) -> Self {
        Self::List(list)
    }
}

/// Which batches.
#[derive(Debug, Clone, Default, PartialEq, Eq, ClapArgs)]
pub struct BatchFilter {
    /// open, paused (which is open too) or finished
    #[arg(long, value_name = "STATE", value_parser = ["open", "paused", "finished"])]
    pub state: Option<String>,
    /// move, lofi, verify …
    #[arg(long, value_name = "KIND", value_parser = said)]
    pub kind: Option<String>,
    /// Only those to this server; what goes to several has none
    #[arg(long, value_name = "SLUG")]
    pub server: Option<String>,
    /// Only those with an artist with this in their name, or with the one with this id
    #[arg(long, value_name = "TEXT", value_parser = said)]
    pub artist: Option<String>,
    /// Only those that this person asked for
    #[arg(long, value_name = "EMAIL", value_parser = said)]
    pub by: Option<String>,
    #[command(flatten)]
    pub span: Span,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, ClapArgs)]
pub struct BatchesList {
    #[command(flatten)]
    pub filter: BatchFilter,
    #[command(flatten)]
    pub extent: Extent,
}

#[derive(Debug, ClapArgs)]
pub struct OneBatch {
    /// The batch: its id, or 8 characters or more of its beginning, if it is a recent one
    #[arg(value_name = "BATCH")]
    pub batch: String,
}

#[derive(Debug, ClapArgs)]
#[command(group = ArgGroup::new("which").required(true).multiple(true)
    .args(["batches", "state", "kind", "server", "artist", "by", "since", "until", "all"]))]
pub struct SomeBatches {
    /// The batches: ids, or 8 characters or more of their beginnings, if they are recent ones
    #[arg(value_name = "BATCH", conflicts_with_all =
        ["state", "kind", "server", "artist", "by", "since", "until", "all"])]
    pub batches: Vec<String>,
    #[command(flatten)]
    pub filter: BatchFilter,
    /// All there are
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub sure: Sure,
}

#[derive(Debug, ClapArgs)]
pub struct RetryBatches {
    #[command(flatten)]
    pub some: SomeBatches,
    /// Also what was cancelled
    #[arg(long)]
    pub include_cancelled: bool,
}

/// `tourbus jobs`.
#[derive(Debug, ClapArgs)]
pub struct Jobs {
    #[command(flatten)]
    pub access: Access,
    #[command(flatten)]
    pub what: Listing<JobsList, JobsAction>,
}

#[derive(Debug, Subcommand)]
pub enum JobsAction {
    /// Jobs, the newest first
    List(JobsList),
    /// One job with its history
    Show(OneJob),
    /// Undo a job, or all that fit; not after the new server has taken over
    Cancel(SomeJobs),
    /// Try a job again that failed, was cancelled or is stuck; or all that fit
    Retry(SomeJobs),
    /// Let a job, or all that fit, overtake what waits before
    Express(SomeJobs),
    /// The signed report of a move that has ended
    Report(Report),
}

impl From<JobsList> for JobsAction {
    fn from(list: JobsList) -> Self {
        Self::List(list)
    }
}

/// Which jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq, ClapArgs)]
pub struct JobFilter {
    /// queued, copying, failed …; several separated by commas
    #[arg(long, value_name = "STATES", value_parser = said)]
    pub state: Option<String>,
    /// move, provision, lofi, verify …
    #[arg(long, value_name = "KIND", value_parser = said)]
    pub kind: Option<String>,
    /// Only those from or to this server
    #[arg(long, value_name = "SLUG")]
    pub server: Option<String>,
    /// Only those of this batch
    #[arg(long, value_name = "BATCH")]
    pub batch: Option<String>,
    /// Only of artists with this in their name, or of the one with this id
    #[arg(long, value_name = "TEXT", value_parser = said)]
    pub artist: Option<String>,
    /// Only those that this person asked for
    #[arg(long, value_name = "EMAIL", value_parser = said)]
    pub by: Option<String>,
    #[command(flatten)]
    pub span: Span,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, ClapArgs)]
pub struct JobsList {
    #[command(flatten)]
    pub filter: JobFilter,
    #[command(flatten)]
    pub extent: Extent,
}

#[derive(Debug, ClapArgs)]
pub struct OneJob {
    /// The job: its id, or 8 characters or more of its beginning, if it is a recent one
    #[arg(value_name = "JOB")]
    pub job: String,
}

#[derive(Debug, ClapArgs)]
#[command(group = ArgGroup::new("which").required(true).multiple(true)
    .args(["job", "state", "kind", "server", "batch", "artist", "by", "since", "until", "all"]))]
pub struct SomeJobs {
    /// The job: its id, or 8 characters or more of its beginning, if it is a recent one
    #[arg(value_name = "JOB", conflicts_with_all =
        ["state", "kind", "server", "batch", "artist", "by", "since", "until", "all"])]
    pub job: Option<String>,
    #[command(flatten)]
    pub filter: JobFilter,
    /// All there are
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub sure: Sure,
}

#[derive(Debug, ClapArgs)]
pub struct Report {
    #[command(flatten)]
    pub job: OneJob,
    /// Write it into this file rather than to standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// What is empty would mean everything: a variable of a script that is not set must not.
pub(super) fn said(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("it is empty; leave it out to mean all".to_owned()),
        some => Ok(some.to_owned()),
    }
}
