//! `tourbus moves`.

use super::{queued, refusals};
use crate::{
    Ended,
    args::{MovesAction, MovesQueue},
    client,
    error::CliError,
    names::{self, Servers},
    screen::{self, Screen},
    view::{Batch, Page},
    watch::{self, Words},
};
use serde_json::{Value, json};
use uuid::Uuid;

/// Among so many of the newest batches one is looked for that is under way.
const RECENT: u32 = 100;

/// Does it.
pub async fn run(screen: &Screen, action: MovesAction) -> Result<Ended, CliError> {
    match action {
        MovesAction::Queue(asked) => queue(screen, asked).await,
        MovesAction::Watch(asked) => {
            let batch = match &asked.batch {
                Some(text) => Some(names::batch(&screen.api, text).await?),
                None => newest(screen).await?,
            };
            if let Some(batch) = batch {
                return watch::to_its_end(screen, batch).await;
            }
            screen.answer(Value::Null, |_| Ok("Nothing is under way.\n".to_owned()))?;
            Ok(Ended::Well)
        }
    }
}

async fn newest(screen: &Screen) -> Result<Option<Uuid>, CliError> {
    let recent = screen.api.pages("/batches", &[], Some(RECENT)).await?;
    let open = client::read::<Page<Batch>>(recent)?;
    let found = open.items.into_iter().find(|b| b.finished_at.is_none());
    if let Some(batch) = &found {
        screen.beside(&format!(
            "Batch {}, asked for by {}. Ctrl-C stops watching, not the batch.",
            names::short(batch.id),
            batch.requested_by
        ));
    }
    Ok(found.map(|b| b.id))
}

/// Whom it means, as the API wants it.
async fn who(screen: &Screen, servers: &Servers, asked: &MovesQueue) -> Result<Value, CliError> {
    if !asked.artist.is_empty() {
        let ids = names::artist_ids(&screen.api, &asked.artist).await?;
        return Ok(json!({ "artist_ids": ids }));
    }
    let from = asked.from.as_deref().map(|slug| servers.find(slug)).transpose()?;
    let filter = asked.filter.as_deref().unwrap_or_default();
    Ok(json!({ "selector": { "filter": filter, "server_id": from.map(|s| s.id) } }))
}

async fn queue(screen: &Screen, asked: MovesQueue) -> Result<Ended, CliError> {
    let servers = Servers::read(&screen.api).await?;
    let target = servers.find(&asked.to)?;
    let mut body = who(screen, &servers, &asked).await?;
    body["target_server_id"] = json!(target.id);
    body["reason"] = json!(asked.reason);
    body["priority"] = json!(if asked.express { "express" } else { "normal" });
    body["dry_run"] = json!(asked.dry_run);
    if !asked.dry_run && !asked.sure.yes && screen::somebody_is_there() {
        let mut dry = body.clone();
        dry["dry_run"] = json!(true);
        let would = queued(&screen.api.post("/moves", &dry).await?)?;
        if would.accepted > 1 {
            refusals(screen, &would);
            let artists = Words::of("move").counted(would.accepted);
            screen::ask(&format!("Move {artists} to {}?", target.name), asked.sure.yes)?;
        }
    }
    let value = screen.api.post_once("/moves", &body).await?;
    told(screen, value, &target.name, asked.dry_run, asked.watch).await
}

/// Says what came of queueing moves, and follows them if that is wanted.
pub async fn told(
    screen: &Screen,
    value: Value,
    target: &str,
    dry_run: bool,
    watched: bool,
) -> Result<Ended, CliError> {
    let answer = queued(&value)?;
    let batch = answer.batch_id.filter(|_| watched);
    // With --json one document is printed: of what is followed, the batch when it has ended.
    if batch.is_none() || !screen.json {
        let artists = Words::of("move").counted(answer.accepted);
        let said = match (answer.batch_id, dry_run) {
            (Some(id), _) => format!("{artists} queued to {target}: batch {}\n", names::short(id)),
            (None, true) => format!("{artists} would move to {target}.\n"),
            (None, false) => format!("Nobody was queued to {target}.\n"),
        };
        screen.answer(value, |_| Ok(said))?;
    }
    refusals(screen, &answer);
    match batch {
        Some(batch) => watch::to_its_end(screen, batch).await,
        None => Ok(Ended::well_if(answer.accepted > 0)),
    }
}
