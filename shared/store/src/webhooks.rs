//! Webhooks: who is told of what happens, what is to be sent to them, and what became of it.

mod deliver;
mod endpoints;
mod log;
pub(crate) mod tell;

pub use deliver::{DueDelivery, Tried, TriedBody};
pub use endpoints::{NewWebhook, WebhookChange, WebhookRow, WebhooksAmiss};
pub use log::{DeliveryQuery, DeliveryRow};
