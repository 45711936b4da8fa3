//! What happens when Move Artists is pressed without JavaScript: move, or first check.

use super::{
    chrome::{Chrome, html},
    form::Fields,
    show,
};
use crate::{
    api::moves::{self, MoveBody, MoveResult, Priority, Refused, RefusedReason, Selector},
    app::App,
    auth::Actor,
    problem::Problem,
};
use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use sha2::{Digest, Sha256};
use tourbus_domain::{Refusal, ServerId};
use uuid::Uuid;

/// Names that are listed for one reason; the rest is counted.
const NAMES_SHOWN: usize = 30;

/// One reason, and whom it concerns.
struct ReasonLine {
    summary: String,
    /// What to do; empty where there is nothing to do.
    detail: &'static str,
    names: String,
    more: usize,
}

#[derive(Template)]
#[template(path = "move_check.html")]
struct CheckPage {
    chrome: Chrome,
    target: String,
    accepted: u64,
    accepted_text: String,
    reasons: Vec<ReasonLine>,
    refused_total: String,
    /// All that is refused is there already.
    calm: bool,
    /// The form again, to be sent for real.
    fields: Vec<(&'static str, String)>,
    /// It was for real, and nothing could be moved.
    tried: bool,
}

fn body(fields: &Fields, dry_run: bool) -> Result<MoveBody, Problem> {
    let target_server_id = fields.id("target_server_id")?.ok_or_else(|| {
        Problem::unprocessable("no_server", "No server is chosen.")
            .remedy("Go back and choose a server under Choose Server.")
    })?;
    let all = fields.ticked("all");
    let ids = fields.ids("artist_id")?;
    if !all && ids.is_empty() {
        return Err(Problem::unprocessable("no_artists", "No artist is chosen.")
            .remedy("Go back and tick at least one artist under Choose Artist(s)."));
    }
    let selector = Selector {
        filter: fields.text("filter").to_owned(),
        server_id: fields.id("server_id")?,
        except_ids: fields.ids("except_id")?,
    };
    Ok(MoveBody {
        artist_ids: (!all).then_some(ids),
        selector: all.then_some(selector),
        target_server_id,
        dry_run,
        priority: if fields.ticked("express") { Priority::Express } else { Priority::Normal },
        reason: fields.text("reason").to_owned(),
    })
}

/// Moves and leads to the batch, or shows what would be refused.
pub async fn submit(
    State(app): State<App>,
    actor: Actor,
    fields: Fields,
) -> Result<Response, Problem> {
    let dry_run = fields.text("action") == "check";
    let body = body(&fields, dry_run)?;
    let key = key(&fields, &body);
    let result = moves::submit(&app, &actor, &body, key.as_deref()).await?;
    if let Some(batch) = result.batch_id {
        return Ok(Redirect::to(&format!("/batches/{batch}")).into_response());
    }
    let target = app.store.server(ServerId(body.target_server_id)).await?;
    html(&check_page(&actor, &body, &result, target.map(|s| s.name), !dry_run))
}

/// The same form sent twice moves once; going back and choosing otherwise is another request.
fn key(fields: &Fields, body: &MoveBody) -> Option<String> {
    let form: Uuid = fields.text("key").parse().ok()?;
    let text = serde_json::to_vec(body).ok()?;
    Some(format!("{form}-{}", hex::encode(&Sha256::digest(&text)[..16])))
}

/// What the artists that are already there are called, as a reason.
const THERE: &str = Refusal::AlreadyThere.as_str();

fn reason_line(reason: &RefusedReason, refused: &[Refused]) -> ReasonLine {
    let who: Vec<&Refused> = refused.iter().filter(|r| r.reason == reason.reason).collect();
    let name = |r: &&Refused| r.name.clone().unwrap_or_else(|| r.artist_id.to_string());
    let names: Vec<String> = who.iter().take(NAMES_SHOWN).map(name).collect();
    ReasonLine {
        summary: reason.summary.clone(),
        detail: if reason.reason == THERE { "" } else { reason.detail },
        names: names.join(", "),
        more: who.len().saturating_sub(NAMES_SHOWN),
    }
}

fn check_page(
    actor: &Actor,
    body: &MoveBody,
    result: &MoveResult,
    target: Option<String>,
    tried: bool,
) -> CheckPage {
    CheckPage {
        chrome: Chrome::of(actor, "move", "Check before moving"),
        target: target.unwrap_or_else(|| "an unknown server".to_owned()),
        accepted: result.accepted,
        accepted_text: show::count(result.accepted as i64),
        reasons: result.refused_reasons.iter().map(|r| reason_line(r, &result.refused)).collect(),
        refused_total: show::count(result.refused.len() as i64),
        calm: result.refused_reasons.iter().all(|r| r.reason == THERE),
        fields: again(body),
        tried,
    }
}

fn again(body: &MoveBody) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("target_server_id", body.target_server_id.to_string()),
        ("reason", body.reason.clone()),
        ("key", Uuid::new_v4().to_string()),
    ];
    if body.priority == Priority::Express {
        fields.push(("express", "1".to_owned()));
    }
    if let Some(selector) = &body.selector {
        fields.push(("all", "1".to_owned()));
        fields.push(("filter", selector.filter.clone()));
        let server = selector.server_id.map(|id| id.to_string()).unwrap_or_default();
        fields.push(("server_id", server));
        fields.extend(selector.except_ids.iter().map(|id| ("except_id", id.to_string())));
    }
    let ids = body.artist_ids.iter().flatten();
    fields.extend(ids.map(|id| ("artist_id", id.to_string())));
    fields
}
