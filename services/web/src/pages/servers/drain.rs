//! Draining a server: where everybody would go, how it goes, stopping it.

use super::{menu::Menu, overview::live};
use crate::{
    api::{
        moves::{REASON_CHARS_MAX, RefusedReason},
        servers as servers_api,
        view::ServerView,
    },
    app::App,
    auth::{Actor, Right},
    extract::Id,
    pages::{
        chrome::{Chrome, html},
        form::Fields,
        move_artists,
        show::{self, When},
    },
    problem::Problem,
    servers::drain::{self, DrainBody, DrainResult},
};
use askama::Template;
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use tourbus_domain::ServerId;
use tourbus_store::{DrainBatch, ServerTies};
use uuid::Uuid;

/// Without JavaScript, the page of a running drain reloads this often, in seconds.
const RELOAD_S: u32 = 5;

/// A server that artists could go to.
pub struct Target {
    pub id: Uuid,
    pub name: String,
    /// Why it cannot be chosen; empty if it can.
    pub closed: String,
    pub chosen: bool,
    pub free: String,
    pub plays_30d: String,
    /// What it would get if all that can were chosen; empty if nothing.
    pub gets: String,
}

/// A batch that empties, or emptied, the server.
pub struct BatchLine {
    pub id: Uuid,
    pub created: When,
    pub finished: bool,
    pub total: String,
    pub moved: String,
    pub failed: i32,
}

impl From<DrainBatch> for BatchLine {
    fn from(batch: DrainBatch) -> Self {
        Self {
            id: batch.id,
            created: show::when(batch.created_at),
            finished: batch.finished_at.is_some(),
            total: show::count(batch.jobs_total.into()),
            moved: show::count(batch.jobs_succeeded.into()),
            failed: batch.jobs_failed,
        }
    }
}

#[derive(Template)]
#[template(path = "server_drain.html")]
pub struct DrainPage {
    pub chrome: Chrome,
    pub menu: Menu,
    pub server: ServerView,
    pub artists: String,
    pub bytes: String,
    pub plays_30d: String,
    pub ties: ServerTies,
    /// Artists that no job is moving away.
    pub staying: i64,
    pub targets: Vec<Target>,
    /// Those that would stay, by reason.
    pub stay_reasons: Vec<RefusedReason>,
    pub batches: Vec<BatchLine>,
    pub reason: String,
    pub problem: Option<Problem>,
    pub may: bool,
    /// Whether it can be begun.
    pub can: bool,
}

fn target(server: &ServerView, plan: Option<&DrainResult>, chosen: Option<&[Uuid]>) -> Target {
    let closed = move_artists::closed(server);
    let share = plan.and_then(|p| p.plan.iter().find(|s| s.server_id == server.id));
    let gets = match share.filter(|s| s.artists > 0) {
        Some(share) => format!(
            "{} · {}",
            crate::servers::counted(share.artists, "artist"),
            show::bytes(share.bytes as i64)
        ),
        None => String::new(),
    };
    Target {
        id: server.id,
        name: server.name.clone(),
        chosen: closed.is_empty() && chosen.is_none_or(|ids| ids.contains(&server.id)),
        closed: closed.to_owned(),
        free: server.free_bytes.map_or_else(|| "unknown".to_owned(), show::bytes),
        plays_30d: show::count(server.plays_30d),
        gets,
    }
}

/// What somebody typed, if the form was sent and refused.
#[derive(Default)]
struct Sent {
    targets: Option<Vec<Uuid>>,
    reason: String,
    problem: Option<Problem>,
}

async fn answer(app: &App, actor: &Actor, id: ServerId, sent: Sent) -> Result<Response, Problem> {
    let server = servers_api::read(app, id).await?;
    let may = actor.may(Right::Servers);
    let ties = app.store.server_ties(id).await?;
    // Who only looks is shown how it goes, not how it would go.
    let tried = if may && !server.draining {
        let body = DrainBody { dry_run: true, ..DrainBody::default() };
        Some(drain::drain(app, actor, id, &body).await)
    } else {
        None
    };
    let (plan, refusal) = match tried {
        Some(Ok(plan)) => (Some(plan), None),
        Some(Err(problem)) if problem.status == 409 => (None, Some(problem)),
        Some(Err(problem)) => return Err(problem),
        None => (None, None),
    };
    let can = may && !server.draining && refusal.is_none();
    let problem = sent.problem.or(refusal);
    let status = problem.as_ref().map_or(StatusCode::OK, Problem::status_code);
    let others = live(app).await?.into_iter().filter(|s| s.id != server.id);
    let batches = app.store.drain_batches(id).await?;
    let mut chrome = Chrome::of(actor, "servers", format!("Drain {}", server.name));
    chrome.reload_s = if server.draining { RELOAD_S } else { 0 };
    let mut response = html(&DrainPage {
        chrome,
        menu: Menu::of(app, actor, "").await?,
        artists: crate::servers::counted(server.artists.unsigned_abs(), "artist"),
        bytes: show::bytes(server.bytes),
        plays_30d: show::count(server.plays_30d),
        staying: (server.artists - ties.leaving as i64).max(0),
        ties,
        targets: others.map(|s| target(&s, plan.as_ref(), sent.targets.as_deref())).collect(),
        stay_reasons: plan.map(|p| p.refused_reasons).unwrap_or_default(),
        batches: batches.into_iter().map(Into::into).collect(),
        reason: sent.reason,
        problem,
        may,
        can,
        server,
    })?;
    *response.status_mut() = status;
    Ok(response)
}

/// Where everybody would go, or how it goes.
pub async fn page(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<ServerId>,
) -> Result<Response, Problem> {
    let mut response = answer(&app, &actor, id, Sent::default()).await?;
    // That it cannot be drained is what the page is there to say.
    *response.status_mut() = StatusCode::OK;
    Ok(response)
}

/// Begins, or goes on with who could not leave before.
pub async fn submit(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<ServerId>,
    fields: Fields,
) -> Result<Response, Problem> {
    let targets = fields.ids("target")?;
    let reason: String = fields.text("reason").chars().take(REASON_CHARS_MAX + 1).collect();
    let body =
        DrainBody { target_server_ids: targets.clone(), dry_run: false, reason: reason.clone() };
    let done = if fields.ticked("choose") && targets.is_empty() {
        Err(Problem::unprocessable("no_target", "No server is ticked.")
            .remedy("Tick at least one that the artists may go to."))
    } else {
        drain::drain(&app, &actor, id, &body).await
    };
    match done {
        Ok(_) => Ok(Redirect::to(&format!("/servers/{id}/drain")).into_response()),
        Err(problem) if matches!(problem.status, 409 | 422) => {
            let sent = Sent { targets: Some(targets), reason, problem: Some(problem) };
            answer(&app, &actor, id, sent).await
        }
        Err(problem) => Err(problem),
    }
}

/// Stops it.
pub async fn stop(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<ServerId>,
) -> Result<Response, Problem> {
    match drain::undrain(&app, &actor, id).await {
        Ok(_) => Ok(Redirect::to(&format!("/servers/{id}/drain")).into_response()),
        Err(problem) if problem.status == 409 => {
            answer(&app, &actor, id, Sent { problem: Some(problem), ..Sent::default() }).await
        }
        Err(problem) => Err(problem),
    }
}
