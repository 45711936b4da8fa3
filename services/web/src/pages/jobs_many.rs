//! The same of many jobs at once: what was ticked, or all that fit the filter.

use super::{
    chrome::{Chrome, html},
    form::Fields,
    jobs::{self as list, FILTER},
    many::{self, Chosen, JOBS, ManyPage, SHOWN_MAX, Told, Words, count, plain},
};
use crate::{
    api::{
        jobs::Ask,
        jobs_many::{self, JobFilter, JobsBody, JobsResult},
    },
    app::App,
    auth::Actor,
    problem::Problem,
};
use axum::{extract::State, response::Response};
use chrono::{DateTime, Utc};

const fn words(what: Ask) -> Words {
    match what {
        Ask::Cancel => Words {
            verb: "cancel",
            heading: "Cancel",
            done: "being undone or called off",
            will: "What waits is called off. What is at work is undone: artists stay on their old \
                   servers, songs keep the LOFI that they have. What has gone too far, or has \
                   ended, is left as it is.",
        },
        Ask::Retry => Words {
            verb: "retry",
            heading: "Retry",
            done: "queued again",
            will: "Each is queued again, unless another job holds its artist or the artist has \
                   moved since. In a batch that is paused it waits like the rest.",
        },
        Ask::Express => Words {
            verb: "express",
            heading: "Expedite",
            done: "expedited",
            will: "Each is done before everything that waits, also where its batch is paused.",
        },
    }
}

fn told(result: JobsResult, fields: &[(String, String)]) -> Told {
    let why = |code: Option<&str>| code.map(plain).unwrap_or_default();
    let lines = result.jobs.iter().take(SHOWN_MAX);
    let reasons = result.refused_reasons.into_iter();
    Told {
        done: count(result.done),
        unchanged: result.unchanged,
        unchanged_text: count(result.unchanged),
        notes: Vec::new(),
        lines: lines.map(|j| (j.id.to_string(), plain(j.outcome), why(j.code))).collect(),
        reasons: reasons.map(|r| (count(r.jobs), r.detail, r.remedy)).collect(),
        more: result.more,
        rest: fields.to_vec(),
        broke_off: String::new(),
    }
}

/// All that fit, of what was asked for before then.
fn filter(form: &Fields, before: DateTime<Utc>) -> Result<JobFilter, Problem> {
    let params = list::params(&list::Query::of(form))?;
    Ok(JobFilter {
        batch_id: params.batch_id,
        state: params.state,
        kind: params.kind,
        server_id: params.server_id,
        artist: params.artist,
        requested_by: params.requested_by,
        since: params.since,
        until: Some(params.until.map_or(before, |until| until.min(before))),
    })
}

async fn act(app: &App, actor: &Actor, what: Ask, form: &Fields) -> Result<Response, Problem> {
    let Chosen { ids, filter, fields, back } =
        many::chosen(form, &JOBS, &FILTER, |before| filter(form, before))?;
    let asked_only = !form.ticked("confirm");
    let body = JobsBody { ids, filter, dry_run: asked_only };
    let result = jobs_many::ask(app, actor, what, body).await?;
    let words = words(what);
    let jobs = JOBS.counted(result.matched);
    html(&ManyPage {
        chrome: Chrome::of(actor, "jobs", format!("{} {jobs}", words.heading)),
        of: &JOBS,
        words,
        none: result.matched == 0,
        count: jobs,
        notes: Vec::new(),
        cancelled_too: false,
        result: (!asked_only).then(|| told(result, &fields)),
        fields,
        back,
    })
}

/// Cancels them, once it is confirmed.
pub async fn cancel(
    State(app): State<App>,
    actor: Actor,
    fields: Fields,
) -> Result<Response, Problem> {
    act(&app, &actor, Ask::Cancel, &fields).await
}

/// Tries them again, likewise.
pub async fn retry(
    State(app): State<App>,
    actor: Actor,
    fields: Fields,
) -> Result<Response, Problem> {
    act(&app, &actor, Ask::Retry, &fields).await
}

/// Lets them overtake the backlog, likewise.
pub async fn express(
    State(app): State<App>,
    actor: Actor,
    fields: Fields,
) -> Result<Response, Problem> {
    act(&app, &actor, Ask::Express, &fields).await
}
