//! The audit log.

use super::{
    batch::servers,
    batch_lines::server_name,
    chrome::{Chrome, html},
    form::query,
    show::{self, When},
};
use crate::{
    api::{
        audit::{self, AuditParams, AuditView},
        view::ServerView,
    },
    app::App,
    auth::{Actor, Right},
    extract::{Params, YEARS},
    problem::Problem,
};
use askama::Template;
use axum::{extract::State, response::Response};
use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use tourbus_store::{Action, DeedResult};
use uuid::Uuid;

/// Entries on a page.
const ENTRIES: u32 = 50;

/// Which entries; empty fields stand for all.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Query {
    actor: String,
    action: String,
    object: String,
    result: String,
    /// A day, `2026-11-23`.
    from: String,
    /// A day, the last.
    to: String,
    cursor: Option<String>,
}

struct Choice {
    value: &'static str,
    text: String,
    chosen: bool,
}

struct Line {
    at: When,
    since: Option<When>,
    actor: String,
    /// What they did, in words.
    words: String,
    /// To what: how it is called, and where it is.
    object: String,
    href: String,
    result: String,
    times: i32,
    from: String,
    reason: String,
    detail: String,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    chrome: Chrome,
    lines: Vec<Line>,
    asked: Query,
    actions: Vec<Choice>,
    results: Vec<Choice>,
    narrowed: bool,
    next: String,
    later: bool,
}

/// Where an object can be looked at by who looks; empty if nowhere.
fn href(object: &str, actor: &Actor) -> String {
    match object.split_once(':') {
        Some(("account", _)) if !actor.may(Right::Accounts) => String::new(),
        Some(("webhook", _)) if !actor.may(Right::Servers) => String::new(),
        Some(("batch" | "move", id)) => format!("/batches/{id}"),
        Some(("job", id)) => format!("/jobs/{id}"),
        Some(("account", id)) => format!("/accounts/{id}"),
        Some(("server", id)) => format!("/servers/{id}"),
        Some(("webhook", id)) => format!("/webhooks/{id}"),
        _ => String::new(),
    }
}

/// `key: value` pairs in a line, without the name, which is shown before; servers by their names.
fn detail(value: &Value, servers: &[ServerView]) -> String {
    let plain = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    let pairs = value.as_object().into_iter().flatten();
    let shown = pairs.filter(|(k, v)| *k != "name" && !v.is_null() && **v != Value::Bool(false));
    let texts = shown.map(|(k, v)| match k.strip_suffix("server_id").zip(id_of(v)) {
        Some((role, id)) => {
            format!("{}server: {}", role.replace('_', " "), server_name(servers, id))
        }
        None => format!("{}: {}", k.replace('_', " "), plain(v)),
    });
    texts.collect::<Vec<_>>().join(" · ")
}

fn id_of(value: &Value) -> Option<Uuid> {
    value.as_str()?.parse().ok()
}

fn line(entry: AuditView, servers: &[ServerView], actor: &Actor) -> Line {
    let action = Action::parse(&entry.action);
    let words = action.map_or_else(|| entry.action.replace(['_', '.'], " "), |a| a.words().into());
    // What was refused has not happened.
    let words = if entry.result == "done" { words } else { format!("would have {words}") };
    let name = entry.detail["name"].as_str().or_else(|| entry.detail["email"].as_str());
    let (noun, id) = entry.object.split_once(':').unwrap_or((&entry.object, ""));
    let short = || format!("{noun} {}", id.get(..8).unwrap_or(id));
    let token = entry.token.map(|t| format!("with token “{t}”"));
    let address = entry.address.map(|a| format!("from {a}"));
    let from: Vec<String> = token.into_iter().chain(address).collect();
    Line {
        at: show::when(entry.at),
        since: entry.since.map(show::when),
        words,
        object: if id.is_empty() { String::new() } else { name.map_or_else(short, str::to_owned) },
        href: href(&entry.object, actor),
        times: entry.times,
        from: from.join(" "),
        detail: detail(&entry.detail, servers),
        actor: entry.actor,
        result: entry.result,
        reason: entry.reason,
    }
}

/// The time at which a day begins, so many days later; none for no day.
pub fn midnight(name: &str, text: &str, days: u64) -> Result<Option<DateTime<Utc>>, Problem> {
    if text.is_empty() {
        return Ok(None);
    }
    let day = text.parse::<NaiveDate>().ok().filter(|d| YEARS.contains(&d.year()));
    let day = day.and_then(|d| d.checked_add_days(Days::new(days)));
    let day = day.ok_or_else(|| {
        Problem::bad_request("bad_day", format!("{name}: {text:?} is not a day."))
            .remedy("Write a day as year-month-day, such as 2026-11-23.")
    })?;
    Ok(Some(day.and_time(NaiveTime::MIN).and_utc()))
}

fn params(asked: &Query) -> Result<AuditParams, Problem> {
    let some = |text: &String| Some(text.clone()).filter(|t| !t.is_empty());
    Ok(AuditParams {
        actor: some(&asked.actor),
        action: some(&asked.action),
        object: some(&asked.object),
        result: some(&asked.result),
        since: midnight("From", &asked.from, 0)?,
        until: midnight("To", &asked.to, 1)?,
        limit: Some(ENTRIES),
        cursor: asked.cursor.clone(),
    })
}

/// Who did what.
pub async fn page(
    State(app): State<App>,
    actor: Actor,
    Params(asked): Params<Query>,
) -> Result<Response, Problem> {
    let page = audit::page(&app, &params(&asked)?).await?;
    let servers = servers(&app).await?;
    let base = [
        ("actor", &*asked.actor),
        ("action", &*asked.action),
        ("object", &*asked.object),
        ("result", &*asked.result),
        ("from", &*asked.from),
        ("to", &*asked.to),
    ];
    let next = page.next_cursor.map(|c| {
        let all: Vec<_> = base.iter().copied().chain([("cursor", &*c)]).collect();
        query(&all)
    });
    let action = |a: &Action| Choice {
        value: a.as_str(),
        text: a.words().to_owned(),
        chosen: a.as_str() == asked.action,
    };
    let result = |r: DeedResult| Choice {
        value: r.as_str(),
        text: r.as_str().to_owned(),
        chosen: r.as_str() == asked.result,
    };
    html(&AuditPage {
        chrome: Chrome::of(&actor, "audit", "Audit"),
        lines: page.items.into_iter().map(|entry| line(entry, &servers, &actor)).collect(),
        actions: Action::ALL.iter().map(action).collect(),
        results: DeedResult::ALL.into_iter().map(result).collect(),
        narrowed: base.iter().any(|(_, value)| !value.is_empty()),
        later: asked.cursor.is_some(),
        next: next.unwrap_or_default(),
        asked,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_detail_reads_as_words() {
        let value = json!({"name": "x", "sessions_ended": 2, "role": "admin", "none": null});
        assert_eq!(detail(&value, &[]), "role: admin · sessions ended: 2");
    }

    #[test]
    fn a_server_is_called_by_its_name_while_it_has_one() {
        let id = "01a20d57-3c18-77e0-9bc6-c49a3c5d40ac";
        let value = json!({"accepted": 3, "target_server_id": id});
        assert_eq!(detail(&value, &[]), format!("accepted: 3 · target server: {id}"));
    }

    #[test]
    fn a_day_is_from_midnight_to_midnight() {
        let to = midnight("To", "2026-11-23", 1).unwrap().unwrap();
        assert_eq!(to.to_rfc3339(), "2026-11-24T00:00:00+00:00");
        assert!(midnight("From", "", 0).unwrap().is_none());
        assert_eq!(midnight("From", "23.11.2026", 0).unwrap_err().code, "bad_day");
    }
}
