//! The commands, as clap reads them. Which server, batch or job is meant is asked of the master
//! later: here a name is any text. The comments are the help that people read.

#![allow(missing_docs, reason = "what clap makes of a group of options has no help of its own")]

mod cluster;
mod other;
mod webhooks;
mod work;

pub use cluster::{
    Artists, ArtistsAction, ArtistsList, Drain, Limit, Limits, OneArtist, OneServer, Servers,
    ServersAction, Sure, size as limit_size,
};
pub use other::{
    Audit, AuditAction, AuditList, Balance, BalanceAction, BalanceApply, BalanceShow, BalanceWatch,
    Dead, LetterFilter, LofiAction, LofiFailures, LofiQueue, LofiRetry, LofiStatus, OneLane,
    PauseLane, Queues, QueuesAction, SomeLetters, Verify, VerifyAction, VerifyFindings,
    VerifyQueue, VerifyResolve,
};
pub use webhooks::{
    AddWebhook, Deliveries, EditWebhook, OneDelivery, OneWebhook, RemoveWebhook, Webhooks,
    WebhooksAction,
};
pub use work::{
    BatchFilter, Batches, BatchesAction, BatchesList, JobFilter, Jobs, JobsAction, JobsList, Moves,
    MovesAction, MovesQueue, MovesWatch, OneBatch, OneJob, Report, RetryBatches, SomeBatches,
    SomeJobs,
};

use crate::{error::CliError, when::Since};
use clap::{Args as ClapArgs, Subcommand};
use std::path::PathBuf;
use tourbus_config::Way;

/// What exit statuses mean; shown in the help of every command.
const EXIT: &str = "\
Exit status:
  0  done; what was waited for ended well
  1  the master refused, or something failed; some of the jobs waited for did not succeed
  2  wrong usage
  3  the master cannot be reached
  4  not signed in: no token, or one that the master does not take

The token is read from TOURBUS_API_TOKEN, or from the credentials file.";

/// The operator's commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show servers; drain, check and release them
    #[command(after_help = EXIT)]
    Servers(Servers),
    /// Find and show artists
    #[command(after_help = EXIT)]
    Artists(Artists),
    /// Move artists to another server, and watch them go
    #[command(after_help = EXIT)]
    Moves(Moves),
    /// Show, pause, cancel and retry what was asked for in one go
    #[command(after_help = EXIT)]
    Batches(Batches),
    /// Show, cancel and retry single jobs
    #[command(after_help = EXIT)]
    Jobs(Jobs),
    /// Show how much waits on the lanes; requeue or discard dead messages
    #[command(after_help = EXIT)]
    Queues(Queues),
    /// Read artists' files back from the disk, and compare; resolve what was found
    #[command(after_help = EXIT)]
    Verify(Verify),
    /// Show who did what
    #[command(after_help = EXIT)]
    Audit(Audit),
    /// Show or queue the moves that spread plays evenly over the servers
    #[command(after_help = EXIT)]
    Balance(Balance),
    /// Tell other programs what happens; see what became of it
    #[command(after_help = EXIT)]
    Webhooks(Webhooks),
}

/// Which master, and in which form it is told.
#[derive(Debug, Clone, Default, ClapArgs)]
#[command(next_help_heading = "Connection")]
pub struct Access {
    /// Base URL of the master; the one of the credentials file by default
    #[arg(long, global = true, value_name = "URL", env = "TOURBUS_URL")]
    pub url: Option<String>,
    /// A JSON file with url and `api_token`; by default credentials.json in `TOURBUS_DATA_DIR` or in
    /// .data, if it is there
    #[arg(long, global = true, value_name = "FILE", env = "TOURBUS_CREDENTIALS")]
    pub credentials: Option<PathBuf>,
    /// The authority that vouches for the master's certificate, if none that this machine believes
    #[arg(long, global = true, value_name = "FILE", env = "TOURBUS_CA")]
    pub ca: Option<PathBuf>,
    /// What may travel unencrypted beyond this machine; a refusal says which name to give
    #[arg(long, global = true, value_name = "WAYS", value_delimiter = ',')]
    pub allow_unencrypted: Vec<Way>,
    /// Print the master's answer as one JSON document, for scripts
    #[arg(long, global = true)]
    pub json: bool,
}

/// A command that lists, unless one of its subcommands is named.
#[derive(Debug, ClapArgs)]
pub struct Listing<L: ClapArgs, A: Subcommand> {
    #[command(flatten)]
    list: L,
    #[command(subcommand)]
    action: Option<A>,
}

impl<L: ClapArgs + Default + PartialEq, A: Subcommand + From<L>> Listing<L, A> {
    /// What is to be done. The list's options before a subcommand would have no effect: that is a
    /// wrong usage.
    pub fn action(self) -> Result<A, CliError> {
        match self.action {
            None => Ok(self.list.into()),
            Some(action) if self.list == L::default() => Ok(action),
            Some(_) => Err(CliError::Usage(
                "the options of the list have no meaning before a subcommand: put its options \
                 behind it"
                    .to_owned(),
            )),
        }
    }
}

/// A list that has no options.
#[derive(Debug, Clone, Default, PartialEq, Eq, ClapArgs)]
pub struct Plain {}

/// How much of a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ClapArgs)]
pub struct Extent {
    /// At most so many; 50 by default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
    /// All there are
    #[arg(long, conflicts_with = "limit")]
    pub all: bool,
}

impl Extent {
    /// At most so many; none for all.
    pub const fn limit(self) -> Option<u32> {
        match (self.all, self.limit) {
            (true, _) => None,
            (false, Some(n)) => Some(n),
            (false, None) => Some(50),
        }
    }
}

/// Between which times something was.
#[derive(Debug, Clone, Default, PartialEq, Eq, ClapArgs)]
pub struct Span {
    /// Not before: 90s, 15min, 2h or 7d ago; a day (2026-11-22, here); or a time as in RFC 3339
    #[arg(long, value_name = "WHEN")]
    pub since: Option<Since>,
    /// Before this time, likewise
    #[arg(long, value_name = "WHEN")]
    pub until: Option<Since>,
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};

    #[derive(Debug, Parser)]
    #[command(name = "tourbus")]
    pub struct Whole {
        #[command(subcommand)]
        pub command: Command,
    }

    #[derive(Debug, Parser)]
    #[command(name = "lofi")]
    struct LofiWhole {
        #[command(subcommand)]
        action: LofiAction,
    }

    pub fn parsed(line: &str) -> Result<Command, clap::Error> {
        let words = std::iter::once("tourbus").chain(line.split_whitespace());
        Whole::try_parse_from(words).map(|w| w.command)
    }

    #[test]
    fn the_arguments_make_sense() {
        Whole::command().debug_assert();
        LofiWhole::command().debug_assert();
    }

    #[test]
    fn every_command_is_read() {
        for line in [
            "servers",
            "servers list --json",
            "servers --json list",
            "servers show server2",
            "servers drain server2 --to server3 --dry-run",
            "servers undrain server2",
            "servers check server2",
            "servers release server2",
            "artists --filter rook --sort -plays_30d",
            "artists list --server server2 --all",
            "artists show the-rooks",
            "moves queue --artist a --artist b --to server2 --express --watch --yes",
            "moves queue --artist a b c --to server2",
            "moves queue --from server3 --filter x --to server2 --dry-run",
            "moves queue --all --to server2 --reason why",
            "moves watch",
            "moves watch 0192aaaa",
            "batches --state open --limit 5",
            "batches pause 0192aaaa",
            "batches resume 0192aaaa",
            "batches cancel 0192aaaa --yes",
            "batches retry 0192aaaa --include-cancelled",
            "batches pause 0192aaaa 0192bbbb",
            "batches resume --state paused --by me@example.org --yes",
            "batches cancel --all --until 7d",
            "batches retry --kind move --server server2 --include-cancelled --since 2h",
            "jobs --state failed,stuck --kind move --server server2 --batch 0192aaaa",
            "jobs list --artist rook --by me@example.org --since 2h --until 2026-11-22",
            "jobs cancel 0192aaaa",
            "jobs cancel --state queued --batch 0192aaaa --yes",
            "jobs retry --all --since 2h",
            "jobs express --artist rook --yes",
            "jobs report 0192aaaa -o report.json",
            "queues",
            "queues pause server2 export --reason why",
            "queues resume server2 lofi-bulk",
            "queues dead --server server2 --reason rejected",
            "queues requeue 01890a5d-ac96-774b-bcce-b302099a8057",
            "queues discard 01890a5d-ac96-774b-bcce-b302099a8057 --yes",
            "queues requeue --server server2 --fault malformed",
            "queues requeue --all",
            "queues discard --reason expired --yes",
            "verify queue --artist a --watch",
            "verify queue --everything --rate 10MB",
            "verify findings --limit 5",
            "verify resolve 01890a5d-ac96-774b-bcce-b302099a8057",
            "verify resolve --artist the-rooks --accept --yes",
            "audit --actor me@example.org --action job. --since 7d",
            "balance --tolerance 0.2",
            "balance apply --tolerance 0.2 --yes --express",
            "balance watch",
            "balance watch --every hourly --tolerance 0.2",
            "balance watch --now",
            "webhooks",
            "webhooks add --name ops --to https://h.example/x --events batch.failed,job.stuck",
            "webhooks edit ops --rename ops2 --off",
            "webhooks rotate ops",
            "webhooks remove ops --yes",
            "webhooks test ops --json",
            "webhooks deliveries ops --state failed --all",
            "webhooks send-again 01890a5d-ac96-774b-bcce-b302099a8057",
        ] {
            parsed(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "jobs cancel",
            "jobs --artist=",
            "batches cancel",
            "batches pause --by=",
            "batches cancel 0192aaaa --state open",
            "batches resume --state asleep",
            "jobs cancel --artist=",
            "jobs retry --by=",
            "jobs cancel 0192aaaa --state queued",
            "moves queue --to server2",
            "moves queue --artist a --from server3 --to server2",
            "moves queue --artist a --filter x --to server2",
            "moves queue --filter x --to server2",
            "moves queue --artist a",
            "artists --limit 0",
            "artists --all --limit 5",
            "artists --sort fame",
            "queues requeue",
            "queues discard --fault=",
            "queues discard 01890a5d-ac96-774b-bcce-b302099a8057 --all",
            "verify resolve",
            "verify resolve --accept --artist=",
            "verify resolve 01890a5d-ac96-774b-bcce-b302099a8057 --artist a",
            "verify queue",
            "verify queue --everything --server server2",
            "verify queue --everything --rate fast",
            "audit --since yesterday-ish",
            "balance --tolerance 7",
            "balance watch --every weekly",
            "webhooks add --name ops",
            "webhooks edit ops --on --off",
        ] {
            assert_eq!(parsed(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn a_lists_options_belong_behind_a_subcommand() {
        let Command::Artists(artists) = parsed("artists --filter x show y").unwrap() else {
            panic!("artists")
        };
        assert_eq!(artists.what.action().unwrap_err().code(), 2);
        let Command::Artists(artists) = parsed("artists --json show y").unwrap() else {
            panic!("artists")
        };
        assert!(artists.access.json);
        assert!(matches!(artists.what.action().unwrap(), ArtistsAction::Show(_)));
        let Command::Artists(artists) = parsed("artists show y --json").unwrap() else {
            panic!("artists")
        };
        assert!(artists.access.json, "whichever side");
    }
}
