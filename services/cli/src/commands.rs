//! What each command does.

mod artists;
mod audit;
mod balance;
mod batches;
mod jobs;
pub mod lofi;
mod many;
mod moves;
mod queues;
mod servers;
mod verify;
mod webhooks;

use crate::{
    Ended,
    args::{
        ArtistsAction, AuditAction, BalanceAction, BatchesAction, Command, JobsAction, MovesAction,
        QueuesAction, ServersAction, VerifyAction, WebhooksAction,
    },
    client,
    error::CliError,
    screen::Screen,
    view::{Failure, Queued, Refused},
};
use serde_json::Value;

/// Artists that are told by name when they are refused.
const REFUSED_MAX: usize = 10;

/// Does it. What is a wrong usage is told before anything is asked.
pub async fn run(command: Command) -> Result<Ended, CliError> {
    match command {
        Command::Servers(c) => {
            let action: ServersAction = c.what.action()?;
            servers::run(&Screen::new(&c.access)?, action).await
        }
        Command::Artists(c) => {
            let action: ArtistsAction = c.what.action()?;
            artists::run(&Screen::new(&c.access)?, action).await
        }
        Command::Moves(c) => {
            let action: MovesAction = c.action;
            moves::run(&Screen::new(&c.access)?, action).await
        }
        Command::Batches(c) => {
            let action: BatchesAction = c.what.action()?;
            batches::run(&Screen::new(&c.access)?, action).await
        }
        Command::Jobs(c) => {
            let action: JobsAction = c.what.action()?;
            jobs::run(&Screen::new(&c.access)?, action).await
        }
        Command::Queues(c) => {
            let action: QueuesAction = c.what.action()?;
            queues::run(&Screen::new(&c.access)?, action).await
        }
        Command::Verify(c) => {
            let action: VerifyAction = c.action;
            verify::run(&Screen::new(&c.access)?, action).await
        }
        Command::Audit(c) => {
            let AuditAction::List(list) = c.what.action()?;
            audit::list(&Screen::new(&c.access)?, list).await
        }
        Command::Balance(c) => {
            let action: BalanceAction = c.what.action()?;
            balance::run(&Screen::new(&c.access)?, action).await
        }
        Command::Webhooks(c) => {
            let action: WebhooksAction = c.what.action()?;
            webhooks::run(&Screen::new(&c.access)?, action).await
        }
    }
}

/// Says that a list goes on.
fn more(screen: &Screen, value: &Value) {
    if !value["next_cursor"].is_null() {
        let n = value["items"].as_array().map_or(0, Vec::len);
        screen.beside(&format!("The first {n}; there are more: --limit N, or --all."));
    }
}

/// Says who was refused and why: by reason where the master has added them up, else one by one.
fn refusals(screen: &Screen, queued: &Queued) {
    for reason in &queued.refused_reasons {
        screen.beside(&format!("Not moved: {}. {}", reason.summary, reason.detail));
    }
    if queued.refused_reasons.is_empty() || queued.refused.len() <= REFUSED_MAX {
        refused(screen, &queued.refused);
    }
}

fn refused(screen: &Screen, all: &[Refused]) {
    for one in all.iter().take(REFUSED_MAX) {
        let id =
            || one.artist_id.or(one.song_id).map_or_else(|| "?".to_owned(), |id| id.to_string());
        let name = one.name.clone().unwrap_or_else(id);
        screen.beside(&format!("  {name}: {}", one.detail));
    }
    if all.len() > REFUSED_MAX {
        screen.beside(&format!("  … and {} more", all.len() - REFUSED_MAX));
    }
}

/// Reads what came of queueing.
fn queued(value: &Value) -> Result<Queued, CliError> {
    client::read(value.clone())
}

/// What a job tripped over, in one sentence or two; empty without an error.
fn failure(error: Option<&Value>) -> String {
    error.map(Failure::of).map_or_else(String::new, |f| f.told())
}
