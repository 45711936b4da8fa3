//! Enrolment tokens: each lets one server in, once.

use crate::{Store, StoreError, token_hash};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, types::Json};
use tourbus_domain::ServerId;
use uuid::Uuid;

/// What became of a wish for a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enrolled {
    /// It is valid until then; any earlier one of this server is void.
    Made {
        /// Until when.
        expires_at: DateTime<Utc>,
    },
    /// There is no such server, or no longer.
    NoServer,
    /// The master does not join itself.
    Master,
}

/// Why a server was not let in, for the page; see the columns of `enrolments`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Stable name.
    pub code: String,
    /// What was wrong.
    pub detail: String,
    /// How to mend it.
    pub remedy: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// The token of a server that is not void; the token itself is not kept.
#[derive(Debug, Clone, FromRow)]
pub struct EnrolmentRow {
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Until when it may be used.
    pub expires_at: DateTime<Utc>,
    /// Whether that is over, on the database's clock.
    pub expired: bool,
    /// When it was used.
    pub used_at: Option<DateTime<Utc>>,
    /// Why it was refused the last time.
    pub refusal: Option<Json<Refusal>>,
}

impl Store {
    /// Makes a token, which the caller has drawn at random, valid for `ttl_s` seconds, and voids
    /// earlier ones. Only its hash is kept.
    pub async fn enrol(
        &self,
        server: ServerId,
        token: &str,
        ttl_s: u32,
        by: &str,
    ) -> Result<Enrolled, StoreError> {
        let mut tx = self.pool().begin().await?;
        // Two at once would both see no other token.
        let found: Option<bool> = sqlx::query_scalar(
            "SELECT is_master FROM servers WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE",
        )
        .bind(server.0)
        .fetch_optional(&mut *tx)
        .await?;
        match found {
            None => return Ok(Enrolled::NoServer),
            Some(true) => return Ok(Enrolled::Master),
            Some(false) => {}
        }
        sqlx::query(
            "UPDATE enrolments SET voided_at = now() WHERE server_id = $1 AND voided_at IS NULL",
        )
        .bind(server.0)
        .execute(&mut *tx)
        .await?;
        let expires_at = sqlx::query_scalar(
            "INSERT INTO enrolments (token_hash, server_id, created_by, expires_at)
             VALUES ($1, $2, $3, now() + make_interval(secs => $4)) RETURNING expires_at",
        )
        .bind(token_hash(token).as_slice())
        .bind(server.0)
        .bind(by)
        .bind(f64::from(ttl_s))
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Enrolled::Made { expires_at })
    }

    /// The server's token that is not void.
    pub async fn enrolment(&self, server: ServerId) -> Result<Option<EnrolmentRow>, StoreError> {
        Ok(sqlx::query_as(
            "SELECT created_by, created_at, expires_at, expires_at <= now() AS expired, used_at,
                    refusal
             FROM enrolments WHERE server_id = $1 AND voided_at IS NULL",
        )
        .bind(server.0)
        .fetch_optional(self.pool())
        .await?)
    }

    /// Keeps for the page why this token was refused. Returns the server that it is for, if it is
    /// known at all.
    pub async fn note_refusal(
        &self,
        token: &str,
        refusal: &Refusal,
    ) -> Result<Option<ServerId>, StoreError> {
        let id: Option<Uuid> = sqlx::query_scalar(
            "UPDATE enrolments SET refusal = $2 WHERE token_hash = $1 RETURNING server_id",
        )
        .bind(token_hash(token).as_slice())
        .bind(Json(refusal))
        .fetch_optional(self.pool())
        .await?;
        Ok(id.map(ServerId))
    }
}
