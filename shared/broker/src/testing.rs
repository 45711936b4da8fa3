//! For tests only: one bare operation at a time, to see what the broker allows a user to do.

use crate::{
    error::reply_code,
    limits::{CHANNEL_TIMEOUT, CLOSE_TIMEOUT},
    wire,
};
use lapin::{
    BasicProperties, Channel, Connection, ExchangeKind,
    options::{
        BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions,
        ExchangeBindOptions, ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions,
        QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions,
    },
    types::FieldTable,
};
use tokio::time::timeout;
use tourbus_config::BrokerConfig;

/// A connection without a supervisor.
pub struct Raw {
    connection: Connection,
}

/// What a user may try.
#[derive(Debug, Clone, Copy)]
pub enum Attempt<'a> {
    /// Declare a classic queue.
    Declare(&'a str),
    /// Look at a queue (passive declare).
    Look(&'a str),
    /// Bind a queue to an exchange, for a key.
    Bind(&'a str, &'a str, &'a str),
    /// Empty a queue.
    Purge(&'a str),
    /// Delete a queue.
    Delete(&'a str),
    /// Declare a direct exchange.
    DeclareExchange(&'a str),
    /// Delete an exchange.
    DeleteExchange(&'a str),
    /// Bind an exchange to another, its source, for every key.
    BindExchange(&'a str, &'a str),
    /// Take one message.
    Get(&'a str),
    /// Begin to consume.
    Consume(&'a str),
    /// Publish to an exchange, with a key, as a user.
    Publish(&'a str, &'a str, &'a str),
}

/// The broker's answer to what is not allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// AMQP reply code: 403 for a missing permission, 406 for a forged `user-id`; 0 if it was
    /// not the broker that failed.
    pub code: u16,
    /// What it says.
    pub text: String,
}

impl Raw {
    /// Connects.
    pub async fn connect(config: &BrokerConfig) -> Result<Self, String> {
        let connected = wire::open(config, "raw").await;
        connected.map(|connection| Self { connection }).map_err(|e| e.to_string())
    }

    /// Tries one operation, on a channel of its own.
    pub async fn attempt(&self, attempt: Attempt<'_>) -> Result<(), Denied> {
        let attempted = timeout(CHANNEL_TIMEOUT, self.run(attempt)).await;
        let late = |_| Err(Denied { code: 0, text: "no answer in time".to_owned() });
        attempted.map_or_else(late, |done| {
            done.map_err(|e| Denied { code: reply_code(&e).unwrap_or(0), text: e.to_string() })
        })
    }

    async fn run(&self, attempt: Attempt<'_>) -> lapin::Result<()> {
        let channel = self.connection.create_channel().await?;
        let none = FieldTable::default;
        match attempt {
            Attempt::Declare(queue) => {
                let options = QueueDeclareOptions { durable: true, ..Default::default() };
                channel.queue_declare(queue.into(), options, none()).await.map(drop)
            }
            Attempt::Look(queue) => {
                let options = QueueDeclareOptions { passive: true, ..Default::default() };
                channel.queue_declare(queue.into(), options, none()).await.map(drop)
            }
            Attempt::Bind(queue, exchange, key) => {
                let options = QueueBindOptions::default();
                channel.queue_bind(queue.into(), exchange.into(), key.into(), options, none()).await
            }
            Attempt::Purge(queue) => {
                channel.queue_purge(queue.into(), QueuePurgeOptions::default()).await.map(drop)
            }
            Attempt::Delete(queue) => {
                channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.map(drop)
            }
            Attempt::DeclareExchange(exchange) => {
                let options = ExchangeDeclareOptions::default();
                let kind = ExchangeKind::Direct;
                channel.exchange_declare(exchange.into(), kind, options, none()).await
            }
            Attempt::DeleteExchange(exchange) => {
                channel.exchange_delete(exchange.into(), ExchangeDeleteOptions::default()).await
            }
            Attempt::BindExchange(exchange, source) => {
                let (to, from) = (exchange.into(), source.into());
                let options = ExchangeBindOptions::default();
                channel.exchange_bind(to, from, "#".into(), options, none()).await
            }
            Attempt::Get(queue) => {
                channel.basic_get(queue.into(), BasicGetOptions::default()).await.map(drop)
            }
            Attempt::Consume(queue) => {
                let options = BasicConsumeOptions::default();
                channel.basic_consume(queue.into(), "raw".into(), options, none()).await.map(drop)
            }
            Attempt::Publish(exchange, key, user) => publish(&channel, exchange, key, user).await,
        }
    }

    /// Closes the connection.
    pub async fn close(self) {
        if timeout(CLOSE_TIMEOUT, self.connection.close(200, "OK".into())).await.is_err() {
            tracing::debug!("a raw connection did not close in time");
        }
    }
}

async fn publish(channel: &Channel, exchange: &str, key: &str, user: &str) -> lapin::Result<()> {
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let properties = BasicProperties::default().with_user_id(user.into());
    let options = BasicPublishOptions::default();
    let sent = channel.basic_publish(exchange.into(), key.into(), options, b"{}", properties);
    sent.await?.await.map(drop)
}
