//! Webhooks, for admins: who is told of what happens, and what became of it.

use super::{
    chrome::{Chrome, html},
    form::{Fields, query},
    servers::menu::Menu,
    show::{self, When},
};
use crate::{
    api::{
        view::{DeliveryView, WebhookView},
        webhooks::{self, DeliveryParams, WebhookBody, WebhookPatch},
    },
    app::App,
    auth::Actor,
    extract::{Id, Params},
    problem::Problem,
};
use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use tourbus_domain::WebhookEvent;
use uuid::Uuid;

/// Deliveries on a page.
const DELIVERIES: u32 = 25;

/// An event that can be chosen.
struct Choice {
    value: &'static str,
    words: &'static str,
    chosen: bool,
}

/// What the form holds.
struct Form {
    name: String,
    url: String,
    choices: Vec<Choice>,
    active: bool,
    problem: Option<Problem>,
}

impl Form {
    fn new(name: &str, url: &str, chosen: &[String], active: bool) -> Self {
        let choice = |e: WebhookEvent| Choice {
            value: e.as_str(),
            words: e.words(),
            chosen: chosen.iter().any(|c| c == e.as_str()),
        };
        Self {
            name: name.to_owned(),
            url: url.to_owned(),
            choices: WebhookEvent::choices().map(choice).collect(),
            active,
            problem: None,
        }
    }

    fn typed(fields: &Fields, problem: Problem) -> Self {
        let chosen = chosen(fields);
        let form =
            Self::new(fields.text("name"), fields.text("url"), &chosen, fields.ticked("active"));
        Self { problem: Some(problem), ..form }
    }

    /// Whether the problem is about this field, so that it is told there; of none: about the rest.
    fn at(&self, field: &str) -> bool {
        let named = self.problem.as_ref().map(|p| p.field.unwrap_or(""));
        let known = ["name", "url", "events"];
        match named {
            None => false,
            Some(named) if field.is_empty() => !known.contains(&named),
            Some(named) => named == field,
        }
    }
}

fn chosen(fields: &Fields) -> Vec<String> {
    fields.all("event").map(str::to_owned).collect()
}

struct Line {
    webhook: WebhookView,
    state: &'static str,
    tone: &'static str,
    events: String,
}

/// How a state is called, and shown.
const fn words(state: &str) -> (&'static str, &'static str) {
    match state.as_bytes() {
        b"switched_off" => ("switched off by itself", "offline"),
        b"off" => ("off", "never"),
        b"failing" => ("failing", "failed"),
        b"well" => ("well", "online"),
        _ => ("nothing sent yet", "late"),
    }
}

fn line(webhook: WebhookView) -> Line {
    let (state, tone) = words(webhook.state);
    let events = match webhook.events.len() {
        n if n == WebhookEvent::choices().count() => "all events".to_owned(),
        _ => webhook.events.join(", "),
    };
    Line { webhook, state, tone, events }
}

#[derive(Template)]
#[template(path = "webhooks.html")]
struct ListPage {
    chrome: Chrome,
    menu: Menu,
    lines: Vec<Line>,
    form: Form,
}

async fn show_list(app: &App, actor: &Actor, form: Form) -> Result<Response, Problem> {
    let status = form.problem.as_ref().map(Problem::status_code);
    let mut response = html(&ListPage {
        chrome: Chrome::of(actor, "servers", "Webhooks"),
        menu: Menu::of(app, actor, "webhooks").await?,
        lines: webhooks::all(app, actor).await?.into_iter().map(line).collect(),
        form,
    })?;
    if let Some(status) = status {
        *response.status_mut() = status;
    }
    Ok(response)
}

/// Every webhook, and the form for one more.
pub async fn list(State(app): State<App>, actor: Actor) -> Result<Response, Problem> {
    let all: Vec<String> = WebhookEvent::choices().map(|e| e.as_str().to_owned()).collect();
    show_list(&app, &actor, Form::new("", "", &all, true)).await
}

/// Makes one, and shows its secret.
pub async fn create(
    State(app): State<App>,
    actor: Actor,
    fields: Fields,
) -> Result<Response, Problem> {
    let body = WebhookBody {
        name: fields.text("name").to_owned(),
        url: fields.text("url").to_owned(),
        events: chosen(&fields),
        active: true,
    };
    match webhooks::add(&app, &actor, &body).await {
        Ok(made) => {
            let said = Said { secret: Some(made.secret), ..Said::default() };
            show_one(&app, &actor, made.webhook.id, said).await
        }
        Err(problem) if problem.status < 500 && problem.status != 403 => {
            let form = Form { active: true, ..Form::typed(&fields, problem) };
            show_list(&app, &actor, form).await
        }
        Err(problem) => Err(problem),
    }
}

struct DeliveryLine {
    delivery: DeliveryView,
    at: When,
    tone: &'static str,
    tried: Option<When>,
    next: Option<When>,
    body: String,
    label: String,
}

fn delivery_line(delivery: DeliveryView) -> DeliveryLine {
    let at = show::when(delivery.created_at);
    DeliveryLine {
        tone: match delivery.state.as_str() {
            "delivered" => "online",
            "failed" => "failed",
            _ => "late",
        },
        tried: delivery.tried_at.map(show::when),
        next: delivery.next_try_at.map(show::when),
        // Taken from the database a moment ago, where it was JSON.
        body: serde_json::to_string_pretty(&delivery.body).unwrap_or_default(),
        label: format!("{} of {}", delivery.event, at.text),
        at,
        delivery,
    }
}

/// What the page says besides what is so.
#[derive(Default)]
struct Said {
    notice: &'static str,
    /// A fresh secret, shown this once.
    secret: Option<String>,
    /// What was typed, and refused.
    form: Option<Form>,
    asked: Query,
}

/// Which deliveries; what was done, from the address after a redirect.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Query {
    state: String,
    cursor: Option<String>,
    done: String,
}

#[derive(Template)]
#[template(path = "webhook.html")]
struct OnePage {
    chrome: Chrome,
    line: Line,
    form: Form,
    said: Said,
    failing: Option<When>,
    success: Option<When>,
    old_secret: Option<When>,
    deliveries: Vec<DeliveryLine>,
    next: String,
}

async fn show_one(app: &App, actor: &Actor, id: Uuid, mut said: Said) -> Result<Response, Problem> {
    let webhook = webhooks::read(app, actor, id).await?;
    let params = DeliveryParams {
        state: Some(said.asked.state.clone()),
        limit: Some(DELIVERIES),
        cursor: said.asked.cursor.clone(),
    };
    let log = webhooks::log(app, actor, id, &params).await?;
    let next = log.next_cursor.map(|c| query(&[("state", &said.asked.state), ("cursor", &c)]));
    let as_it_is = || Form::new(&webhook.name, &webhook.url, &webhook.events, webhook.active);
    let form = said.form.take().unwrap_or_else(as_it_is);
    let status = form.problem.as_ref().map(Problem::status_code);
    let mut response = html(&OnePage {
        chrome: Chrome::of(actor, "servers", format!("Webhook {}", webhook.name)),
        form,
        failing: webhook.failing_since.map(show::when),
        success: webhook.last_success_at.map(show::when),
        old_secret: webhook.old_secret_until.map(show::when),
        line: line(webhook),
        said,
        deliveries: log.items.into_iter().map(delivery_line).collect(),
        next: next.unwrap_or_default(),
    })?;
    if let Some(status) = status {
        *response.status_mut() = status;
    }
    Ok(response)
}

/// One webhook and its log.
pub async fn page(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<Uuid>,
    Params(asked): Params<Query>,
) -> Result<Response, Problem> {
    let notice = match asked.done.as_str() {
        "saved" => "Saved.",
        "test" => "A test is on its way; what comes of it is in the log below in a moment.",
        "again" => "It is on its way again; what comes of it is in the log below in a moment.",
        _ => "",
    };
    show_one(&app, &actor, id, Said { notice, asked, ..Said::default() }).await
}

fn done(id: Uuid, what: &str) -> Response {
    Redirect::to(&format!("/webhooks/{id}?done={what}")).into_response()
}

/// Changes one.
pub async fn modify(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<Uuid>,
    fields: Fields,
) -> Result<Response, Problem> {
    // A form has all fields; what is changed are those that differ.
    let was = webhooks::read(&app, &actor, id).await?;
    let patch = WebhookPatch {
        name: Some(fields.text("name").to_owned()).filter(|name| *name != was.name),
        url: Some(fields.text("url").to_owned()).filter(|url| *url != was.url),
        events: Some(chosen(&fields)).filter(|events| *events != was.events),
        active: Some(fields.ticked("active")).filter(|active| *active != was.active),
    };
    match webhooks::change(&app, &actor, id, &patch).await {
        Ok(_) => Ok(done(id, "saved")),
        Err(problem) if problem.status == 422 => {
            let form = Some(Form::typed(&fields, problem));
            show_one(&app, &actor, id, Said { form, ..Said::default() }).await
        }
        Err(problem) => Err(problem),
    }
}

/// Gives it another secret, and shows it.
pub async fn rotate(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<Uuid>,
) -> Result<Response, Problem> {
    let made = webhooks::renew(&app, &actor, id).await?;
    show_one(&app, &actor, id, Said { secret: Some(made.secret), ..Said::default() }).await
}

/// Sends a test.
pub async fn test(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<Uuid>,
) -> Result<Response, Problem> {
    webhooks::try_out(&app, &actor, id).await?;
    Ok(done(id, "test"))
}

/// Removes one.
pub async fn delete(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<Uuid>,
) -> Result<Response, Problem> {
    webhooks::remove(&app, &actor, id).await?;
    Ok(Redirect::to("/webhooks").into_response())
}

/// Sends a delivery again.
pub async fn send_again(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<Uuid>,
) -> Result<Response, Problem> {
    Ok(done(webhooks::again(&app, &actor, id).await?, "again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_stays_and_its_problem_is_told_where_it_is() {
        let fields = Fields::parse(b"name=Ops&url=x&event=job.stuck&event=batch.failed");
        let problem = Problem::unprocessable("bad_url", "No URL.").field("url");
        let form = Form::typed(&fields, problem);
        assert!(form.at("url") && !form.at("name") && !form.at(""));
        let chosen: Vec<&str> = form.choices.iter().filter(|c| c.chosen).map(|c| c.value).collect();
        assert_eq!(chosen, ["batch.failed", "job.stuck"]);
        let full = Form::typed(&fields, Problem::conflict("too_many_webhooks", "Full."));
        assert!(full.at("") && !full.at("url"));
    }
}
