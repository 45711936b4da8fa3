//! `tourbus jobs`.

use super::{failure, more};
use crate::{
    Ended,
    args::{JobsAction, JobsList, OneJob, Report, SomeJobs},
    client,
    error::CliError,
    names::{self, Servers},
    numbers::{bytes, count, percent},
    screen::{self, Screen},
    table::{Cell, Column, Facts, Paint, Table, Tone},
    view::{Job, JobDetail, Page, Steered, Step},
    when,
};
use serde_json::{Value, json};

/// Does it.
pub async fn run(screen: &Screen, action: JobsAction) -> Result<Ended, CliError> {
    match action {
        JobsAction::List(list) => self::list(screen, list).await?,
        JobsAction::Show(one) => show(screen, &one).await?,
        JobsAction::Cancel(some) => return steer(screen, some, &CANCEL).await,
        JobsAction::Retry(some) => return steer(screen, some, &RETRY).await,
        JobsAction::Express(some) => return steer(screen, some, &EXPRESS).await,
        JobsAction::Report(asked) => report(screen, asked).await?,
    }
    Ok(Ended::Well)
}

async fn list(screen: &Screen, list: JobsList) -> Result<(), CliError> {
    let servers = Servers::read(&screen.api).await?;
    let server = list.server.as_deref().map(|slug| servers.find(slug)).transpose()?;
    let batch = match &list.batch {
        Some(text) => Some(names::batch(&screen.api, text).await?.to_string()),
        None => None,
    };
    let query = [
        ("batch_id", batch),
        ("state", list.state),
        ("kind", list.kind),
        ("server_id", server.map(|s| s.id.to_string())),
        ("artist", list.artist),
        ("requested_by", list.by),
        ("since", list.span.since.map(when::Since::machine)),
        ("until", list.span.until.map(when::Since::machine)),
    ];
    let value = screen.api.list("/jobs", &query, list.extent).await?;
    more(screen, &value);
    screen.answer(value, |v| {
        let mut table = Table::new(&[
            Column::Left("JOB"),
            Column::Left("KIND"),
            Column::Left("STATE"),
            Column::Left("OF"),
            Column::Left("WHERE"),
            Column::Right("DONE"),
            Column::Right("SIZE"),
            Column::Left("ASKED"),
        ]);
        for job in client::read::<Page<Job>>(v)?.items {
            table.row([
                job.id.to_string().into(),
                Cell::from(&job.kind),
                Cell::state(&job.state),
                job.subject().into(),
                way(&job, &servers).into(),
                format!("{} %", done(&job)).into(),
                bytes(job.bytes_total).into(),
                when::ago(job.created_at).into(),
            ]);
        }
        Ok(table.show(screen.paint))
    })
}

fn way(job: &Job, servers: &Servers) -> String {
    let (from, to) = (servers.slug(job.source_server_id), servers.slug(job.target_server_id));
    if job.source_server_id == job.target_server_id { to } else { format!("{from} → {to}") }
}

fn done(job: &Job) -> i64 {
    if job.state == "succeeded" { 100 } else { percent(job.bytes_done, job.bytes_total) }
}

async fn show(screen: &Screen, one: &OneJob) -> Result<(), CliError> {
    let id = names::job(&screen.api, &one.job).await?;
    let value = screen.api.get(&format!("/jobs/{id}")).await?;
    if screen.json {
        return screen.answer(value, |_| Ok(String::new()));
    }
    let servers = Servers::read(&screen.api).await?;
    let detail: JobDetail = client::read(value)?;
    let mut said = facts(&detail.job, &servers).show(screen.paint);
    let open: Vec<&Step> =
        detail.steps.iter().filter(|s| !matches!(s.state.as_str(), "done" | "void")).collect();
    if !open.is_empty() {
        said = format!("{said}\n{}", steps(&open, &servers).show(screen.paint));
    }
    let mut timeline = Table::new(&[Column::Left("WHEN"), Column::Left("WHAT"), Column::Left("")]);
    for entry in &detail.timeline {
        let bad = if entry.name.contains("fail") { Tone::Bad } else { Tone::Plain };
        timeline.row([
            when::local(entry.at).into(),
            Cell::toned(entry.name.replace('_', " "), bad),
            detail_of(&entry.detail).into(),
        ]);
    }
    // What went wrong is read as a whole.
    let paint = Paint { cut: false, ..screen.paint };
    screen::print(&format!("{said}\n{}", timeline.show(paint)))
}

/// `kind export, seq 1`: what is known of an entry, without names of names.
fn detail_of(detail: &Value) -> String {
    let Some(fields) = detail.as_object() else { return String::new() };
    let told = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Object(_) => failure(Some(value)),
        other => other.to_string(),
    };
    let pairs = fields.iter().filter(|(_, v)| !v.is_null());
    pairs
        .map(|(k, v)| format!("{} {}", k.replace('_', " "), told(v)))
        .collect::<Vec<_>>()
        .join(", ")
}

fn facts(job: &Job, servers: &Servers) -> Facts {
    let at: Vec<String> = job.at_servers.iter().map(|id| servers.slug(*id)).collect();
    let notes = [
        (job.express, "express"),
        (job.cancel_requested, "cancel asked for"),
        (job.retryable, "can be retried"),
    ];
    let notes: Vec<&str> = notes.iter().filter(|(is, _)| *is).map(|(_, what)| *what).collect();
    let files = if job.files_total > 0 {
        format!(", {} files", count(job.files_total))
    } else {
        String::new()
    };
    Facts::default()
        .with("job", job.id.to_string())
        .with("batch", job.batch_id.map_or_else(String::new, |id| id.to_string()))
        .with("kind", &job.kind)
        .with("state", Cell::state(&job.state))
        .with("notes", notes.join(", "))
        .with("artist", format!("{} ({})", job.artist_name, job.artist_slug))
        .with("song", job.song_title.clone().unwrap_or_default())
        .with("where", way(job, servers))
        .with("in hand at", at.join(", "))
        .with(
            "done",
            format!(
                "{} of {} ({} %){files}",
                bytes(job.bytes_done),
                bytes(job.bytes_total),
                done(job)
            ),
        )
        .with("error", Cell::toned(failure(job.error.as_ref()), Tone::Bad))
        .with("asked", when::local(job.created_at))
        .with("began", job.started_at.map_or_else(String::new, when::local))
        .with("ended", job.finished_at.map_or_else(String::new, when::local))
        .with("took", job.started_at.map_or_else(String::new, |at| when::took(at, job.finished_at)))
}

fn steps(open: &[&Step], servers: &Servers) -> Table {
    let mut table = Table::new(&[
        Column::Left("STEP"),
        Column::Left("STATE"),
        Column::Left("LANE"),
        Column::Right("TRIES"),
        Column::Left("SEEN"),
    ]);
    for step in open {
        table.row([
            format!("{} {}", step.kind.replace('_', " "), step.seq).into(),
            Cell::state(&step.state),
            format!("{} of {}", step.lane, servers.slug(step.server_id)).into(),
            count(step.attempts).into(),
            step.seen_at.map_or_else(|| "-".to_owned(), when::ago).into(),
        ]);
    }
    table
}

/// What is done to jobs, in words.
struct Deed {
    /// In the address.
    verb: &'static str,
    /// To one job.
    one: &'static str,
    /// To several.
    many: &'static str,
}

const CANCEL: Deed =
    Deed { verb: "cancel", one: "is being undone", many: "being undone or called off" };
const RETRY: Deed = Deed { verb: "retry", one: "is tried again", many: "tried again" };
const EXPRESS: Deed =
    Deed { verb: "express", one: "overtakes what waits before it", many: "expedited" };

async fn steer(screen: &Screen, some: SomeJobs, deed: &Deed) -> Result<Ended, CliError> {
    if let Some(job) = &some.job {
        let id = names::job(&screen.api, job).await?;
        let path = format!("/jobs/{id}/{}", deed.verb);
        let value = screen.api.post(&path, &Value::Null).await?;
        screen.answer(value, |v| {
            let job: Job = client::read(v)?;
            Ok(format!("The job of {} {}.\n", crate::text::line(&job.subject()), deed.one))
        })?;
        return Ok(Ended::Well);
    }
    let yes = some.sure.yes;
    let mut filter = filter(screen, some).await?;
    let path = format!("/jobs/{}", deed.verb);
    let dry = screen.api.post(&path, &json!({ "filter": filter, "dry_run": true })).await?;
    let counted = client::read::<Steered>(dry.clone())?;
    if counted.matched == 0 {
        screen.answer(dry, |_| Ok("No job fits of which that can be asked.\n".to_owned()))?;
        return Ok(Ended::Well);
    }
    let jobs = if counted.matched == 1 { "job is" } else { "jobs are" };
    let matched = count(counted.matched);
    screen::ask(&format!("{matched} {jobs} to be {}. Go on?", deed.many), yes)?;
    // What is queued meanwhile was not meant; an earlier end stands.
    if filter["until"].is_null() {
        filter["until"] = json!(counted.as_of);
    }
    let value = screen.api.post(&path, &json!({ "filter": filter })).await?;
    let told: Steered = client::read(value.clone())?;
    screen.answer(value, |_| Ok(format!("Jobs {}: {}.\n", deed.many, count(told.done))))?;
    for reason in &told.refused_reasons {
        screen.beside(&format!("{} not: {} {}", count(reason.jobs), reason.detail, reason.remedy));
    }
    if told.more {
        screen.beside("There are more than are taken at once: give the command again.");
    }
    Ok(Ended::well_if(told.refused == 0 && !told.more))
}

/// The filter as the API reads it.
async fn filter(screen: &Screen, some: SomeJobs) -> Result<Value, CliError> {
    let server = names::server_id(&screen.api, some.server.as_ref()).await?;
    let batch = match &some.batch {
        Some(text) => Some(names::batch(&screen.api, text).await?),
        None => None,
    };
    Ok(json!({
        "batch_id": batch,
        "state": some.state,
        "kind": some.kind,
        "server_id": server,
        "artist": some.artist,
        "requested_by": some.by,
        "since": some.span.since.map(when::Since::machine),
        "until": some.span.until.map(when::Since::machine),
    }))
}

/// The report is signed: it is passed on as it is.
async fn report(screen: &Screen, asked: Report) -> Result<(), CliError> {
    let id = names::job(&screen.api, &asked.job.job).await?;
    let value = screen.api.get(&format!("/jobs/{id}/report")).await?;
    let Some(path) = asked.output else { return screen::print_json(&value) };
    let text = serde_json::to_string_pretty(&value)
        .map_err(|e| CliError::Failed(format!("the report is no JSON: {e}")))?;
    std::fs::write(&path, format!("{text}\n"))
        .map_err(|e| CliError::Failed(format!("cannot write {}: {e}", path.display())))?;
    screen.beside(&format!("The report is in {}.", path.display()));
    Ok(())
}
