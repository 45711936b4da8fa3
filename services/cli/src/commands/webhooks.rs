//! `tourbus webhooks`.

use super::more;
use crate::{
    Ended,
    args::{AddWebhook, Deliveries, EditWebhook, WebhooksAction},
    client,
    error::CliError,
    screen::{self, Screen},
    table::{Cell, Column, Table, Tone},
    view::{Delivery, Page, Webhook},
    when,
};
use serde_json::{Value, json};
use std::time::Duration;
use tourbus_domain::WebhookEvent;
use uuid::Uuid;

/// How often it is looked what came of a test, and how many times.
const TEST_LOOK_EVERY: Duration = Duration::from_millis(500);
const TEST_LOOKS_MAX: u32 = 60;

/// Does it.
pub async fn run(screen: &Screen, action: WebhooksAction) -> Result<Ended, CliError> {
    match action {
        WebhooksAction::List(_) => {
            let value = screen.api.get("/webhooks").await?;
            screen
                .answer(value, |v| Ok(table(screen, &client::read::<Page<Webhook>>(v)?.items)))?;
        }
        WebhooksAction::Add(asked) => add(screen, asked).await?,
        WebhooksAction::Edit(asked) => edit(screen, asked).await?,
        WebhooksAction::Rotate(one) => {
            let webhook = find(screen, &one.named).await?;
            let path = format!("/webhooks/{}/rotate", webhook.id);
            let value = screen.api.post(&path, &Value::Null).await?;
            secret(screen, value)?;
        }
        WebhooksAction::Remove(asked) => {
            let webhook = find(screen, &asked.webhook.named).await?;
            let question = format!("Remove the webhook {} with its log?", webhook.name);
            screen::ask(&question, asked.sure.yes)?;
            let value = screen.api.delete(&format!("/webhooks/{}", webhook.id)).await?;
            screen.answer(value, |_| Ok(format!("{} is told no more.\n", webhook.name)))?;
        }
        WebhooksAction::Test(one) => {
            let webhook = find(screen, &one.named).await?;
            return test(screen, &webhook).await;
        }
        WebhooksAction::Deliveries(asked) => deliveries(screen, asked).await?,
        WebhooksAction::SendAgain(one) => {
            let path = format!("/webhooks/deliveries/{}/send-again", one.id);
            let value = screen.api.post(&path, &Value::Null).await?;
            screen.answer(value, |_| Ok(format!("Delivery {} is on its way again.\n", one.id)))?;
        }
    }
    Ok(Ended::Well)
}

/// By name, or by id.
async fn find(screen: &Screen, named: &str) -> Result<Webhook, CliError> {
    let all = screen.api.get_as::<Page<Webhook>>("/webhooks").await?.items;
    let id = Uuid::parse_str(named).ok();
    let mut found: Vec<Webhook> =
        all.into_iter().filter(|w| w.name == named || Some(w.id) == id).collect();
    match (found.pop(), found.is_empty()) {
        (Some(webhook), true) => Ok(webhook),
        (Some(_), false) => Err(CliError::Failed(format!(
            "more than one webhook is called {named:?}: name it by its id (--json shows it)"
        ))),
        (None, _) => Err(CliError::Failed(format!(
            "there is no webhook {named:?}; `tourbus webhooks` shows them"
        ))),
    }
}

fn table(screen: &Screen, webhooks: &[Webhook]) -> String {
    let mut table = Table::new(&[
        Column::Left("NAME"),
        Column::Left("STATE"),
        Column::Left("URL"),
        Column::Left("LAST ARRIVED"),
        Column::Right("WAIT"),
        Column::Left("EVENTS"),
    ]);
    for webhook in webhooks {
        let tone = match webhook.state.as_str() {
            "well" => Tone::Good,
            "failing" | "switched_off" => Tone::Bad,
            "off" => Tone::Faint,
            _ => Tone::Plain,
        };
        table.row([
            Cell::from(&webhook.name),
            Cell::toned(&webhook.state, tone),
            Cell::from(&webhook.url),
            webhook.last_success_at.map_or_else(|| "never".to_owned(), when::ago).into(),
            webhook.waiting.to_string().into(),
            webhook.events.join(",").into(),
        ]);
    }
    table.show(screen.paint)
}

/// Prints a secret alone, so that a script can take it; what is to be done with it beside that.
fn secret(screen: &Screen, value: Value) -> Result<(), CliError> {
    screen.beside("The secret that signs; it is shown this once:");
    screen.answer(value, |v| {
        let secret = v["secret"].as_str().unwrap_or_default();
        Ok(format!("{}\n", crate::text::line(secret)))
    })
}

async fn add(screen: &Screen, asked: AddWebhook) -> Result<(), CliError> {
    let all = || WebhookEvent::choices().map(|e| e.as_str().to_owned()).collect();
    let events = if asked.events.is_empty() { all() } else { asked.events };
    let body =
        json!({ "name": asked.name, "url": asked.to, "events": events, "active": !asked.off });
    let value = screen.api.post("/webhooks", &body).await?;
    secret(screen, value)
}

async fn edit(screen: &Screen, asked: EditWebhook) -> Result<(), CliError> {
    let mut change = serde_json::Map::new();
    for (field, value) in [("name", asked.rename), ("url", asked.to)] {
        if let Some(value) = value {
            change.insert(field.to_owned(), json!(value));
        }
    }
    if !asked.events.is_empty() {
        change.insert("events".to_owned(), json!(asked.events));
    }
    if asked.on || asked.off {
        change.insert("active".to_owned(), json!(asked.on));
    }
    if change.is_empty() {
        return Err(CliError::Usage("say what is to change: see --help".to_owned()));
    }
    let webhook = find(screen, &asked.webhook.named).await?;
    let path = format!("/webhooks/{}", webhook.id);
    let value = screen.api.patch(&path, &Value::Object(change)).await?;
    screen.answer(value, |v| Ok(table(screen, &[client::read(v)?])))
}

/// Sends a test, and waits for its first try.
async fn test(screen: &Screen, webhook: &Webhook) -> Result<Ended, CliError> {
    let sent = screen.api.post(&format!("/webhooks/{}/test", webhook.id), &Value::Null).await?;
    let id: Uuid = client::read(sent["delivery_id"].clone())?;
    let path = format!("/webhooks/{}/deliveries?limit=100", webhook.id);
    for _ in 0..TEST_LOOKS_MAX {
        tokio::time::sleep(TEST_LOOK_EVERY).await;
        let value = screen.api.get(&path).await?;
        let items = value["items"].as_array();
        let found = items.into_iter().flatten().find(|d| d["id"] == json!(id));
        let Some(found) = found else { continue };
        let delivery: Delivery = client::read(found.clone())?;
        if delivery.state == "pending" && delivery.error.is_none() {
            continue;
        }
        let arrived = delivery.state == "delivered";
        screen.answer(found.clone(), |_| Ok(told(&delivery)))?;
        return Ok(Ended::well_if(arrived));
    }
    Err(CliError::Failed("the coordinator has not tried it yet: does it run?".to_owned()))
}

fn told(delivery: &Delivery) -> String {
    match (&delivery.error, delivery.status) {
        (Some(why), _) => format!("It did not arrive: {}.\n", crate::text::line(why)),
        (None, Some(status)) => {
            format!("It arrived: {status}, {} ms.\n", delivery.latency_ms.unwrap_or_default())
        }
        (None, None) => "It arrived.\n".to_owned(),
    }
}

async fn deliveries(screen: &Screen, asked: Deliveries) -> Result<(), CliError> {
    let webhook = find(screen, &asked.webhook.named).await?;
    let path = format!("/webhooks/{}/deliveries", webhook.id);
    let value = screen.api.list(&path, &[("state", asked.state)], asked.extent).await?;
    more(screen, &value);
    screen.answer(value, |v| {
        let mut table = Table::new(&[
            Column::Left("ID"),
            Column::Left("HAPPENED"),
            Column::Left("EVENT"),
            Column::Left("STATE"),
            Column::Right("TRIES"),
            Column::Right("STATUS"),
            Column::Right("MS"),
            Column::Left("NEXT TRY"),
            Column::Left("WHY NOT"),
        ]);
        let number = |n: Option<i64>| n.map_or_else(|| "-".to_owned(), |n| n.to_string());
        for one in client::read::<Page<Delivery>>(v)?.items {
            let tone = match one.state.as_str() {
                "delivered" => Tone::Good,
                "failed" => Tone::Bad,
                _ => Tone::Busy,
            };
            table.row([
                one.id.to_string().into(),
                when::ago(one.created_at).into(),
                Cell::from(&one.event),
                Cell::toned(&one.state, tone),
                one.tries.to_string().into(),
                number(one.status).into(),
                number(one.latency_ms).into(),
                one.next_try_at.map_or_else(|| "-".to_owned(), when::local).into(),
                one.error.as_deref().unwrap_or("-").into(),
            ]);
        }
        Ok(table.show(screen.paint))
    })
}
