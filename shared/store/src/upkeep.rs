//! Housekeeping of the database's own leftovers, and what the staging sweep asks.

use crate::{Store, StoreError};
use sqlx::{Postgres, Transaction};
use std::collections::HashMap;
use tourbus_domain::JobId;
use uuid::Uuid;

/// What a pruning removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Idempotency keys older than 24 h.
    pub idempotency_keys: u64,
    /// Sessions that had ended.
    pub sessions: u64,
    /// Workers not heard of for a day.
    pub workers: u64,
    /// Enrolment tokens that were replaced a month ago.
    pub enrolments: u64,
    /// Dead letters that were settled a month ago.
    pub dead_letters: u64,
    /// Batches of plays that nobody delivers again.
    pub play_batches: u64,
}

/// A claim on a piece of housekeeping, held until dropped: other coordinators leave it alone.
#[derive(Debug)]
pub struct Claim {
    tx: Transaction<'static, Postgres>,
}

impl Claim {
    /// Gives it up.
    pub async fn release(self) -> Result<(), StoreError> {
        self.tx.commit().await?;
        Ok(())
    }

    /// Whether the claim still stands: its connection may have been lost meanwhile. Ask at least
    /// every half minute, for an idle transaction is ended by the database.
    pub async fn holds(&mut self) -> bool {
        sqlx::query("SELECT 1").execute(&mut *self.tx).await.is_ok()
    }
}

impl Store {
    /// Removes what has expired.
    pub async fn prune(&self) -> Result<Pruned, StoreError> {
        let run = async |sql: &'static str| -> Result<u64, StoreError> {
            Ok(sqlx::query(sql).execute(self.pool()).await?.rows_affected())
        };
        Ok(Pruned {
            idempotency_keys: run(
                "DELETE FROM idempotency_keys WHERE created_at < now() - interval '24 h'",
            )
            .await?,
            sessions: run("DELETE FROM sessions WHERE expires_at < now()").await?,
            workers: run("DELETE FROM workers WHERE last_seen_at < now() - interval '24 h'")
                .await?,
            dead_letters: run(
                "DELETE FROM dead_letters WHERE settled_at < now() - interval '30 days'",
            )
            .await?,
            // The last one of each server stays: its page tells what became of it.
            play_batches: self.prune_play_batches().await?,
            enrolments: run("DELETE FROM enrolments WHERE voided_at < now() - interval '30 days'")
                .await?,
        })
    }

    /// Claims a piece of housekeeping by name; `None` when somebody else has it.
    pub async fn claim(&self, name: &str) -> Result<Option<Claim>, StoreError> {
        let mut tx = self.pool().begin().await?;
        let got: bool =
            sqlx::query_scalar("SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))")
                .bind(name)
                .fetch_one(&mut *tx)
                .await?;
        Ok(got.then_some(Claim { tx }))
    }

    /// Of these jobs, those that exist, and whether each is final.
    pub async fn jobs_final(&self, ids: &[JobId]) -> Result<HashMap<JobId, bool>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let rows: Vec<(Uuid, bool)> = sqlx::query_as(
            "SELECT id, state IN ('succeeded', 'failed', 'cancelled', 'stuck') FROM jobs \
             WHERE id = ANY($1)",
        )
        .bind(ids)
        .fetch_all(self.pool())
        .await?;
        Ok(rows.into_iter().map(|(id, done)| (JobId(id), done)).collect())
    }
}
