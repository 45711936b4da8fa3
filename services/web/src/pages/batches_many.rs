//! The same of many batches at once: what was ticked, or all that fit the filter.

use super::{
    batches::{self as list, FILTER},
    chrome::{Chrome, html},
    form::Fields,
    many::{self, BATCHES, BEFORE, Chosen, ManyPage, SHOWN_MAX, Told, Words, count, plain},
};
use crate::{
    api::batches_many::{self, BatchFilter, BatchesBody, BatchesResult},
    app::App,
    auth::Actor,
    problem::Problem,
};
use axum::{extract::State, response::Response};
use chrono::{DateTime, Utc};
use std::collections::HashSet;
use tourbus_store::BatchAsk;

const fn words(what: BatchAsk) -> Words {
    match what {
        BatchAsk::Pause => Words {
            verb: "pause",
            heading: "Pause",
            done: "paused",
            will: "What waits of each is held back until somebody resumes it. What has begun goes \
                   on to its end.",
        },
        BatchAsk::Resume => Words {
            verb: "resume",
            heading: "Resume",
            done: "going on",
            will: "What is held back of each goes on, in its turn.",
        },
        BatchAsk::Cancel => Words {
            verb: "cancel",
            heading: "Cancel",
            done: "being undone or called off",
            will: "What waits of each is called off. What is at work is undone: artists stay on \
                   their old servers, songs keep the LOFI that they have. What has gone too far is \
                   finished.",
        },
        BatchAsk::Retry { .. } => Words {
            verb: "retry",
            heading: "Retry",
            done: "tried again",
            will: "What failed or is stuck of each is queued again, unless another job holds its \
                   artist or the artist has moved since. In a batch that is paused it waits like \
                   the rest.",
        },
    }
}

/// What becomes of their jobs.
const fn of_jobs(what: BatchAsk) -> &'static str {
    match what {
        BatchAsk::Pause => "held back",
        BatchAsk::Resume => "let go",
        BatchAsk::Cancel => "undone or called off",
        BatchAsk::Retry { include_cancelled: false } => "queued again",
        BatchAsk::Retry { include_cancelled: true } => "queued again, cancelled ones among them",
    }
}

/// What is to be known before it is done.
fn before(what: BatchAsk, result: &BatchesResult, asked: usize) -> Vec<String> {
    let mut notes = vec![format!("Jobs to be {}: {}.", of_jobs(what), count(result.jobs))];
    let left = (asked as u64).saturating_sub(result.matched);
    if left > 0 {
        let left = count(left);
        notes.push(format!(
            "Left as they are, for this makes no sense there now: {left} of those ticked."
        ));
    }
    notes
}

/// What came of it. Of `ids`, those that are left are for going on.
fn told(what: BatchAsk, result: BatchesResult, fields: &[(String, String)]) -> Told {
    let why = |code: Option<&str>| code.map(plain).unwrap_or_default();
    let mut notes = vec![format!("Jobs {}: {}.", of_jobs(what), count(result.jobs))];
    if result.jobs_left > 0 {
        notes.push(format!(
            "Jobs left as they were: {}. They have gone too far, are still being undone, or \
             another job holds their artist.",
            count(result.jobs_left)
        ));
    }
    let over = result.batches.iter().filter(|b| b.outcome != "broke_off");
    let over: HashSet<String> = over.map(|b| b.id.to_string()).collect();
    let rest = fields.iter().filter(|(name, value)| name != "id" || !over.contains(value));
    // Of a filter, what is older than where it ended.
    let until = result.rest_until.map(|at| at.to_rfc3339());
    let rest = rest.map(|(name, value)| match &until {
        Some(until) if name == BEFORE => (name.clone(), until.clone()),
        _ => (name.clone(), value.clone()),
    });
    let lines = result.batches.iter().take(SHOWN_MAX);
    let reasons = result.refused_reasons.iter();
    Told {
        done: count(result.done),
        unchanged: result.unchanged,
        unchanged_text: count(result.unchanged),
        notes,
        lines: lines.map(|b| (b.id.to_string(), plain(b.outcome), why(b.code))).collect(),
        reasons: reasons
            .map(|r| (count(r.batches), r.detail.to_owned(), r.remedy.to_owned()))
            .collect(),
        more: result.more,
        rest: rest.collect(),
        broke_off: result.broke_off.map_or_else(String::new, |p| p.detail),
    }
}

/// All that fit, of what was asked for before then.
fn filter(form: &Fields, before: DateTime<Utc>) -> Result<BatchFilter, Problem> {
    let params = list::params(&list::Query::of(form))?;
    Ok(BatchFilter {
        state: params.state,
        kind: params.kind,
        server_id: params.server_id,
        artist: params.artist,
        requested_by: params.requested_by,
        since: params.since,
        until: Some(params.until.map_or(before, |until| until.min(before))),
    })
}

async fn act(app: &App, actor: &Actor, what: BatchAsk, form: &Fields) -> Result<Response, Problem> {
    let Chosen { ids, filter, mut fields, back } =
        many::chosen(form, &BATCHES, &FILTER, |before| filter(form, before))?;
    let include_cancelled = what == BatchAsk::Retry { include_cancelled: true };
    if include_cancelled {
        fields.push(("include_cancelled".to_owned(), "1".to_owned()));
    }
    let body = BatchesBody { ids, filter, include_cancelled, dry_run: !form.ticked("confirm") };
    let result = batches_many::ask(app, actor, what, &body).await?;
    let words = words(what);
    let batches = BATCHES.counted(result.matched);
    html(&ManyPage {
        chrome: Chrome::of(actor, "batches", format!("{} {batches}", words.heading)),
        of: &BATCHES,
        words,
        none: result.matched == 0,
        count: batches,
        notes: before(what, &result, body.ids.as_ref().map_or(0, Vec::len)),
        cancelled_too: what == BatchAsk::Retry { include_cancelled: false },
        result: (!body.dry_run).then(|| told(what, result, &fields)),
        fields,
        back,
    })
}

/// Holds back what waits of them, once it is confirmed.
pub async fn pause(
    State(app): State<App>,
    actor: Actor,
    fields: Fields,
) -> Result<Response, Problem> {
    act(&app, &actor, BatchAsk::Pause, &fields).await
}

/// Goes on with what was held back of them, likewise.
pub async fn resume(
    State(app): State<App>,
    actor: Actor,
    fields: Fields,
) -> Result<Response, Problem> {
    act(&app, &actor, BatchAsk::Resume, &fields).await
}

/// Cancels them, likewise.
pub async fn cancel(
    State(app): State<App>,
    actor: Actor,
    fields: Fields,
) -> Result<Response, Problem> {
    act(&app, &actor, BatchAsk::Cancel, &fields).await
}

/// Tries again what failed of them, likewise; what was cancelled too, if the form says so.
pub async fn retry(
    State(app): State<App>,
    actor: Actor,
    fields: Fields,
) -> Result<Response, Problem> {
    let include_cancelled = fields.ticked("include_cancelled");
    act(&app, &actor, BatchAsk::Retry { include_cancelled }, &fields).await
}
