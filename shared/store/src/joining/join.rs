//! Letting a server in: one transaction from the look at the token to the key that is kept.

use super::checks::CHANNEL;
use crate::{Store, StoreError, token_hash};
use chrono::{DateTime, Utc};
use sqlx::{FromRow, Postgres, Transaction};
use tourbus_domain::ServerId;
use tourbus_protocol::agent::Identity;
use uuid::Uuid;

/// Why a token lets nobody in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JoinRefused {
    /// Nobody made it.
    Unknown,
    /// Its time is over.
    Expired {
        /// Since when.
        at: DateTime<Utc>,
    },
    /// Another key has used it.
    Used {
        /// When.
        at: DateTime<Utc>,
    },
    /// A newer one was made for the same server.
    Replaced,
    /// Its server was deleted.
    Deleted {
        /// The server's name.
        server: String,
    },
}

/// What a token is good for.
#[derive(Debug)]
pub enum JoinStart {
    /// The server may be let in: prepare the broker, then [`Joining::finish`].
    Ready(Box<Joining>),
    /// It may not.
    Refused(JoinRefused),
}

/// A server that is being let in. Dropped unfinished, it has changed nothing.
#[derive(Debug)]
pub struct Joining {
    tx: Transaction<'static, Postgres>,
    token_hash: [u8; 32],
    public_key: String,
    /// Who it will be.
    pub server: Identity,
    /// Whether it has never joined before.
    pub first: bool,
}

// The flags are what the rows say, independent of one another.
#[allow(clippy::struct_excessive_bools)]
#[derive(FromRow)]
struct Found {
    id: Uuid,
    slug: String,
    name: String,
    ip: String,
    url: String,
    deleted: bool,
    expires_at: DateTime<Utc>,
    expired: bool,
    voided: bool,
    used_at: Option<DateTime<Utc>>,
    public_key: Option<String>,
    first: bool,
}

impl Found {
    /// The same key may ask again while the token lives: its answer may have been lost.
    fn refusal(&self, public_key: &str) -> Option<JoinRefused> {
        if self.deleted {
            return Some(JoinRefused::Deleted { server: self.name.clone() });
        }
        if let Some(at) = self.used_at
            && self.public_key.as_deref() != Some(public_key)
        {
            return Some(JoinRefused::Used { at });
        }
        if self.voided {
            return Some(JoinRefused::Replaced);
        }
        self.expired.then_some(JoinRefused::Expired { at: self.expires_at })
    }
}

impl Store {
    /// Looks at a token and locks it until the end of the joining.
    pub async fn begin_join(&self, token: &str, public_key: &str) -> Result<JoinStart, StoreError> {
        let token_hash = token_hash(token);
        let mut tx = self.pool().begin().await?;
        let found: Option<Found> = sqlx::query_as(
            "SELECT s.id, s.slug, s.name, host(s.ip) AS ip, s.url,
                    s.deleted_at IS NOT NULL AS deleted, e.expires_at,
                    e.expires_at <= now() AS expired, e.voided_at IS NOT NULL AS voided,
                    e.used_at, e.public_key,
                    s.broker_password_hash IS NULL AND s.public_key IS NULL AS first
             FROM enrolments e JOIN servers s ON s.id = e.server_id
             WHERE e.token_hash = $1 FOR UPDATE OF e",
        )
        .bind(token_hash.as_slice())
        .fetch_optional(&mut *tx)
        .await?;
        let Some(found) = found else { return Ok(JoinStart::Refused(JoinRefused::Unknown)) };
        if let Some(refused) = found.refusal(public_key) {
            return Ok(JoinStart::Refused(refused));
        }
        let slug = found.slug.parse().map_err(|e| StoreError::undecodable("servers", e))?;
        let Found { id, name, ip, url, first, .. } = found;
        let server = Identity { id: ServerId(id), slug, name, ip, url };
        let public_key = public_key.to_owned();
        Ok(JoinStart::Ready(Box::new(Joining { tx, token_hash, public_key, server, first })))
    }

    /// Keeps a server's key that was not made by joining: the local stack hands keys out itself.
    pub async fn set_server_key(
        &self,
        server: ServerId,
        public_key: &str,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE servers SET public_key = $2, joined_at = coalesce(joined_at, now())
             WHERE id = $1",
        )
        .bind(server.0)
        .bind(public_key)
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// Servers that have joined, each with `RabbitMQ`'s hash of its password.
    pub async fn joined_servers(&self) -> Result<Vec<(tourbus_domain::Slug, String)>, StoreError> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT slug, broker_password_hash FROM servers
             WHERE deleted_at IS NULL AND broker_password_hash IS NOT NULL ORDER BY slug",
        )
        .fetch_all(self.pool())
        .await?;
        let parse = |(slug, hash): (String, String)| {
            Ok((slug.parse().map_err(|e| StoreError::undecodable("servers", e))?, hash))
        };
        rows.into_iter().map(parse).collect()
    }
}

impl Joining {
    /// Keeps the server's key and its broker password's hash, and marks the token used. False
    /// when the server was deleted meanwhile: then nothing was kept, and the broker must be
    /// cleared again. Its checks begin anew.
    pub async fn finish(mut self, broker_password_hash: &str) -> Result<bool, StoreError> {
        let id = self.server.id.0;
        let kept = sqlx::query(
            "UPDATE servers SET public_key = $2, joined_at = now(), broker_password_hash = $3,
                 agent_seq = CASE WHEN public_key IS DISTINCT FROM $2 THEN 0 ELSE agent_seq END,
                 checks_wanted_at = clock_timestamp()
             WHERE id = $1 AND deleted_at IS NULL",
        )
        .bind(id)
        .bind(&self.public_key)
        .bind(broker_password_hash)
        .execute(&mut *self.tx)
        .await?;
        if kept.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query(
            "UPDATE enrolments SET used_at = coalesce(used_at, now()), public_key = $2,
                 refusal = NULL WHERE token_hash = $1",
        )
        .bind(self.token_hash.as_slice())
        .bind(&self.public_key)
        .execute(&mut *self.tx)
        .await?;
        sqlx::query("SELECT pg_notify($1, $2)")
            .bind(CHANNEL)
            .bind(id.to_string())
            .execute(&mut *self.tx)
            .await?;
        self.tx.commit().await?;
        Ok(true)
    }
}
