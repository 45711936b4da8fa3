//! The same of many jobs at once: what was ticked, or all that fit the filter. First it says what
//! it will do and to how many, then it does it, then it says what came of it.

use super::{
    chrome::{Chrome, html},
    form::{Fields, query},
    jobs::{self as list, FILTER},
    show,
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
use askama::Template;
use axum::{extract::State, response::Response};
use chrono::{DateTime, Utc};

/// Jobs whose outcome is shown one by one.
const SHOWN_MAX: usize = 100;

struct Words {
    /// `cancel`, as in the address.
    verb: &'static str,
    heading: &'static str,
    button: &'static str,
    done: &'static str,
    will: &'static str,
}

const fn words(what: Ask) -> Words {
    match what {
        Ask::Cancel => Words {
            verb: "cancel",
            heading: "Cancel",
            button: "Cancel",
            done: "being undone or called off",
            will: "What waits is called off. What is at work is undone: artists stay on their old \
                   servers, songs keep the LOFI that they have. What has gone too far, or has \
                   ended, is left as it is.",
        },
        Ask::Retry => Words {
            verb: "retry",
            heading: "Retry",
            button: "Retry",
            done: "queued again",
            will: "Each is queued again, unless another job holds its artist or the artist has \
                   moved since. In a batch that is paused it waits like the rest.",
        },
        Ask::Express => Words {
            verb: "express",
            heading: "Expedite",
            button: "Expedite",
            done: "expedited",
            will: "Each is done before everything that waits, also where its batch is paused.",
        },
    }
}

#[derive(Template)]
#[template(path = "jobs_many.html")]
struct ManyPage {
    chrome: Chrome,
    words: Words,
    /// Every field that says which jobs, for the second step.
    fields: Vec<(String, String)>,
    back: String,
    count: String,
    none: bool,
    result: Option<Told>,
}

/// What came of it.
struct Told {
    done: String,
    unchanged: u64,
    unchanged_text: String,
    reasons: Vec<(String, String, String)>,
    jobs: Vec<(String, &'static str, String)>,
    more: bool,
}

impl Told {
    fn of(result: JobsResult) -> Self {
        let why = |code: Option<&str>| code.map(|c| c.replace('_', " ")).unwrap_or_default();
        let count = |n: u64| show::count(n.try_into().unwrap_or(i64::MAX));
        let jobs = result.jobs.iter().take(SHOWN_MAX);
        let reasons = result.refused_reasons.into_iter();
        Self {
            done: count(result.done),
            unchanged: result.unchanged,
            unchanged_text: count(result.unchanged),
            jobs: jobs.map(|j| (j.id.to_string(), j.outcome, why(j.code))).collect(),
            reasons: reasons.map(|r| (count(r.jobs), r.detail, r.remedy)).collect(),
            more: result.more,
        }
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
        // What is queued after it was counted was not meant when that is confirmed.
        let counted = DateTime::parse_from_rfc3339(fields.text("before"));
        let before = counted.map_or_else(|_| Utc::now(), |at| at.to_utc());
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
    let ids = fields.ids("id")?;
    if ids.is_empty() {
        return Err(Problem::unprocessable("bad_selection", "No job is ticked.")
            .remedy("Go back and tick some, or all that match the filter."));
    }
    told.extend(ids.iter().map(|id| ("id".to_owned(), id.to_string())));
    Ok((JobsBody { ids: Some(ids), ..JobsBody::default() }, told, back))
}

async fn act(app: &App, actor: &Actor, what: Ask, form: &Fields) -> Result<Response, Problem> {
    let (body, fields, back) = chosen(form)?;
    let body = JobsBody { dry_run: !form.ticked("confirm"), ..body };
    let asked_only = body.dry_run;
    let result = jobs_many::ask(app, actor, what, body).await?;
    let words = words(what);
    let jobs = match result.matched {
        1 => "1 job".to_owned(),
        n => format!("{} jobs", show::count(n.try_into().unwrap_or(i64::MAX))),
    };
    html(&ManyPage {
        chrome: Chrome::of(actor, "jobs", format!("{} {jobs}", words.heading)),
        words,
        fields,
        back,
        none: result.matched == 0,
        count: jobs,
        result: (!asked_only).then(|| Told::of(result)),
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
