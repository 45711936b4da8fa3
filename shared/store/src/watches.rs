//! What is looked at without anybody asking: whether servers report, and how plays are spread.

use crate::{
    Action, By, Deed, Store, StoreError, audit,
    webhooks::tell::{self, News},
};
use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::FromRow;
use tourbus_domain::{ServerId, WebhookEvent};
use uuid::Uuid;

/// Looks in a row that must find the cluster out of balance before people are told.
pub const OUT_RUNS_TOLD: i32 = 2;

/// How often the balance is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchEvery {
    /// Never by itself.
    Off,
    /// Once an hour.
    Hourly,
    /// Once a day.
    Daily,
}

impl WatchEvery {
    /// Every choice.
    pub const ALL: [Self; 3] = [Self::Off, Self::Hourly, Self::Daily];

    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Hourly => "hourly",
            Self::Daily => "daily",
        }
    }

    /// The choice of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|e| e.as_str() == name)
    }
}

/// The watch over the balance, and what it found last.
#[derive(Debug, Clone, FromRow)]
pub struct BalanceWatchRow {
    /// `off`, `hourly` or `daily`.
    pub every: String,
    /// How far a server may be from its share, as a part of that share.
    pub tolerance: f64,
    /// Whether somebody wants it to look now.
    pub wanted: bool,
    /// When it last looked.
    pub run_at: Option<DateTime<Utc>>,
    /// The server that was the furthest from its share then.
    pub worst_server_id: Option<Uuid>,
    /// What people call it.
    pub worst_server: Option<String>,
    /// How far, as a part of its share; negative below it.
    pub worst_off: Option<f64>,
    /// Looks in a row that found the cluster out of balance.
    pub out_runs: i32,
    /// Since when people have been told so.
    pub alert_since: Option<DateTime<Utc>>,
    /// Whether it should have looked, for twice as long as it may take.
    pub silent: bool,
    /// Whether it is to look now.
    pub due: bool,
}

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BalanceLook {
    /// Whether every server is within the tolerance.
    pub balanced: bool,
    /// The server that is the furthest from its share, and how far, as a part of it.
    pub worst: Option<(ServerId, f64)>,
}

const WATCH: &str = "WITH watch AS (SELECT *, CASE every WHEN 'hourly' THEN interval '1 hour' \
         WHEN 'daily' THEN interval '1 day' END AS period FROM balance_watch) \
     SELECT w.every, w.tolerance, w.wanted, w.run_at, w.worst_server_id, s.name AS worst_server, \
         w.worst_off, w.out_runs, w.alert_since, \
         coalesce(greatest(w.run_at, w.set_at) < now() - 2 * w.period, false) AS silent, \
         w.wanted OR coalesce(w.run_at IS NULL OR w.run_at < now() - w.period, false) \
             AND w.period IS NOT NULL AS due \
     FROM watch w LEFT JOIN servers s ON s.id = w.worst_server_id";

impl Store {
    /// The watch over the balance as it stands.
    pub async fn balance_watch(&self) -> Result<BalanceWatchRow, StoreError> {
        Ok(sqlx::query_as(WATCH).fetch_one(self.pool()).await?)
    }

    /// Changes how it watches; what is none stays. What it has found under another tolerance
    /// counts no more.
    pub async fn change_balance_watch(
        &self,
        by: &By,
        every: Option<WatchEvery>,
        tolerance: Option<f64>,
    ) -> Result<(), StoreError> {
        let mut tx = self.pool().begin().await?;
        let changed: Option<(String, f64)> = sqlx::query_as(
            "UPDATE balance_watch SET every = coalesce($1, every), \
                 tolerance = coalesce($2, tolerance), set_at = now(), out_runs = 0, \
                 alert_since = NULL, silent_told_at = NULL \
             WHERE every <> coalesce($1, every) OR tolerance <> coalesce($2, tolerance) \
             RETURNING every, tolerance",
        )
        .bind(every.map(WatchEvery::as_str))
        .bind(tolerance)
        .fetch_optional(&mut *tx)
        .await?;
        let Some((every, tolerance)) = changed else { return Ok(()) };
        let detail = json!({ "balance_watch": every, "tolerance": tolerance });
        let deed = Deed::done(by, Action::SettingsModify, "settings").detail(detail);
        audit::record(&mut tx, &[deed]).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Wants the watch to look at the balance now.
    pub async fn want_balance_look(&self, by: &By) -> Result<(), StoreError> {
        let mut tx = self.pool().begin().await?;
        sqlx::query("UPDATE balance_watch SET wanted = true").execute(&mut *tx).await?;
        audit::record(&mut tx, &[Deed::done(by, Action::BalanceLook, "balance")]).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Keeps what a look found, and tells people when it is the second in a row that found the
    /// cluster out of balance. Whether they were told now.
    pub async fn keep_balance_look(&self, look: &BalanceLook) -> Result<bool, StoreError> {
        let mut tx = self.pool().begin().await?;
        let (out_runs, told, tolerance): (i32, bool, f64) = sqlx::query_as(
            "UPDATE balance_watch SET run_at = now(), wanted = false, silent_told_at = NULL, \
                 worst_server_id = $2, worst_off = $3, \
                 out_runs = CASE WHEN $1 THEN 0 ELSE least(out_runs, 1000000) + 1 END, \
                 alert_since = CASE WHEN NOT $1 THEN alert_since END \
             RETURNING out_runs, alert_since IS NOT NULL, tolerance",
        )
        .bind(look.balanced)
        .bind(look.worst.map(|(server, _)| server.0))
        .bind(look.worst.map(|(_, off)| off))
        .fetch_one(&mut *tx)
        .await?;
        let tell = out_runs >= OUT_RUNS_TOLD && !told;
        if tell {
            sqlx::query("UPDATE balance_watch SET alert_since = now()").execute(&mut *tx).await?;
            let worst = look.worst.map(|(server, _)| server.0);
            let name: Option<String> = sqlx::query_scalar("SELECT name FROM servers WHERE id = $1")
                .bind(worst)
                .fetch_optional(&mut *tx)
                .await?;
            let data = json!({
                "tolerance": tolerance, "worst_server_id": worst, "worst_server": name,
                "worst_off": look.worst.map(|(_, off)| off),
            });
            tell::all(&mut tx, &[News::new(WebhookEvent::OutOfBalance, data, "/balance")]).await?;
        }
        tx.commit().await?;
        Ok(tell)
    }

    /// Tells people, once, if the watch over the balance has not run for twice its time. Whether
    /// they were told now.
    pub async fn tell_silent_watch(&self) -> Result<bool, StoreError> {
        let mut tx = self.pool().begin().await?;
        let watch: BalanceWatchRow = sqlx::query_as(WATCH).fetch_one(&mut *tx).await?;
        if !watch.silent {
            return Ok(false);
        }
        let marked = sqlx::query(
            "UPDATE balance_watch SET silent_told_at = now() WHERE silent_told_at IS NULL",
        )
        .execute(&mut *tx)
        .await?;
        if marked.rows_affected() == 0 {
            return Ok(false);
        }
        let data = json!({ "every": watch.every, "last_run_at": watch.run_at });
        tell::all(&mut tx, &[News::new(WebhookEvent::WatchSilent, data, "/balance")]).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Tells people which servers have fallen silent for `offline_after_s` seconds, and which are
    /// back. How many of both.
    pub async fn tell_silent_servers(&self, offline_after_s: u32) -> Result<u64, StoreError> {
        let mut tx = self.pool().begin().await?;
        let rows: Vec<(Uuid, String, String, DateTime<Utc>, bool)> = sqlx::query_as(
            "WITH turned AS ( \
                 SELECT id, last_seen_at < now() - make_interval(secs => $1) AS silent \
                 FROM servers WHERE deleted_at IS NULL AND last_seen_at IS NOT NULL \
                     AND (last_seen_at < now() - make_interval(secs => $1)) \
                         <> (offline_told_at IS NOT NULL) \
                 ORDER BY id FOR NO KEY UPDATE SKIP LOCKED) \
             UPDATE servers s SET offline_told_at = CASE WHEN t.silent THEN now() END \
             FROM turned t WHERE s.id = t.id \
             RETURNING s.id, s.slug, s.name, s.last_seen_at, t.silent",
        )
        .bind(f64::from(offline_after_s))
        .fetch_all(&mut *tx)
        .await?;
        let news = rows.iter().map(|(id, slug, name, seen, silent)| {
            let event =
                if *silent { WebhookEvent::ServerOffline } else { WebhookEvent::ServerOnline };
            let data = json!({
                "server_id": id, "slug": slug, "server": name, "last_seen_at": seen,
            });
            News::new(event, data, format!("/servers/{id}"))
        });
        tell::all(&mut tx, &news.collect::<Vec<_>>()).await?;
        tx.commit().await?;
        Ok(rows.len() as u64)
    }
}
