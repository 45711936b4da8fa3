//! One deed: who did what, to what, from where, and what came of it.

use super::Action;
use crate::{Store, StoreError, jobs_core::column};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::{PgConnection, types::Json};
use std::net::IpAddr;
use uuid::Uuid;

/// Longest reason that is kept, in characters.
const REASON_CHARS_MAX: usize = 1000;

/// Who does something, and from where.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct By {
    /// An email address, or the name of a process.
    pub actor: String,
    /// The account, if it is one.
    pub account_id: Option<Uuid>,
    /// The label of the API token that was used.
    pub token: Option<String>,
    /// The client's address, if there is one.
    pub address: Option<IpAddr>,
}

impl By {
    /// A process, or somebody at the command line.
    pub fn named(name: impl Into<String>) -> Self {
        Self { actor: name.into(), ..Self::default() }
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeedResult {
    /// It was done.
    Done,
    /// It was not allowed, or not possible.
    Refused,
    /// It was tried, and something broke.
    Failed,
}

impl DeedResult {
    /// Every result.
    pub const ALL: [Self; 3] = [Self::Done, Self::Refused, Self::Failed];

    /// The stable name, as in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    /// The result of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.as_str() == name)
    }
}

/// A row for the audit log.
#[derive(Debug, Clone)]
pub struct Deed {
    by: By,
    action: Action,
    object: String,
    result: DeedResult,
    reason: String,
    detail: Value,
    times: u32,
    since: Option<DateTime<Utc>>,
}

impl Deed {
    /// It was done. `object` is `noun:id`, such as `account:0192…`; the noun alone where there
    /// is no id.
    pub fn done(by: &By, action: Action, object: impl Into<String>) -> Self {
        Self {
            by: by.clone(),
            action,
            object: object.into(),
            result: DeedResult::Done,
            reason: String::new(),
            detail: json!({}),
            times: 1,
            since: None,
        }
    }

    /// It was not done.
    pub fn not_done(
        by: &By,
        action: Action,
        object: impl Into<String>,
        result: DeedResult,
        reason: impl Into<String>,
    ) -> Self {
        Self { result, ..Self::done(by, action, object) }.reason(reason)
    }

    /// Why: the person's own words, or what stood in the way.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into().chars().take(REASON_CHARS_MAX).collect();
        self
    }

    /// More about it: an object. Never a secret.
    #[must_use]
    pub fn detail(mut self, detail: Value) -> Self {
        self.detail = detail;
        self
    }

    /// The same happened so often since then.
    #[must_use]
    pub const fn times(mut self, times: u32, since: DateTime<Utc>) -> Self {
        self.times = if times == 0 { 1 } else { times };
        self.since = Some(since);
        self
    }
}

impl Store {
    /// Writes deeds into the audit log. What changes rows of its own notes its deed in the same
    /// transaction instead; this is for what was refused or failed, and for what changes none.
    pub async fn record(&self, deeds: &[Deed]) -> Result<(), StoreError> {
        let mut conn = self.pool().acquire().await?;
        record(&mut conn, deeds).await
    }
}

/// Writes deeds within the caller's transaction.
pub(crate) async fn record(conn: &mut PgConnection, deeds: &[Deed]) -> Result<(), StoreError> {
    if deeds.is_empty() {
        return Ok(());
    }
    let deeds: Vec<&Deed> = deeds.iter().collect();
    sqlx::query(
        "INSERT INTO audit_log (actor, account_id, token, address, action, object, result, reason, \
             detail, times, since) \
         SELECT actor, account_id, token, address::inet, action, object, result, reason, detail, \
             times, since \
         FROM UNNEST($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], \
             $7::text[], $8::text[], $9::jsonb[], $10::int[], $11::timestamptz[]) \
             AS u(actor, account_id, token, address, action, object, result, reason, detail, \
                  times, since)",
    )
    .bind(column(&deeds, |d| d.by.actor.as_str()))
    .bind(column(&deeds, |d| d.by.account_id))
    .bind(column(&deeds, |d| d.by.token.as_deref()))
    .bind(column(&deeds, |d| d.by.address.map(|a| a.to_string())))
    .bind(column(&deeds, |d| d.action.as_str()))
    .bind(column(&deeds, |d| d.object.as_str()))
    .bind(column(&deeds, |d| d.result.as_str()))
    .bind(column(&deeds, |d| d.reason.as_str()))
    .bind(column(&deeds, |d| Json(&d.detail)))
    .bind(column(&deeds, |d| i32::try_from(d.times).unwrap_or(i32::MAX)))
    .bind(column(&deeds, |d| d.since))
    .execute(conn)
    .await?;
    Ok(())
}
