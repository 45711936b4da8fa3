//! The master's public keys, and which servers trust them.

use crate::{
    Store, StoreError,
    outbox::{self, NewOrder},
};
use chrono::{DateTime, Utc};
use sqlx::FromRow;
use std::collections::BTreeMap;
use tourbus_domain::{JobId, Lane, Slug, StepKey, StepKind};
use tourbus_protocol::{KeyId, Order};

/// One of the master's keys; its public half.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, FromRow)]
pub struct MasterKeyRow {
    /// Hex.
    pub public_key: String,
    /// `next`, `current` or `old`.
    pub state: String,
    /// When it was made.
    pub made_at: DateTime<Utc>,
    /// When it is dropped, if it is old.
    pub drop_at: Option<DateTime<Utc>>,
}

/// What a server trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTrust {
    /// Which server.
    pub server: Slug,
    /// The keys that every worker heard of within the last minute obeys; none when no worker
    /// was heard of.
    pub trusts: Option<Vec<KeyId>>,
}

impl Store {
    /// What each server trusts that has ever had a worker.
    pub async fn trust_of_servers(&self) -> Result<Vec<ServerTrust>, StoreError> {
        let rows: Vec<(String, Option<Vec<String>>)> = sqlx::query_as(
            "SELECT s.slug, w.trusts FROM servers s LEFT JOIN workers w ON w.server_id = s.id \
                 AND w.last_seen_at > now() - interval '1 minute' \
             WHERE s.last_seen_at IS NOT NULL AND s.deleted_at IS NULL ORDER BY s.slug, w.name",
        )
        .fetch_all(self.pool())
        .await?;
        let mut servers: BTreeMap<String, Option<Vec<String>>> = BTreeMap::new();
        for (slug, worker) in rows {
            let all = servers.entry(slug).or_default();
            *all = match (all.take(), worker) {
                (Some(all), Some(own)) => {
                    Some(all.into_iter().filter(|k| own.contains(k)).collect())
                }
                (all, own) => all.or(own),
            };
        }
        let trust = |(slug, trusts): (String, Option<Vec<String>>)| {
            Ok(ServerTrust {
                server: slug.parse().map_err(|e| StoreError::undecodable("servers", e))?,
                trusts: trusts.map(|ids| ids.into_iter().map(KeyId).collect()),
            })
        };
        servers.into_iter().map(trust).collect()
    }

    /// Owes these servers the announcement of the keys to trust from now on.
    pub async fn announce_master_keys(
        &self,
        servers: &[Slug],
        generation: u64,
        keys: &[String],
    ) -> Result<(), StoreError> {
        let mut tx = self.pool().begin().await?;
        let now = sqlx::query_scalar("SELECT now()").fetch_one(&mut *tx).await?;
        let order = |server: &Slug| NewOrder {
            server: server.clone(),
            lane: Lane::Upkeep,
            // No job's: the order is to the server itself.
            job_id: JobId::new(),
            key: StepKey { kind: StepKind::Export, seq: 0 },
            epoch: 0,
            floor: 0,
            order: Order::TrustV1 { generation, keys: keys.to_vec() },
            run_after: now,
        };
        let orders: Vec<NewOrder> = servers.iter().map(order).collect();
        outbox::owe(&mut tx, &orders).await?;
        tx.commit().await?;
        Ok(())
    }

    /// The master's public keys, the current one first.
    pub async fn master_keys(&self) -> Result<Vec<MasterKeyRow>, StoreError> {
        let rows = sqlx::query_as(
            "SELECT public_key, state, made_at, drop_at FROM master_keys \
             ORDER BY state <> 'current', made_at DESC",
        )
        .fetch_all(self.pool())
        .await?;
        Ok(rows)
    }

    /// Makes these the master's public keys.
    pub async fn set_master_keys(&self, keys: &[MasterKeyRow]) -> Result<(), StoreError> {
        let mut tx = self.pool().begin().await?;
        sqlx::query("LOCK TABLE master_keys IN SHARE ROW EXCLUSIVE MODE").execute(&mut *tx).await?;
        sqlx::query("DELETE FROM master_keys").execute(&mut *tx).await?;
        for key in keys {
            sqlx::query(
                "INSERT INTO master_keys (public_key, state, made_at, drop_at) \
                 VALUES ($1, $2, $3, $4)",
            )
            .bind(&key.public_key)
            .bind(&key.state)
            .bind(key.made_at)
            .bind(key.drop_at)
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }
}
