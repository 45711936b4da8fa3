//! `tourbus batches`.

use super::{failure, many, more};
use crate::{
    Ended,
    args::{BatchFilter, BatchesAction, BatchesList, RetryBatches, SomeBatches},
    client,
    error::CliError,
    names::{self, Servers},
    numbers::{bytes, count, percent, span},
    screen::{self, Screen},
    table::{Cell, Column, Facts, Table, Tone},
    view::{Batch, Cancelled, Job, Page, TriedAgain},
    watch::Words,
    when,
};
use serde_json::{Value, json};
use uuid::Uuid;

/// Failed jobs that are shown with their batch.
const FAILED_MAX: u32 = 20;

/// Does it.
pub async fn run(screen: &Screen, action: BatchesAction) -> Result<Ended, CliError> {
    match action {
        BatchesAction::List(list) => self::list(screen, list).await?,
        BatchesAction::Show(one) => show(screen, &one.batch).await?,
        BatchesAction::Pause(some) => return steer(screen, some, Deed::Pause).await,
        BatchesAction::Resume(some) => return steer(screen, some, Deed::Resume).await,
        BatchesAction::Cancel(some) => return steer(screen, some, Deed::Cancel).await,
        BatchesAction::Retry(asked) => {
            let RetryBatches { some, include_cancelled } = asked;
            return steer(screen, some, Deed::Retry { include_cancelled }).await;
        }
    }
    Ok(Ended::Well)
}

async fn list(screen: &Screen, list: BatchesList) -> Result<(), CliError> {
    let servers = Servers::read(&screen.api).await?;
    let query = query(list.filter, &servers)?;
    let value = screen.api.list("/batches", &query, list.extent).await?;
    more(screen, &value);
    screen.answer(value, |v| {
        let mut table = Table::new(&[
            Column::Left("BATCH"),
            Column::Left("KIND"),
            Column::Left("STATE"),
            Column::Left("TO"),
            Column::Right("JOBS"),
            Column::Right("DONE"),
            Column::Right("FAILED"),
            Column::Right("SIZE"),
            Column::Left("ASKED"),
            Column::Left("BY"),
            Column::Left("REASON"),
        ]);
        for batch in client::read::<Page<Batch>>(v)?.items {
            let failed = if batch.jobs_failed > 0 { Tone::Bad } else { Tone::Plain };
            table.row([
                names::short(batch.id).into(),
                Cell::from(&batch.kind),
                Cell::state(&batch.state),
                batch.target_server_id.map_or_else(|| "-".to_owned(), |id| servers.slug(id)).into(),
                count(batch.jobs_total).into(),
                count(batch.jobs_succeeded).into(),
                Cell::toned(count(batch.jobs_failed), failed),
                bytes(batch.bytes_total).into(),
                when::ago(batch.created_at).into(),
                Cell::from(&batch.requested_by),
                Cell::from(&batch.reason),
            ]);
        }
        Ok(table.show(screen.paint))
    })
}

async fn show(screen: &Screen, text: &str) -> Result<(), CliError> {
    let id = names::batch(&screen.api, text).await?;
    let value = screen.api.get(&format!("/batches/{id}")).await?;
    if screen.json {
        return screen.answer(value, |_| Ok(String::new()));
    }
    let servers = Servers::read(&screen.api).await?;
    let batch: Batch = client::read(value)?;
    let mut said = facts(&batch, &servers).show(screen.paint);
    if batch.jobs_failed > 0 {
        let query =
            [("batch_id", Some(id.to_string())), ("state", Some("failed,stuck".to_owned()))];
        let failed = screen.api.pages("/jobs", &query, Some(FAILED_MAX)).await?;
        let failed: Page<Job> = client::read(failed)?;
        let mut table =
            Table::new(&[Column::Left("FAILED JOB"), Column::Left("OF"), Column::Left("WHY")]);
        for job in &failed.items {
            table.row([
                job.id.to_string().into(),
                job.subject().into(),
                failure(job.error.as_ref()).into(),
            ]);
        }
        // Why is what matters here, as a whole.
        let paint = crate::table::Paint { cut: false, ..screen.paint };
        said = format!("{said}\n{}", table.show(paint));
    }
    screen::print(&said)
}

fn facts(batch: &Batch, servers: &Servers) -> Facts {
    let jobs = [
        (batch.jobs_succeeded, Words::of(&batch.kind).done),
        (batch.jobs_running, "at work"),
        (batch.jobs_queued, "waiting"),
        (batch.jobs_failed, "failed"),
        (batch.jobs_cancelled, "cancelled"),
    ];
    let jobs: Vec<String> = jobs
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{} {what}", count(*n)))
        .collect();
    let ends = match (batch.eta_low_s, batch.eta_high_s) {
        (Some(low), Some(high)) => span(low, high),
        _ => String::new(),
    };
    let (done, total) = (batch.bytes_done, batch.bytes_total);
    Facts::default()
        .with("batch", batch.id.to_string())
        .with("kind", &batch.kind)
        .with("state", Cell::state(&batch.state))
        .with("to", batch.target_server_id.map_or_else(String::new, |id| servers.slug(id)))
        .with("asked by", &batch.requested_by)
        .with("reason", &batch.reason)
        .with("jobs", format!("{}: {}", count(batch.jobs_total), jobs.join(", ")))
        .with("refused", if batch.refused > 0 { count(batch.refused) } else { String::new() })
        .with("bytes", format!("{} of {} ({} %)", bytes(done), bytes(total), percent(done, total)))
        .with("rate", batch.rate_bytes_s.map_or_else(String::new, |r| format!("{}/s", bytes(r))))
        .with("ends in", ends)
        .with("asked", when::local(batch.created_at))
        .with("began", batch.started_at.map_or_else(String::new, when::local))
        .with("ended", batch.finished_at.map_or_else(String::new, when::local))
        .with(
            "took",
            batch.started_at.map_or_else(String::new, |at| when::took(at, batch.finished_at)),
        )
}

/// The filter as the API reads it.
fn query(
    filter: BatchFilter,
    servers: &Servers,
) -> Result<[(&'static str, Option<String>); 7], CliError> {
    let server = filter.server.as_deref().map(|slug| servers.find(slug)).transpose()?;
    Ok([
        ("state", filter.state),
        ("kind", filter.kind),
        ("server_id", server.map(|s| s.id.to_string())),
        ("artist", filter.artist),
        ("requested_by", filter.by),
        ("since", filter.span.since.map(when::Since::machine)),
        ("until", filter.span.until.map(when::Since::machine)),
    ])
}

/// What is done to batches.
#[derive(Clone, Copy)]
enum Deed {
    Pause,
    Resume,
    Cancel,
    Retry { include_cancelled: bool },
}

impl Deed {
    const fn words(self) -> many::Deed {
        let (verb, done) = match self {
            Self::Pause => ("pause", "paused"),
            Self::Resume => ("resume", "going on"),
            Self::Cancel => ("cancel", "being undone or called off"),
            Self::Retry { .. } => ("retry", "tried again"),
        };
        // Nobody is asked of what can be taken back.
        let grave = matches!(self, Self::Cancel);
        many::Deed { one: "batch", many: "batches", verb, done, grave }
    }
}

async fn steer(screen: &Screen, some: SomeBatches, deed: Deed) -> Result<Ended, CliError> {
    let SomeBatches { batches, filter, all: _, sure } = some;
    let mut body = if batches.is_empty() {
        let servers = Servers::read(&screen.api).await?;
        json!({ "filter": many::filter(query(filter, &servers)?) })
    } else {
        let ids = names::batches(&screen.api, &batches).await?;
        if let [id] = ids[..] {
            return one(screen, id, deed, sure.yes).await;
        }
        json!({ "ids": ids })
    };
    if let Deed::Retry { include_cancelled: true } = deed {
        body["include_cancelled"] = json!(true);
    }
    many::ask(screen, &deed.words(), body, sure.yes).await
}

async fn one(screen: &Screen, id: Uuid, deed: Deed, yes: bool) -> Result<Ended, CliError> {
    match deed {
        Deed::Retry { include_cancelled } => return retry(screen, id, include_cancelled).await,
        Deed::Cancel => cancel(screen, id, yes).await?,
        Deed::Pause => hold(screen, id, "pause", "is paused").await?,
        Deed::Resume => hold(screen, id, "resume", "goes on").await?,
    }
    Ok(Ended::Well)
}

async fn hold(screen: &Screen, id: Uuid, what: &str, done: &str) -> Result<(), CliError> {
    let value = screen.api.post(&format!("/batches/{id}/{what}"), &Value::Null).await?;
    screen.answer(value, |_| Ok(format!("Batch {} {done}.\n", names::short(id))))
}

async fn cancel(screen: &Screen, id: Uuid, yes: bool) -> Result<(), CliError> {
    if !yes && screen::somebody_is_there() {
        let batch: Batch = screen.api.get_as(&format!("/batches/{id}")).await?;
        let open = batch.jobs_queued + batch.jobs_running;
        if open > 1 {
            screen::ask(&format!("Cancel {} jobs that have not ended?", count(open)), yes)?;
        }
    }
    let value = screen.api.post(&format!("/batches/{id}/cancel"), &Value::Null).await?;
    screen.answer(value, |v| {
        let Cancelled { cancelled, too_late } = client::read(v)?;
        let late = if too_late > 0 {
            format!(" {} had gone too far and will finish.", count(too_late))
        } else {
            String::new()
        };
        Ok(format!("{} being undone.{late}\n", Words::of("").counted(cancelled)))
    })
}

async fn retry(screen: &Screen, id: Uuid, include_cancelled: bool) -> Result<Ended, CliError> {
    let body = json!({ "include_cancelled": include_cancelled });
    let value = screen.api.post(&format!("/batches/{id}/retry"), &body).await?;
    let TriedAgain { retried, refused, undoing } = client::read(value.clone())?;
    screen.answer(value, |_| {
        let mut said = format!("{} queued again.", Words::of("").counted(retried));
        if refused > 0 {
            let why = "another job holds the artist, or it has moved since";
            said = format!("{said} {} not: {why}.", count(refused));
        }
        if undoing > 0 {
            let then = "still being undone; retry when that has ended";
            said = format!("{said} {} {then}.", count(undoing));
        }
        Ok(format!("{said}\n"))
    })?;
    Ok(Ended::well_if(refused == 0 && undoing == 0))
}
