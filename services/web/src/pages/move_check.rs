//! What happens when Move Artists is pressed without JavaScript: move, or first check.

use super::{
    chrome::{Chrome, html},
    form::Fields,
    show,
};
use crate::{
    api::moves::{self, MoveBody, MoveResult, Priority, Refused, Selector},
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
use tourbus_domain::{ArtistId, ServerId};
use uuid::Uuid;

/// Refusals that are listed; the rest is counted.
const REFUSALS_SHOWN: usize = 200;

struct RefusedLine {
    name: String,
    detail: &'static str,
}

#[derive(Template)]
#[template(path = "move_check.html")]
struct CheckPage {
    chrome: Chrome,
    target: String,
    accepted: u64,
    accepted_text: String,
    refused: Vec<RefusedLine>,
    refused_total: String,
    refused_more: usize,
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
    let names = names(&app, &result.refused).await?;
    let target = app.store.server(ServerId(body.target_server_id)).await?;
    html(&check_page(&actor, &body, &result, &names, target.map(|s| s.name), !dry_run))
}

/// The same form sent twice moves once; going back and choosing otherwise is another request.
fn key(fields: &Fields, body: &MoveBody) -> Option<String> {
    let form: Uuid = fields.text("key").parse().ok()?;
    let text = serde_json::to_vec(body).ok()?;
    Some(format!("{form}-{}", hex::encode(&Sha256::digest(&text)[..16])))
}

async fn names(app: &App, refused: &[Refused]) -> Result<Vec<(Uuid, String)>, Problem> {
    let ids: Vec<ArtistId> =
        refused.iter().take(REFUSALS_SHOWN).map(|r| ArtistId(r.artist_id)).collect();
    let rows = app.store.artists_by_ids(&ids).await?;
    Ok(rows.into_iter().map(|a| (a.id, a.name)).collect())
}

fn check_page(
    actor: &Actor,
    body: &MoveBody,
    result: &MoveResult,
    names: &[(Uuid, String)],
    target: Option<String>,
    tried: bool,
) -> CheckPage {
    let total = result.refused.len();
    let line = |r: &Refused| {
        let name = names.iter().find(|(id, _)| *id == r.artist_id).map(|(_, name)| name.clone());
        RefusedLine { name: name.unwrap_or_else(|| r.artist_id.to_string()), detail: r.detail }
    };
    CheckPage {
        chrome: Chrome::of(actor, "move", "Check before moving"),
        target: target.unwrap_or_else(|| "an unknown server".to_owned()),
        accepted: result.accepted,
        accepted_text: show::count(result.accepted as i64),
        refused: result.refused.iter().take(REFUSALS_SHOWN).map(line).collect(),
        refused_total: show::count(total as i64),
        refused_more: total.saturating_sub(REFUSALS_SHOWN),
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
