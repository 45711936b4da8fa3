//! Reports of servers' agents.

use crate::{app::App, problem::Problem};
use axum::http::StatusCode;
use chrono::Utc;
use tourbus_domain::ServerId;
use tourbus_protocol::{
    CheckResult,
    agent::{Report, ReportAnswer, SignedReport},
    server_key,
};

/// Longest text of a check that is kept, in characters.
const TEXT_MAX: usize = 2_000;
/// Most checks in one report.
const CHECKS_MAX: usize = 32;
/// Highest number of a report.
const SEQ_MAX: u64 = i64::MAX as u64;

fn refusal(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Problem {
    Problem::new(status, code, "The report is not taken").detail(detail)
}

/// Takes a report whose signature is right and whose number is new.
pub async fn take(app: &App, signed: &SignedReport) -> Result<ReportAnswer, Problem> {
    let slug = &signed.server;
    let server = app.store.agent_server(slug).await?.ok_or_else(|| {
        refusal(StatusCode::NOT_FOUND, "unknown_server", format!("No server is named {slug}."))
            .remedy("Stop this server, or let it join: the server's page has the command.")
    })?;
    if server.deleted {
        let detail = format!("The server {slug} was deleted from this cluster.");
        return Err(refusal(StatusCode::GONE, "server_deleted", detail)
            .remedy("Stop it for good: `systemctl disable --now tourbus`."));
    }
    let Some(key) = &server.public_key else {
        let detail = format!("The server {slug} has not joined yet.");
        return Err(refusal(StatusCode::CONFLICT, "not_joined", detail)
            .remedy("Run the command of the server's page."));
    };
    if !server_key::report_is_signed(&signed.report, &signed.signature, key) {
        return Err(wrong_signature(slug));
    }
    let report: Report = serde_json::from_str(&signed.report).map_err(|e| {
        Problem::unprocessable("wrong_report", format!("The report is not understood: {e}."))
            .remedy("Install the master's version: run the command of the server's page again.")
    })?;
    if report.server != *slug {
        return Err(wrong_signature(slug));
    }
    if report.seq > SEQ_MAX || report.checks.len() > CHECKS_MAX {
        return Err(Problem::unprocessable("wrong_report", "The report's numbers are too large."));
    }
    answer(app, ServerId(server.id), &report).await
}

fn wrong_signature(slug: &tourbus_domain::Slug) -> Problem {
    refusal(
        StatusCode::FORBIDDEN,
        "wrong_signature",
        format!("The report is not signed with the key that server {slug} joined with."),
    )
    .remedy(
        "Another installation may have joined under this name. Make a new command on the \
             server's page and run it here.",
    )
}

async fn answer(app: &App, id: ServerId, report: &Report) -> Result<ReportAnswer, Problem> {
    let found: Vec<CheckResult> = report.checks.iter().map(clean).collect();
    let version = text(&report.version);
    let taken = app.store.take_report(id, report.seq, &version, &found).await?;
    let taken = taken.ok_or_else(|| {
        let detail = format!("Report {} or a later one was taken before.", report.seq);
        refusal(StatusCode::CONFLICT, "report_replayed", detail)
            .remedy("Nothing needs to be done: the agent goes on with a higher number.")
    })?;
    let checks = app.store.server_checks(id).await?;
    let checks = checks.map(|c| c.list().into_iter().map(|(check, _)| check).collect());
    let settings = match (&report.settings, &app.joining) {
        (Some(known), Some(joining)) => {
            let now = joining.settings_now(&app.store).await?;
            let current = now.fingerprint().map_err(|error| {
                tracing::error!(%error, "report.settings_not_written");
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something broke here")
            })?;
            (current != *known).then_some(now)
        }
        _ => None,
    };
    Ok(ReportAnswer {
        at: Utc::now(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        checks_wanted: taken.checks_wanted,
        checks: checks.unwrap_or_default(),
        settings,
    })
}

/// Only what a page and a database take.
fn text(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || *c == '\n').take(TEXT_MAX).collect()
}

/// A red check without words would be refused by the database.
fn clean(check: &CheckResult) -> CheckResult {
    let or = |text: String, otherwise: &str| {
        if text.trim().is_empty() { otherwise.to_owned() } else { text }
    };
    CheckResult {
        name: check.name,
        state: check.state,
        cause: or(text(&check.cause), "The server does not say why."),
        remedy: or(text(&check.remedy), "Look into the log on the server."),
    }
}
