//! `/webhooks`: who is told of what happens.

use super::view::{DeliveryView, WebhookView};
use crate::{
    app::App,
    auth::{Actor, Right},
    cursor::{self, Page},
    extract::{Body, Id, Params},
    problem::Problem,
};
use axum::{Json, extract::State, http::StatusCode};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use tourbus_config::{Way, is_readable, webhook_url_fault};
use tourbus_domain::WebhookEvent;
use tourbus_store::{DeliveryQuery, NewWebhook, WebhookChange};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Webhooks of a cluster at most.
const WEBHOOKS_MAX: u32 = 50;
/// Longest name, in characters.
const NAME_CHARS_MAX: usize = 100;
/// States that a delivery may be in.
const STATES: [&str; 3] = ["pending", "delivered", "failed"];

/// A webhook that somebody wants.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookBody {
    /// What people call it: 1 to 100 characters.
    pub name: String,
    /// Where it is told: an https:// URL without user and password.
    pub url: String,
    /// Of which events, by name; at least one.
    pub events: Vec<String>,
    /// Whether it is told from now on.
    #[serde(default = "yes")]
    pub active: bool,
}

const fn yes() -> bool {
    true
}

/// What becomes different; what is left out stays.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookPatch {
    /// What people call it.
    pub name: Option<String>,
    /// Where it is told.
    pub url: Option<String>,
    /// Of which events, by name; at least one.
    pub events: Option<Vec<String>>,
    /// Whether it is told. What waits meanwhile is sent when it is switched on again.
    pub active: Option<bool>,
}

/// A webhook and its secret, which is told this once.
// No `Debug`: it holds a secret.
#[derive(Clone, Serialize, ToSchema)]
#[schema(as = WebhookWithSecret)]
pub struct WithSecret {
    /// The webhook.
    #[serde(flatten)]
    pub webhook: WebhookView,
    /// What signs: `whsec_` and base64. Kept by the receiver; never told again.
    pub secret: String,
}

/// A delivery that is on its way.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Sent {
    /// Its id in the log of deliveries.
    pub delivery_id: Uuid,
}

/// Which deliveries.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeliveryParams {
    /// `pending`, `delivered` or `failed`.
    pub state: Option<String>,
    /// How many: 1 to 1000; 100 without it.
    pub limit: Option<u32>,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

fn name(text: &str) -> Result<String, Problem> {
    let name = text.trim();
    if name.is_empty()
        || name.chars().count() > NAME_CHARS_MAX
        || name.chars().any(char::is_control)
    {
        return Err(Problem::unprocessable(
            "bad_name",
            "A webhook has a name that people know it by.",
        )
        .remedy(format!("Use 1 to {NAME_CHARS_MAX} characters."))
        .field("name"));
    }
    Ok(name.to_owned())
}

fn url(app: &App, text: &str) -> Result<String, Problem> {
    let url = text.trim();
    let bad = |what: &str| Problem::unprocessable("bad_url", what).field("url");
    if let Some(fault) = webhook_url_fault(url) {
        return Err(bad(fault).remedy("Write it as https://hooks.example.org/tourbus."));
    }
    let may = app.config.allow_unencrypted.contains(&Way::Webhooks);
    if !may && is_readable(url).unwrap_or(true) {
        return Err(bad("What is sent to an http:// URL can be read and changed on its way.")
            .remedy(
                "Use https://; or name \"webhooks\" in allow_unencrypted of web and coordinator.",
            ));
    }
    Ok(url.to_owned())
}

fn events(names: &[String]) -> Result<Vec<WebhookEvent>, Problem> {
    let bad = |what: String| Problem::unprocessable("bad_events", what).field("events");
    let known = || WebhookEvent::choices().map(WebhookEvent::as_str).collect::<Vec<_>>().join(", ");
    let mut events = Vec::with_capacity(names.len().min(WebhookEvent::ALL.len()));
    for name in names {
        let event = WebhookEvent::parse(name).filter(|e| *e != WebhookEvent::Test);
        let shown: String = name.chars().take(40).collect();
        let event = event.ok_or_else(|| {
            bad(format!("{shown:?} is no event.")).remedy(format!("Use some of {}.", known()))
        })?;
        if !events.contains(&event) {
            events.push(event);
        }
    }
    if events.is_empty() {
        return Err(bad("No event is chosen: it would never be told of anything.".to_owned())
            .remedy("Choose at least one."));
    }
    Ok(events)
}

fn fresh_secret() -> ([u8; 32], String) {
    let secret: [u8; 32] = rand::random();
    (secret, format!("whsec_{}", STANDARD.encode(secret)))
}

/// One webhook; the API's and the pages' way.
pub async fn read(app: &App, actor: &Actor, id: Uuid) -> Result<WebhookView, Problem> {
    actor.require(Right::Servers)?;
    let row = app.store.webhook(id).await?.ok_or_else(|| Problem::not_found("webhook", id))?;
    Ok(row.into())
}

/// Every webhook; the API's and the pages' way.
pub async fn all(app: &App, actor: &Actor) -> Result<Vec<WebhookView>, Problem> {
    actor.require(Right::Servers)?;
    Ok(app.store.webhooks().await?.into_iter().map(WebhookView::from).collect())
}

/// Makes one; the API's and the pages' way.
pub async fn add(app: &App, actor: &Actor, body: &WebhookBody) -> Result<WithSecret, Problem> {
    actor.require(Right::Servers)?;
    let (bytes, secret) = fresh_secret();
    let new = NewWebhook {
        name: name(&body.name)?,
        url: url(app, &body.url)?,
        events: events(&body.events)?,
        active: body.active,
        secret: bytes.to_vec(),
    };
    let made = app.store.create_webhook(&actor.by(), &new, WEBHOOKS_MAX).await?;
    let id = made.ok_or_else(|| {
        let detail = format!("There are {WEBHOOKS_MAX} webhooks already.");
        Problem::conflict("too_many_webhooks", detail).remedy("Remove one that nobody needs.")
    })?;
    Ok(WithSecret { webhook: read(app, actor, id).await?, secret })
}

/// Changes one; the API's and the pages' way.
pub async fn change(
    app: &App,
    actor: &Actor,
    id: Uuid,
    patch: &WebhookPatch,
) -> Result<WebhookView, Problem> {
    actor.require(Right::Servers)?;
    let change = WebhookChange {
        name: patch.name.as_deref().map(name).transpose()?,
        url: patch.url.as_deref().map(|u| url(app, u)).transpose()?,
        events: patch.events.as_deref().map(events).transpose()?,
        active: patch.active,
    };
    if !app.store.change_webhook(&actor.by(), id, &change).await? {
        return Err(Problem::not_found("webhook", id));
    }
    read(app, actor, id).await
}

/// Gives one another secret; the API's and the pages' way.
pub async fn renew(app: &App, actor: &Actor, id: Uuid) -> Result<WithSecret, Problem> {
    actor.require(Right::Servers)?;
    let (bytes, secret) = fresh_secret();
    if !app.store.rotate_webhook(&actor.by(), id, &bytes).await? {
        return Err(Problem::not_found("webhook", id));
    }
    Ok(WithSecret { webhook: read(app, actor, id).await?, secret })
}

/// Removes one; the API's and the pages' way.
pub async fn remove(app: &App, actor: &Actor, id: Uuid) -> Result<(), Problem> {
    actor.require(Right::Servers)?;
    if app.store.delete_webhook(&actor.by(), id).await? {
        return Ok(());
    }
    Err(Problem::not_found("webhook", id))
}

/// Sends a test; the API's and the pages' way.
pub async fn try_out(app: &App, actor: &Actor, id: Uuid) -> Result<Sent, Problem> {
    actor.require(Right::Servers)?;
    let delivery = app.store.test_webhook(&actor.by(), id).await?;
    let delivery_id = delivery.ok_or_else(|| Problem::not_found("webhook", id))?;
    Ok(Sent { delivery_id })
}

/// Sends a delivery again; its webhook. The API's and the pages' way.
pub async fn again(app: &App, actor: &Actor, id: Uuid) -> Result<Uuid, Problem> {
    actor.require(Right::Servers)?;
    let sent = app.store.send_delivery_again(&actor.by(), id).await?;
    sent.ok_or_else(|| Problem::not_found("delivery", id))
}

/// Deliveries of one; the API's and the pages' way.
pub async fn log(
    app: &App,
    actor: &Actor,
    id: Uuid,
    params: &DeliveryParams,
) -> Result<Page<DeliveryView>, Problem> {
    actor.require(Right::Servers)?;
    let limit = cursor::limit(params.limit)?;
    let state = params.state.clone().filter(|s| !s.is_empty());
    if let Some(state) = &state
        && !STATES.contains(&state.as_str())
    {
        let shown: String = state.chars().take(40).collect();
        return Err(Problem::bad_request("bad_state", format!("`state` is {shown:?}."))
            .remedy(format!("Use one of {}.", STATES.join(", "))));
    }
    let after = cursor::unpack_newest(params.cursor.as_deref())?;
    let query = DeliveryQuery { state, after, limit: limit + 1 };
    let rows = app.store.webhook_deliveries(id, &query).await?;
    let cursor = |r: &tourbus_store::DeliveryRow| cursor::pack_newest(r.created_at, r.id);
    Ok(Page::cut(rows, limit, cursor, DeliveryView::from))
}

/// Every webhook.
#[utoipa::path(get, path = "/webhooks", tag = "webhooks", operation_id = "list_webhooks",
    responses((status = 200, body = Page<WebhookView>), (status = 403, body = Problem)))]
pub async fn list(
    State(app): State<App>,
    actor: Actor,
) -> Result<Json<Page<WebhookView>>, Problem> {
    Ok(Json(Page::whole(all(&app, &actor).await?)))
}

/// Makes a webhook. Its secret is told this once.
#[utoipa::path(post, path = "/webhooks", tag = "webhooks", operation_id = "create_webhook",
    request_body = WebhookBody,
    responses((status = 403, body = Problem), (status = 201, body = WithSecret), (status = 409, body = Problem),
        (status = 422, body = Problem)))]
pub async fn create(
    State(app): State<App>,
    actor: Actor,
    Body(body): Body<WebhookBody>,
) -> Result<(StatusCode, Json<WithSecret>), Problem> {
    Ok((StatusCode::CREATED, Json(add(&app, &actor, &body).await?)))
}

/// One webhook.
#[utoipa::path(get, path = "/webhooks/{id}", tag = "webhooks", operation_id = "get_webhook",
    params(("id" = Uuid, Path)),
    responses((status = 403, body = Problem), (status = 200, body = WebhookView), (status = 404, body = Problem)))]
pub async fn one(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<Uuid>,
) -> Result<Json<WebhookView>, Problem> {
    read(&app, &actor, id).await.map(Json)
}

/// Changes a webhook. Switching one on forgets that it failed, and sends what waits.
#[utoipa::path(patch, path = "/webhooks/{id}", tag = "webhooks", operation_id = "modify_webhook",
    params(("id" = Uuid, Path)), request_body = WebhookPatch,
    responses((status = 403, body = Problem), (status = 200, body = WebhookView), (status = 404, body = Problem),
        (status = 422, body = Problem)))]
pub async fn modify(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<Uuid>,
    Body(patch): Body<WebhookPatch>,
) -> Result<Json<WebhookView>, Problem> {
    change(&app, &actor, id, &patch).await.map(Json)
}

/// Removes a webhook with its log; what waits is not sent.
#[utoipa::path(delete, path = "/webhooks/{id}", tag = "webhooks", operation_id = "delete_webhook",
    params(("id" = Uuid, Path)),
    responses((status = 403, body = Problem), (status = 204), (status = 404, body = Problem)))]
pub async fn delete(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<Uuid>,
) -> Result<StatusCode, Problem> {
    remove(&app, &actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a webhook another secret, told this once. For a day, both sign.
#[utoipa::path(post, path = "/webhooks/{id}/rotate", tag = "webhooks",
    operation_id = "rotate_webhook", params(("id" = Uuid, Path)),
    responses((status = 403, body = Problem), (status = 200, body = WithSecret), (status = 404, body = Problem)))]
pub async fn rotate(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<Uuid>,
) -> Result<Json<WithSecret>, Problem> {
    renew(&app, &actor, id).await.map(Json)
}

/// Sends a test, whether the webhook is active or not.
#[utoipa::path(post, path = "/webhooks/{id}/test", tag = "webhooks", operation_id = "test_webhook",
    params(("id" = Uuid, Path)),
    responses((status = 403, body = Problem), (status = 202, body = Sent), (status = 404, body = Problem)))]
pub async fn test(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<Uuid>,
) -> Result<(StatusCode, Json<Sent>), Problem> {
    Ok((StatusCode::ACCEPTED, Json(try_out(&app, &actor, id).await?)))
}

/// What was sent to a webhook in the last 30 days, the newest first.
#[utoipa::path(get, path = "/webhooks/{id}/deliveries", tag = "webhooks",
    operation_id = "list_webhook_deliveries", params(("id" = Uuid, Path), DeliveryParams),
    responses((status = 400, body = Problem), (status = 403, body = Problem), (status = 200, body = Page<DeliveryView>), (status = 404, body = Problem)))]
pub async fn deliveries(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<Uuid>,
    Params(params): Params<DeliveryParams>,
) -> Result<Json<Page<DeliveryView>>, Problem> {
    read(&app, &actor, id).await?;
    log(&app, &actor, id, &params).await.map(Json)
}

/// Sends a delivery again, under the same `webhook-id`, with as many tries as the first time.
#[utoipa::path(post, path = "/webhooks/deliveries/{id}/send-again", tag = "webhooks",
    operation_id = "send_webhook_delivery_again", params(("id" = Uuid, Path)),
    responses((status = 403, body = Problem), (status = 202, body = Sent), (status = 404, body = Problem)))]
pub async fn send_again(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<Uuid>,
) -> Result<(StatusCode, Json<Sent>), Problem> {
    again(&app, &actor, id).await?;
    Ok((StatusCode::ACCEPTED, Json(Sent { delivery_id: id })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_event_is_named_and_none_is_too_few() {
        let of =
            |names: &[&str]| events(&names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>());
        let two = of(&["batch.failed", "job.stuck", "batch.failed"]).unwrap();
        assert_eq!(two, [WebhookEvent::BatchFailed, WebhookEvent::JobStuck]);
        for bad in [&[][..], &["batch.exploded"], &["webhook.test"]] {
            let problem = of(bad).unwrap_err();
            assert_eq!((problem.code, problem.field), ("bad_events", Some("events")));
        }
    }

    #[test]
    fn a_secret_is_as_receivers_expect_it() {
        let (bytes, text) = fresh_secret();
        assert_eq!(STANDARD.decode(text.strip_prefix("whsec_").unwrap()).unwrap(), bytes);
        assert_ne!(fresh_secret().0, bytes);
        assert!(name(" a ").is_ok() && name(" ").is_err() && name(&"x".repeat(101)).is_err());
    }
}
