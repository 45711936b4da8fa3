//! Webhooks.

use super::{Access, Extent, Listing, Plain, Sure};
use clap::{Args as ClapArgs, Subcommand};
use uuid::Uuid;

/// `tourbus webhooks`.
#[derive(Debug, ClapArgs)]
pub struct Webhooks {
    #[command(flatten)]
    pub access: Access,
    #[command(flatten)]
    pub what: Listing<Plain, WebhooksAction>,
}

#[derive(Debug, Subcommand)]
pub enum WebhooksAction {
    /// Who is told of what happens
    List(Plain),
    /// Tell one more; prints its secret, once
    Add(AddWebhook),
    /// Change one
    Edit(EditWebhook),
    /// Give one a new secret; prints it, once. For a day the old one signs too
    Rotate(OneWebhook),
    /// Remove one, with its log
    Remove(RemoveWebhook),
    /// Send a test, and wait for what comes of it
    Test(OneWebhook),
    /// What was sent to one in the last 30 days, the newest first
    Deliveries(Deliveries),
    /// Send a delivery again
    SendAgain(OneDelivery),
}

impl From<Plain> for WebhooksAction {
    fn from(list: Plain) -> Self {
        Self::List(list)
    }
}

#[derive(Debug, ClapArgs)]
pub struct AddWebhook {
    /// What people call it
    #[arg(long, value_name = "NAME")]
    pub name: String,
    /// Where it is told, such as `https://hooks.example.org/tourbus`
    #[arg(long, value_name = "URL")]
    pub to: String,
    /// Only these events, such as batch.failed,job.stuck; all by default
    #[arg(long, value_name = "EVENTS", value_delimiter = ',')]
    pub events: Vec<String>,
    /// Not told before `webhooks edit --on`
    #[arg(long)]
    pub off: bool,
}

#[derive(Debug, ClapArgs)]
pub struct EditWebhook {
    #[command(flatten)]
    pub webhook: OneWebhook,
    /// What people call it
    #[arg(long, value_name = "NAME")]
    pub rename: Option<String>,
    /// Where it is told
    #[arg(long, value_name = "URL")]
    pub to: Option<String>,
    /// These events from now on
    #[arg(long, value_name = "EVENTS", value_delimiter = ',')]
    pub events: Vec<String>,
    /// Switch it on
    #[arg(long)]
    pub on: bool,
    /// Switch it off
    #[arg(long, conflicts_with = "on")]
    pub off: bool,
}

#[derive(Debug, ClapArgs)]
pub struct OneWebhook {
    /// Its name, or its id
    #[arg(value_name = "WEBHOOK")]
    pub named: String,
}

#[derive(Debug, ClapArgs)]
pub struct RemoveWebhook {
    #[command(flatten)]
    pub webhook: OneWebhook,
    #[command(flatten)]
    pub sure: Sure,
}

#[derive(Debug, ClapArgs)]
pub struct Deliveries {
    #[command(flatten)]
    pub webhook: OneWebhook,
    /// Only those that are `pending`, `delivered` or `failed`
    #[arg(long, value_name = "STATE")]
    pub state: Option<String>,
    #[command(flatten)]
    pub extent: Extent,
}

#[derive(Debug, ClapArgs)]
pub struct OneDelivery {
    /// The delivery, as `webhooks deliveries` names it
    #[arg(value_name = "ID")]
    pub id: Uuid,
}
