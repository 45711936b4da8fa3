//! The same of many jobs at once: what was ticked, or all that fit the filter.

use super::{
    chrome::{Chrome, html},
    form::{Fields, query},
    jobs::{self as list, FILTER},
    many::{self, JOBS, ManyPage, Told, Words, count, plain},
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

/// Jobs whose outcome is shown one by one.
const SHOWN_MAX: usize = 100;

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

/// What a form asks for, the fields that say so, and where it came from.
type Chosen = (JobsBody, Vec<(String, String)>, String);

/// Which jobs a form means, and the fields that say so.
fn chosen(fields: &Fields) -> Result<Chosen, Problem> {
    let mut told: Vec<(String, String)> =
        FILTER.iter().map(|name| ((*name).to_owned(), fields.text(name).to_owned())).collect();
    let pairs: Vec<(&str, &str)> = told.iter().map(|(n, v)| (&**n, &**v)).collect();
    let back = format!("/jobs?{}", query(&pairs));
    if fields.ticked("all") {
        let params = list::params(&list::Query::of(fields))?;
        told.push(("all".to_owned(), "1".to_owned()));
        let before = many::counted_at(fields);
        told.push(("before".to_owned(), before.to_rfc3339()));
        let filter = Some(JobFilter {
            batch_id: None,
            state: params.state,
            kind: params.kind,
            server_id: params.server_id,
            artist: params.artist,
            requested_by: params.requested_by,
            since: params.since,
            until: Some(params.until.map_or(before, |until| until.min(before))),
        });
        return Ok((JobsBody { filter, ..JobsBody::default() }, told, back));
    }
    let ids = many::ticked(fields, &JOBS)?;
    told.extend(ids.iter().map(|id| ("id".to_owned(), id.to_string())));
    Ok((JobsBody { ids: Some(ids), ..JobsBody::default() }, told, back))
}

async fn act(app: &App, actor: &Actor, what: Ask, form: &Fields) -> Result<Response, Problem> {
    let (body, fields, back) = chosen(form)?;
    let body = JobsBody { dry_run: !form.ticked("confirm"), ..body };
    let asked_only = body.dry_run;
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
