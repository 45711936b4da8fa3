//! Verify: what was read back when, what was found, and reading it now.

use super::{
    batch_lines::server_name,
    chrome::{Chrome, html},
    form::{Fields, query},
    show::{self, When},
};
use crate::{
    api::{
        verify::{self, FindingParams, ResolveBody, VerifyBody, VerifyOverview, VerifyResult},
        view::{FindingView, ServerView, VerifyServerView},
    },
    app::App,
    auth::{Actor, Right},
    extract::{Id, Params},
    problem::Problem,
};
use askama::Template;
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use serde_json::Value;
use tourbus_domain::ArtistId;
use uuid::Uuid;

/// Findings on the page.
const FINDINGS: u32 = 50;
/// Findings on an artist's page.
const FINDINGS_OF_ARTIST: u32 = 20;
/// Where it is.
const HERE: &str = "/verify";

/// A server's part.
struct ServerLine {
    id: Uuid,
    name: String,
    read: i64,
    artists: String,
    never: String,
    percent: i64,
    last: Option<When>,
    oldest: Option<When>,
    queued: String,
    running: i64,
    read_7d: String,
    bytes_7d: String,
    findings: String,
    bad: bool,
}

/// A file that is not what it was.
pub struct FindingLine {
    pub id: Uuid,
    pub path: String,
    pub kind: &'static str,
    pub artist_id: Uuid,
    pub artist: String,
    pub server: String,
    pub job_id: Uuid,
    pub at: When,
    pub meaning: &'static str,
    pub remedy: &'static str,
    pub sizes: String,
    pub hashes: String,
    /// What is accepted, if it is.
    pub state: String,
    pub detail: String,
}

struct Choice {
    value: String,
    text: String,
    chosen: bool,
}

/// What a reading would take.
struct Plan {
    artists: String,
    nothing: bool,
    busy: String,
    servers: Vec<String>,
}

#[derive(Template)]
#[template(path = "verify.html")]
struct VerifyPage {
    chrome: Chrome,
    artists: String,
    never: String,
    oldest: Option<When>,
    open: String,
    findings_open: String,
    bad: bool,
    every_days: u32,
    rate: String,
    servers: Vec<ServerLine>,
    findings: Vec<FindingLine>,
    next: String,
    later: bool,
    where_to: Vec<Choice>,
    mb_s: String,
    reason: String,
    plan: Option<Plan>,
    notice: &'static str,
    problem: Option<Problem>,
}

/// What was asked for in the form.
#[derive(Default)]
struct Asked {
    server_id: Option<Uuid>,
    mb_s: String,
    reason: String,
    plan: Option<VerifyResult>,
    problem: Option<Problem>,
}

/// What was done, from the address after a redirect; and which page of findings.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Shown {
    done: String,
    cursor: Option<String>,
}

impl Shown {
    fn notice(&self) -> &'static str {
        match self.done.as_str() {
            "mended" => "Noted. The next reading looks whether the file is right.",
            "accepted" => {
                "Accepted. The next reading takes the file as it is, if it is still the same."
            }
            _ => "",
        }
    }
}

fn server_line(of: &VerifyServerView, servers: &[ServerView]) -> ServerLine {
    let read = of.artists - of.never_verified;
    ServerLine {
        id: of.server_id,
        name: server_name(servers, of.server_id),
        read,
        artists: show::count(of.artists),
        never: show::count(of.never_verified),
        percent: if of.artists == 0 { 100 } else { show::percent(read, of.artists) },
        last: of.last_at.map(show::when),
        oldest: of.oldest_at.map(show::when),
        queued: show::count(of.queued),
        running: of.running,
        read_7d: show::count(of.read_7d),
        bytes_7d: show::bytes(of.bytes_7d),
        findings: show::count(of.open_findings),
        bad: of.open_findings > 0,
    }
}

/// What people call a kind of finding.
fn kind_words(kind: &str) -> &'static str {
    match kind {
        "corrupt" => "Damaged",
        "unreadable" => "Unreadable",
        "missing" => "Missing",
        "changed" => "Changed",
        "untracked" => "Not ours",
        _ => "Wrong",
    }
}

fn finding_line(of: FindingView, servers: &[ServerView]) -> FindingLine {
    let sizes = match (of.bytes_expected, of.bytes_actual) {
        (Some(was), Some(is)) if was == is => show::bytes(is),
        (Some(was), Some(is)) => format!("{} instead of {}", show::bytes(is), show::bytes(was)),
        (Some(was), None) => format!("it had {}", show::bytes(was)),
        (None, Some(is)) => show::bytes(is),
        (None, None) => String::new(),
    };
    let short = |hash: &Option<String>| {
        hash.as_deref().map_or_else(|| "–".to_owned(), |h| h.chars().take(16).collect::<String>())
    };
    // Without one that it had, there is nothing to compare the other with.
    let hashes = if of.blake3_expected.is_none() {
        String::new()
    } else {
        let from = of.offset.map_or_else(String::new, |at| format!(" from byte {at}"));
        format!("BLAKE3{from}: was {}, is {}", short(&of.blake3_expected), short(&of.blake3_actual))
    };
    FindingLine {
        id: of.id,
        path: show::path(&of.path),
        kind: kind_words(&of.kind),
        artist_id: of.artist_id,
        artist: of.artist_name,
        server: server_name(servers, of.server_id),
        job_id: of.job_id,
        at: show::when(of.found_at),
        meaning: of.meaning,
        remedy: of.remedy,
        sizes,
        hashes,
        state: of.state,
        detail: of.detail.map(|d| show::message(&d)).unwrap_or_default(),
    }
}

fn plan(result: &VerifyResult, servers: &[ServerView]) -> Plan {
    let line = |of: &verify::VerifyShareView| {
        format!(
            "{}: {}, {}; one worker takes about {}",
            server_name(servers, of.server_id),
            crate::servers::counted(of.artists, "artist"),
            show::bytes(i64::try_from(of.bytes).unwrap_or(i64::MAX)),
            show::duration(of.estimate_s.max(1)),
        )
    };
    let busy = match result.refused.len() {
        0 => String::new(),
        1 => "One artist is being verified already.".to_owned(),
        n => format!("{} artists are being verified already.", show::count(n as i64)),
    };
    Plan {
        artists: crate::servers::counted(result.accepted, "artist"),
        nothing: result.accepted == 0,
        busy,
        servers: result.servers.iter().map(line).collect(),
    }
}

fn choices(chosen: Option<Uuid>, servers: &[ServerView]) -> Vec<Choice> {
    let all =
        Choice { value: String::new(), text: "All servers".to_owned(), chosen: chosen.is_none() };
    let each = servers.iter().filter(|s| !s.deleted).map(|s| Choice {
        value: s.id.to_string(),
        text: s.name.clone(),
        chosen: chosen == Some(s.id),
    });
    std::iter::once(all).chain(each).collect()
}

async fn answer(app: &App, actor: &Actor, asked: Asked, shown: Shown) -> Result<Response, Problem> {
    let servers = super::batch::servers(app).await?;
    let VerifyOverview {
        artists,
        never_verified,
        oldest_at,
        open_findings,
        every_days,
        rate_bytes_s,
        servers: of,
    } = verify::overview(app).await?;
    let later = shown.cursor.is_some();
    let notice = shown.notice();
    let params =
        FindingParams { limit: Some(FINDINGS), cursor: shown.cursor, ..FindingParams::default() };
    let findings = verify::page(app, &params).await?;
    let open: i64 = of.iter().map(|s| s.queued + s.running).sum();
    let status = asked.problem.as_ref().map_or(StatusCode::OK, Problem::status_code);
    let mut chrome = Chrome::of(actor, "verify", "Verify");
    chrome.reload_s = if open > 0 { 10 } else { 0 };
    let rate = show::bytes(i64::try_from(rate_bytes_s).unwrap_or(i64::MAX));
    let mut response = html(&VerifyPage {
        chrome,
        artists: show::count(artists),
        never: show::count(never_verified),
        oldest: oldest_at.map(show::when),
        open: show::count(open),
        findings_open: show::count(open_findings),
        bad: open_findings > 0,
        every_days,
        rate: format!("{rate}/s"),
        servers: of.iter().map(|s| server_line(s, &servers)).collect(),
        next: findings.next_cursor.map(|c| query(&[("cursor", &c)])).unwrap_or_default(),
        findings: findings.items.into_iter().map(|f| finding_line(f, &servers)).collect(),
        later,
        where_to: choices(asked.server_id, &servers),
        mb_s: asked.mb_s,
        reason: asked.reason,
        plan: asked.plan.as_ref().map(|p| plan(p, &servers)),
        notice,
        problem: asked.problem,
    })?;
    *response.status_mut() = status;
    Ok(response)
}

/// The page.
pub async fn page(
    State(app): State<App>,
    actor: Actor,
    Params(shown): Params<Shown>,
) -> Result<Response, Problem> {
    answer(&app, &actor, Asked::default(), shown).await
}

fn typed(fields: &Fields) -> Result<VerifyBody, Problem> {
    let server_id = fields.id("server")?;
    let mb_s = fields.text("mb_s").trim();
    Ok(VerifyBody {
        everything: server_id.is_none(),
        server_id,
        rate_bytes_s: if mb_s.is_empty() { None } else { Some(super::settings::rate(mb_s)?) },
        dry_run: fields.text("do") != "verify",
        reason: fields.text("reason").trim().to_owned(),
        ..VerifyBody::default()
    })
}

/// Says what a reading takes, or queues it.
pub async fn submit(
    State(app): State<App>,
    actor: Actor,
    fields: Fields,
) -> Result<Response, Problem> {
    let mut asked = Asked {
        server_id: fields.id("server").ok().flatten(),
        mb_s: fields.text("mb_s").trim().to_owned(),
        reason: fields.text("reason").trim().to_owned(),
        ..Asked::default()
    };
    let done = match typed(&fields) {
        Ok(body) => verify::submit(&app, &actor, &body, None).await,
        Err(problem) => Err(problem),
    };
    match done {
        Ok(VerifyResult { batch_id: Some(id), .. }) => {
            return Ok(Redirect::to(&format!("/batches/{id}")).into_response());
        }
        Ok(plan) => asked.plan = Some(plan),
        Err(problem) if problem.status == 422 => asked.problem = Some(problem),
        Err(problem) => return Err(problem),
    }
    answer(&app, &actor, asked, Shown::default()).await
}

/// What is mended is read again in any case; what is accepted must be what was shown.
fn body(fields: &Fields) -> ResolveBody {
    let accept = fields.text("as") == "accepted";
    let state = accept.then(|| fields.text("state").to_owned());
    ResolveBody { accept, state }
}

/// The part of an artist's page that tells of readings.
fn artist_part(id: ArtistId) -> String {
    format!("/artists/{id}#verify")
}

fn back(how: &ResolveBody) -> Response {
    let done = if how.accept { "accepted" } else { "mended" };
    Redirect::to(&format!("{HERE}?{}", query(&[("done", done)]))).into_response()
}

/// Says what became of a finding.
pub async fn resolve(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<Uuid>,
    fields: Fields,
) -> Result<Response, Problem> {
    let how = body(&fields);
    verify::settle(&app, &actor, id, &how).await?;
    Ok(match fields.back() {
        Some(to) => Redirect::to(to).into_response(),
        None => back(&how),
    })
}

/// The same of all of an artist's.
pub async fn resolve_all(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<ArtistId>,
    fields: Fields,
) -> Result<Response, Problem> {
    verify::settle_all(&app, &actor, id, &body(&fields)).await?;
    Ok(Redirect::to(&artist_part(id)).into_response())
}

/// Reads an artist's files back now.
pub async fn of_artist(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<ArtistId>,
) -> Result<Response, Problem> {
    let body = VerifyBody { artist_ids: Some(vec![id.0]), ..VerifyBody::default() };
    verify::submit(&app, &actor, &body, None).await?;
    Ok(Redirect::to(&artist_part(id)).into_response())
}

/// What an artist's page says of it.
pub struct OfArtist {
    /// In words; empty when the files were never read.
    pub last: String,
    pub bad: bool,
    pub job: Option<Uuid>,
    pub open: Option<Uuid>,
    pub findings: Vec<FindingLine>,
    pub more: bool,
    /// All open ones as they are now, those that are not shown among them.
    pub seen: String,
    pub may: bool,
    /// Where its forms lead back to.
    pub back: String,
}

impl OfArtist {
    /// Whether a job reads the artist's files, or is to.
    pub const fn is_open(&self) -> bool {
        self.open.is_some()
    }
}

/// The same, read from the database.
pub async fn part(
    app: &App,
    actor: &Actor,
    id: ArtistId,
    servers: &[ServerView],
) -> Result<OfArtist, Problem> {
    let last = app.store.last_verify(id).await?;
    let params = FindingParams {
        artist_id: Some(id.0),
        limit: Some(FINDINGS_OF_ARTIST),
        ..FindingParams::default()
    };
    // Before they are read: what a reading finds meanwhile was not seen.
    let seen = app.store.findings_seen(id).await?;
    let findings = verify::page(app, &params).await?;
    let said = last.as_ref().map(|l| {
        let what = outcome(l.first_reading, l.files, l.bytes, l.found);
        format!("{} on {}: {what}", show::when(l.at).text, server_name(servers, l.server_id))
    });
    Ok(OfArtist {
        last: said.unwrap_or_default(),
        bad: last.as_ref().is_some_and(|l| l.found > 0),
        job: last.map(|l| l.job_id),
        open: app.store.open_verify(id).await?.map(|j| j.0),
        more: findings.next_cursor.is_some(),
        seen,
        findings: findings.items.into_iter().map(|f| finding_line(f, servers)).collect(),
        may: actor.may(Right::Steer),
        back: artist_part(id),
    })
}

/// `12 files, 3.4 MB: all are what they were.`
fn outcome(first_reading: bool, files: i64, bytes: i64, found: i64) -> String {
    let read = format!(
        "{}, {}",
        crate::servers::counted(files.unsigned_abs(), "file"),
        show::bytes(bytes)
    );
    match (first_reading, found) {
        (true, 0) => format!("first reading: {read} noted, nothing to compare with."),
        (true, n) => format!(
            "first reading: {read} noted, nothing to compare with; {} wrong all the same.",
            are(n)
        ),
        (false, 0) => format!("{read}: all are what they were."),
        (false, n) => format!("{read} read; {} not what they were.", are(n)),
    }
}

fn are(n: i64) -> String {
    if n == 1 { "1 is".to_owned() } else { format!("{} are", show::count(n)) }
}

/// The same for a job's timeline.
pub fn told(detail: &Value) -> (String, String) {
    let number = |key: &str| detail[key].as_i64().unwrap_or(0);
    let first = detail["first_reading"].as_bool().unwrap_or(false);
    let found = number("found");
    let title = match (first, found) {
        (_, n) if n > 0 => "Read back: somebody should look at this",
        (true, _) => "Read for the first time",
        (false, _) => "Read back",
    };
    let what = outcome(first, number("files"), number("bytes"), found);
    let took = show::duration((number("took_ms").unsigned_abs()).div_ceil(1000));
    let mut what = what.chars();
    let what: String =
        what.next().into_iter().flat_map(char::to_uppercase).chain(what.by_ref()).collect();
    (title.to_owned(), format!("{what} It took {took}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_reading_claims_nothing() {
        assert_eq!(
            outcome(true, 3, 1_000, 0),
            "first reading: 3 files, 1.0 kB noted, nothing to compare with."
        );
        assert!(outcome(false, 3, 1_000, 0).ends_with("all are what they were."));
        assert!(outcome(false, 3, 1_000, 1).ends_with("1 is not what they were."));
    }
}
