//! The same request twice gives the same answer and one batch.

use super::{MoveAnswer, MoveRequest, enqueue};
use crate::{Store, StoreError};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

/// Tries of a request whose key's row goes away, or which loses against other transactions.
const TRIES: u32 = 5;

/// What came of a request with an `Idempotency-Key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Once {
    /// Done now.
    Fresh(MoveAnswer),
    /// Done before; this was the answer.
    Replayed(MoveAnswer),
    /// The key was used before for another request.
    Conflict,
}

impl Store {
    /// [`Store::enqueue_moves`], once per account and key: simultaneous repetitions wait for the
    /// first. `request_hash` tells a repetition from another request under the same key. The
    /// request must name an account; the key is 1 to 255 characters.
    pub async fn enqueue_moves_once(
        &self,
        request: &MoveRequest,
        key: &str,
        request_hash: &[u8],
    ) -> Result<Once, StoreError> {
        let invalid = |message: &str| Err(StoreError::Invalid(message.to_owned()));
        let Some(account) = request.by.account_id else {
            return invalid("an Idempotency-Key needs an account");
        };
        if key.is_empty() || key.chars().count() > 255 {
            return invalid("an Idempotency-Key has 1 to 255 characters");
        }
        let mut tries = 1;
        loop {
            match self.once(request, account, key, request_hash).await {
                Ok(Some(once)) => return Ok(once),
                Ok(None) if tries < TRIES => {}
                Ok(None) => return invalid("the Idempotency-Key is being pruned; try again"),
                Err(error @ StoreError::Contention(_)) if tries < TRIES => {
                    tokio::time::sleep(error.pause() * tries).await;
                }
                Err(error) => return Err(error),
            }
            tries += 1;
        }
    }

    /// `None` when the key's row has gone between two looks at it.
    async fn once(
        &self,
        request: &MoveRequest,
        account: Uuid,
        key: &str,
        hash: &[u8],
    ) -> Result<Option<Once>, StoreError> {
        let mut tx = self.begin_enqueue().await?;
        // Waits here for a simultaneous repetition to commit or to fail.
        let ours = sqlx::query(
            "INSERT INTO idempotency_keys (account_id, key, request_hash) VALUES ($1, $2, $3) \
             ON CONFLICT DO NOTHING",
        )
        .bind(account)
        .bind(key)
        .bind(hash)
        .execute(&mut *tx)
        .await?
        .rows_affected()
            == 1;
        if !ours {
            return replay(&mut tx, account, key, hash).await;
        }
        let answer = enqueue(&mut tx, request).await?;
        sqlx::query("UPDATE idempotency_keys SET response = $3 WHERE account_id = $1 AND key = $2")
            .bind(account)
            .bind(key)
            .bind(Json(&answer))
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(Some(Once::Fresh(answer)))
    }
}

async fn replay(
    conn: &mut PgConnection,
    account: Uuid,
    key: &str,
    hash: &[u8],
) -> Result<Option<Once>, StoreError> {
    let row: Option<(Vec<u8>, Option<Json<MoveAnswer>>)> = sqlx::query_as(
        "SELECT request_hash, response FROM idempotency_keys WHERE account_id = $1 AND key = $2",
    )
    .bind(account)
    .bind(key)
    .fetch_optional(conn)
    .await?;
    Ok(match row {
        Some((theirs, _)) if theirs != hash => Some(Once::Conflict),
        Some((_, Some(answer))) => Some(Once::Replayed(answer.0)),
        Some((_, None)) | None => None,
    })
}
