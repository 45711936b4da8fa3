//! `tourbus jobs`.

use super::{failure, many, more};
use crate::{
    Ended,
    args::{JobFilter, JobsAction, JobsList, OneJob, Report, SomeJobs},
    client,
    error::CliError,
    names::{self, Servers},
    numbers::{bytes, count, percent},
    screen::{self, Screen},
    table::{Cell, Column, Facts, Paint, Table, Tone},
    view::{Job, JobDetail, Page, Step},
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
    let query = query(screen, list.filter, &servers).await?;
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
    /// To one job.
    one: &'static str,
    /// To several.
    many: many::Deed,
}

const fn deed(verb: &'static str, one: &'static str, many: &'static str) -> Deed {
    let many = many::Deed { one: "job", many: "jobs", verb, done: many, grave: false };
    Deed { one, many }
}

const CANCEL: Deed = deed("cancel", "is being undone", "being undone or called off");
const RETRY: Deed = deed("retry", "is tried again", "tried again");
const EXPRESS: Deed = deed("express", "overtakes what waits before it", "expedited");

async fn steer(screen: &Screen, some: SomeJobs, deed: &Deed) -> Result<Ended, CliError> {
    let Some(job) = &some.job else {
        let servers = Servers::read(&screen.api).await?;
        let query = query(screen, some.filter, &servers).await?;
        let body = json!({ "filter": many::filter(query) });
        return many::ask(screen, &deed.many, body, some.sure.yes).await;
    };
    let id = names::job(&screen.api, job).await?;
    let value = screen.api.post(&format!("/jobs/{id}/{}", deed.many.verb), &Value::Null).await?;
    screen.answer(value, |v| {
        let job: Job = client::read(v)?;
        Ok(format!("The job of {} {}.\n", crate::text::line(&job.subject()), deed.one))
    })?;
    Ok(Ended::Well)
}

/// The filter as the API reads it.
async fn query(
    screen: &Screen,
    filter: JobFilter,
    servers: &Servers,
) -> Result<[(&'static str, Option<String>); 8], CliError> {
    let server = filter.server.as_deref().map(|slug| servers.find(slug)).transpose()?;
    let batch = match &filter.batch {
        Some(text) => Some(names::batch(&screen.api, text).await?.to_string()),
        None => None,
    };
    Ok([
        ("batch_id", batch),
        ("state", filter.state),
        ("kind", filter.kind),
        ("server_id", server.map(|s| s.id.to_string())),
        ("artist", filter.artist),
        ("requested_by", filter.by),
        ("since", filter.span.since.map(when::Since::machine)),
        ("until", filter.span.until.map(when::Since::machine)),
    ])
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
