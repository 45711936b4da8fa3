//! LOFI: how far the small renditions are, what failed, what they are like, and converting in bulk.

use super::{
    batch_lines::{Failure, server_name},
    chrome::{Chrome, html},
    form::{Fields, query},
    show::{self, When},
};
use crate::{
    api::{
        jobs::{self, Ask},
        lofi::{self, LofiBody, LofiOverview, LofiResult, RETRIES_MAX},
        profiles::{self, NewProfile, ProfileView},
        view::{LofiFailureView, LofiServerView, ServerView},
    },
    app::App,
    auth::{Actor, Right},
    extract::{Id, Name, Params},
    problem::Problem,
};
use askama::Template;
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use tokio::try_join;
use tourbus_domain::JobId;
use uuid::Uuid;

/// Failures on the page.
const FAILURES: u32 = 50;
/// Where it is.
const HERE: &str = "/lofi";

/// A server's part.
struct ServerLine {
    id: Uuid,
    name: String,
    lofis: String,
    songs: String,
    percent: i64,
    queued: String,
    running: i64,
    slots: i64,
    made: String,
    speed: String,
}

/// A song whose last conversion failed.
struct FailureLine {
    job_id: Uuid,
    title: String,
    artist_id: Uuid,
    artist: String,
    path: String,
    server: String,
    failure: Failure,
    at: Option<When>,
    has_lofi: bool,
}

/// A profile.
struct ProfileLine {
    name: String,
    like: String,
    who: String,
    built_in: bool,
    is_default: bool,
    in_use: bool,
}

/// A choice of a form.
struct Choice {
    value: String,
    text: String,
    chosen: bool,
}

/// What a conversion in bulk would take.
struct Plan {
    songs: String,
    nothing: bool,
    busy: String,
    servers: Vec<PlanLine>,
}

struct PlanLine {
    name: String,
    songs: String,
    audio: String,
    time: String,
}

#[derive(Template)]
#[template(path = "lofi.html")]
struct LofiPage {
    chrome: Chrome,
    songs: String,
    lofis: String,
    missing: i64,
    missing_text: String,
    open: String,
    failed: u64,
    failed_text: String,
    retry_text: String,
    bare_text: String,
    bare: u64,
    more_failed: bool,
    servers: Vec<ServerLine>,
    failures: Vec<FailureLine>,
    profiles: Vec<ProfileLine>,
    where_to: Vec<Choice>,
    which: Vec<Choice>,
    profile: Vec<Choice>,
    reason: String,
    plan: Option<Plan>,
    said: Said,
    may_convert: bool,
    may_profiles: bool,
}

/// What the page says besides what is so.
#[derive(Default)]
struct Said {
    notice: String,
    /// Which form was refused, and why.
    refused: &'static str,
    problem: Option<Problem>,
    new: TypedProfile,
}

impl Said {
    /// Whether the problem is about this form.
    fn at(&self, form: &str) -> bool {
        self.problem.is_some() && self.refused == form
    }
}

/// A new profile as it was typed.
struct TypedProfile {
    name: String,
    kbit_s: String,
    channels: String,
    sample_rate_hz: String,
    excerpt_s: String,
}

impl Default for TypedProfile {
    fn default() -> Self {
        Self {
            name: String::new(),
            kbit_s: "96".to_owned(),
            channels: "2".to_owned(),
            sample_rate_hz: "44100".to_owned(),
            excerpt_s: String::new(),
        }
    }
}

/// What was asked for in the form.
#[derive(Default)]
struct Asked {
    body: LofiBody,
    plan: Option<LofiResult>,
}

/// What was done, from the address after a redirect.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Done {
    done: String,
    n: u64,
}

impl Done {
    fn notice(&self) -> String {
        let songs = show::count(self.n.try_into().unwrap_or(i64::MAX));
        match self.done.as_str() {
            "retried" if self.n == 1 => "One conversion is tried again.".to_owned(),
            "retried" => format!("{songs} conversions are tried again."),
            "profile" => "The profile is there.".to_owned(),
            "deleted" => "The profile is deleted. What was made by it stays.".to_owned(),
            "chosen" => "Songs are converted by that profile from now on. Those that have a LOFI \
                         keep it until you convert them anew, below."
                .to_owned(),
            _ => String::new(),
        }
    }
}

fn server_line(of: &LofiServerView, servers: &[ServerView]) -> ServerLine {
    ServerLine {
        id: of.server_id,
        name: server_name(servers, of.server_id),
        lofis: show::count(of.lofis),
        songs: show::count(of.songs),
        percent: if of.songs == 0 { 100 } else { show::percent(of.lofis, of.songs) },
        queued: show::count(of.queued),
        running: of.running,
        slots: of.slots,
        made: show::count(of.made_1h),
        speed: of.speed.map_or_else(|| "–".to_owned(), |s| format!("{s:.0} ×")),
    }
}

fn failure_line(of: LofiFailureView, servers: &[ServerView]) -> FailureLine {
    FailureLine {
        job_id: of.job_id,
        title: of.title,
        artist_id: of.artist_id,
        artist: of.artist_name,
        path: show::path(&of.path),
        server: server_name(servers, of.server_id),
        failure: of.error.as_ref().map(Failure::of).unwrap_or_default(),
        at: of.failed_at.map(show::when),
        has_lofi: of.has_lofi,
    }
}

/// `64 kbit/s, stereo, 44.1 kHz, 60 s from the middle`.
fn like(profile: &ProfileView) -> String {
    let channels = if profile.channels_max == 1 { "mono" } else { "stereo" };
    let khz = f64::from(profile.sample_rate_hz_max) / 1000.0;
    let part = profile
        .excerpt_ms
        .map_or_else(String::new, |ms| format!(", {} s from the middle", ms / 1000));
    format!("{} kbit/s, {channels}, {khz} kHz{part}", profile.bitrate_bps_max / 1000)
}

fn profile_line(of: &ProfileView) -> ProfileLine {
    let who = match (of.is_default, of.artists) {
        (true, 0) => "all artists".to_owned(),
        (true, n) => format!("all artists; {n} have chosen it"),
        (false, 0) => String::new(),
        (false, n) => crate::servers::counted(n.unsigned_abs(), "artist"),
    };
    ProfileLine {
        name: of.name.clone(),
        like: like(of),
        who,
        built_in: of.built_in,
        is_default: of.is_default,
        in_use: of.is_default || of.artists > 0,
    }
}

fn plan(result: &LofiResult, servers: &[ServerView]) -> Plan {
    let line = |of: &lofi::LofiShareView| {
        PlanLine {
        name: server_name(servers, of.server_id),
        songs: crate::servers::counted(of.songs, "song"),
        audio: if of.audio_ms == 0 {
            "length not known".to_owned()
        } else {
            format!("{} of music", show::duration(of.audio_ms / 1000))
        },
        time: of.estimate_ms.filter(|_| of.audio_ms > 0).map_or_else(
            || "no telling how long: it has converted nothing in the last day, or no worker of it is there".to_owned(),
            |ms| format!("about {}", show::duration(ms.div_ceil(1000))),
        ),
    }
    };
    let busy = match result.refused.len() {
        0 => String::new(),
        1 => "One song is being converted already.".to_owned(),
        n => format!("{} songs are being converted already.", show::count(n as i64)),
    };
    Plan {
        songs: crate::servers::counted(result.accepted, "song"),
        nothing: result.accepted == 0,
        busy,
        servers: result.servers.iter().map(line).collect(),
    }
}

fn choices(
    asked: &LofiBody,
    servers: &[ServerView],
    profiles: &[ProfileView],
    default: &str,
) -> [Vec<Choice>; 3] {
    let mut where_to = vec![Choice {
        value: String::new(),
        text: "All servers".to_owned(),
        chosen: asked.server_id.is_none(),
    }];
    where_to.extend(servers.iter().filter(|s| !s.deleted).map(|s| Choice {
        value: s.id.to_string(),
        text: s.name.clone(),
        chosen: asked.server_id == Some(s.id),
    }));
    let all = !asked.only_missing
        && !asked.only_outdated
        && (asked.everything || asked.server_id.is_some());
    let which = [
        ("missing", "Songs that have no LOFI", !all && !asked.only_outdated),
        (
            "outdated",
            "Songs whose LOFI was made by another profile, or that have none",
            asked.only_outdated,
        ),
        ("all", "All songs, anew", all),
    ];
    let which = which.map(|(value, text, chosen)| Choice {
        value: value.to_owned(),
        text: text.to_owned(),
        chosen,
    });
    let mut profile = vec![Choice {
        value: String::new(),
        text: format!("As each artist has it, or the cluster’s ({default})"),
        chosen: asked.profile.is_none(),
    }];
    profile.extend(profiles.iter().map(|p| Choice {
        value: p.name.clone(),
        text: format!("{}: {}", p.name, like(p)),
        chosen: asked.profile.as_ref() == Some(&p.name),
    }));
    [where_to, which.into(), profile]
}

/// What the button says that tries them again.
fn retry_text(failed: u64, more: bool) -> String {
    match failed {
        _ if more => format!("Retry all, at most {}", show::count(RETRIES_MAX.into())),
        1 => "Retry it".to_owned(),
        n => format!("Retry all {}", show::count(n as i64)),
    }
}

async fn answer(app: &App, actor: &Actor, asked: Asked, said: Said) -> Result<Response, Problem> {
    let failures = async { Ok(app.store.lofi_failures(FAILURES).await?) };
    let (servers, overview, failures, profiles) =
        try_join!(super::batch::servers(app), lofi::overview(app), failures, profiles::all(app))?;
    let LofiOverview {
        profile: default,
        songs,
        lofis,
        open,
        failed,
        failed_without_lofi,
        failed_more,
        servers: of,
    } = overview;
    let [where_to, which, profile] = choices(&asked.body, &servers, &profiles, &default);
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let missing = number(songs.saturating_sub(lofis));
    let status = said.problem.as_ref().map_or(StatusCode::OK, Problem::status_code);
    let mut chrome = Chrome::of(actor, "lofi", "LOFI");
    chrome.reload_s = if open > 0 { 10 } else { 0 };
    let mut response = html(&LofiPage {
        chrome,
        songs: show::count(number(songs)),
        lofis: show::count(number(lofis)),
        missing,
        missing_text: show::count(missing),
        open: show::count(number(open)),
        failed,
        failed_text: show::up_to(failed, failed_more),
        retry_text: retry_text(failed, failed_more),
        bare_text: show::at_least(failed_without_lofi, failed_more),
        bare: failed_without_lofi,
        more_failed: failed > u64::from(FAILURES),
        servers: of.iter().map(|s| server_line(s, &servers)).collect(),
        failures: failures.into_iter().map(|f| failure_line(f.into(), &servers)).collect(),
        profiles: profiles.iter().map(profile_line).collect(),
        where_to,
        which,
        profile,
        reason: asked.body.reason.clone(),
        plan: asked.plan.as_ref().map(|p| plan(p, &servers)),
        said,
        may_convert: actor.may(Right::Artists),
        may_profiles: actor.may(Right::Servers),
    })?;
    *response.status_mut() = status;
    Ok(response)
}

/// The page.
pub async fn page(
    State(app): State<App>,
    actor: Actor,
    Params(done): Params<Done>,
) -> Result<Response, Problem> {
    let said = Said { notice: done.notice(), ..Said::default() };
    answer(&app, &actor, Asked::default(), said).await
}

fn typed(fields: &Fields) -> Result<LofiBody, Problem> {
    let server = fields.text("server");
    let server_id = match server {
        "" => None,
        text => Some(text.parse().map_err(|_| {
            Problem::unprocessable("no_such_server", "That is no server.")
                .remedy("Choose one of the list.")
        })?),
    };
    Ok(LofiBody {
        everything: server_id.is_none(),
        server_id,
        profile: Some(fields.text("profile").to_owned()).filter(|p| !p.is_empty()),
        only_missing: fields.text("which") == "missing",
        only_outdated: fields.text("which") == "outdated",
        dry_run: fields.text("do") != "convert",
        reason: fields.text("reason").trim().to_owned(),
        ..LofiBody::default()
    })
}

/// Says what a conversion in bulk takes, or queues it.
pub async fn convert(
    State(app): State<App>,
    actor: Actor,
    fields: Fields,
) -> Result<Response, Problem> {
    let body = typed(&fields)?;
    match lofi::submit(&app, &actor, &body).await {
        Ok(LofiResult { batch_id: Some(id), .. }) => {
            Ok(Redirect::to(&format!("/batches/{id}")).into_response())
        }
        Ok(plan) => answer(&app, &actor, Asked { body, plan: Some(plan) }, Said::default()).await,
        Err(problem) if problem.status == 422 => {
            let said = Said { refused: "convert", problem: Some(problem), ..Said::default() };
            answer(&app, &actor, Asked { body, plan: None }, said).await
        }
        Err(problem) => Err(problem),
    }
}

fn back(done: &str, n: u64) -> Response {
    let n = n.to_string();
    Redirect::to(&format!("{HERE}?{}", query(&[("done", done), ("n", &n)]))).into_response()
}

/// Tries every failure again.
pub async fn retry_all(State(app): State<App>, actor: Actor) -> Result<Response, Problem> {
    Ok(back("retried", lofi::retry_failed(&app, &actor).await?.retried))
}

/// Tries one failure again.
pub async fn retry(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<JobId>,
) -> Result<Response, Problem> {
    jobs::ask(&app, &actor, id, Ask::Retry).await?;
    Ok(back("retried", 1))
}

/// Adds a profile.
pub async fn add_profile(
    State(app): State<App>,
    actor: Actor,
    fields: Fields,
) -> Result<Response, Problem> {
    let text = |name: &str| fields.text(name).trim().to_owned();
    let typed = TypedProfile {
        name: text("name"),
        kbit_s: text("kbit_s"),
        channels: text("channels"),
        sample_rate_hz: text("sample_rate_hz"),
        excerpt_s: text("excerpt_s"),
    };
    let added = match typed.read() {
        Ok(new) => profiles::add(&app, &actor, &new).await,
        Err(problem) => Err(problem),
    };
    match added {
        Ok(_) => Ok(back("profile", 0)),
        Err(problem) if matches!(problem.status, 409 | 422) => {
            let problem = Some(problem);
            let said = Said { refused: "profile", problem, new: typed, ..Said::default() };
            answer(&app, &actor, Asked::default(), said).await
        }
        Err(problem) => Err(problem),
    }
}

impl TypedProfile {
    fn read(&self) -> Result<NewProfile, Problem> {
        let number = |text: &str, what: &str| {
            let shown: String = text.chars().take(40).collect();
            text.parse::<u32>().map_err(|_| {
                Problem::unprocessable("bad_profile", format!("{shown:?} is no number of {what}."))
                    .remedy("Write a whole number.")
            })
        };
        let kbit_s = number(&self.kbit_s, "kbit/s")?;
        Ok(NewProfile {
            name: self.name.clone(),
            bitrate_bps_max: kbit_s.saturating_mul(1000),
            channels_max: number(&self.channels, "channels")?.try_into().unwrap_or(u8::MAX),
            sample_rate_hz_max: number(&self.sample_rate_hz, "hertz")?,
            excerpt_ms: match self.excerpt_s.as_str() {
                "" => None,
                text => Some(u64::from(number(text, "seconds")?) * 1000),
            },
            fade_ms: None,
        })
    }
}

/// Deletes a profile.
pub async fn delete_profile(
    State(app): State<App>,
    actor: Actor,
    Name(name): Name,
) -> Result<Response, Problem> {
    match profiles::remove(&app, &actor, &name).await {
        Ok(()) => Ok(back("deleted", 0)),
        Err(problem) if problem.status == 409 => {
            let said = Said { refused: "profiles", problem: Some(problem), ..Said::default() };
            answer(&app, &actor, Asked::default(), said).await
        }
        Err(problem) => Err(problem),
    }
}

/// Makes a profile the cluster's.
pub async fn choose_profile(
    State(app): State<App>,
    actor: Actor,
    Name(name): Name,
) -> Result<Response, Problem> {
    profiles::choose(&app, &actor, &name).await?;
    Ok(back("chosen", 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_told_in_a_line() {
        let view = |excerpt_ms| ProfileView {
            name: "x".to_owned(),
            bitrate_bps_max: 32_000,
            channels_max: 1,
            sample_rate_hz_max: 22_050,
            excerpt_ms,
            fade_ms: 0,
            built_in: true,
            is_default: false,
            artists: 0,
        };
        assert_eq!(like(&view(None)), "32 kbit/s, mono, 22.05 kHz");
        assert_eq!(like(&view(Some(60_000))), "32 kbit/s, mono, 22.05 kHz, 60 s from the middle");
    }

    #[test]
    fn what_is_no_number_is_told_with_what_it_should_count() {
        let typed = TypedProfile { kbit_s: "many".to_owned(), ..TypedProfile::default() };
        assert_eq!(typed.read().unwrap_err().detail, "\"many\" is no number of kbit/s.");
        let typed = TypedProfile { excerpt_s: "30".to_owned(), ..TypedProfile::default() };
        assert_eq!(typed.read().unwrap().excerpt_ms, Some(30_000));
    }
}
