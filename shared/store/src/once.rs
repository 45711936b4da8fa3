//! The same request twice gives the same answer: what every route with an `Idempotency-Key` shares.

use crate::StoreError;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

/// Whose a key is.
pub(crate) enum Claimed<T> {
    /// Ours: do it, then [`keep`] the answer in the same transaction.
    Ours,
    /// The request was made before; this was the answer.
    Before(T),
    /// The key was used before for another request.
    Conflict,
    /// The key's row has gone between two looks at it: try again.
    Gone,
}

/// Claims a key. Waits here for a simultaneous repetition to commit or to fail. `hash` tells a
/// repetition from another request under the same key.
pub(crate) async fn claim<T: DeserializeOwned>(
    conn: &mut PgConnection,
    account: Uuid,
    key: &str,
    hash: &[u8],
) -> Result<Claimed<T>, StoreError> {
    let ours = sqlx::query(
        "INSERT INTO idempotency_keys (account_id, key, request_hash) VALUES ($1, $2, $3) \
         ON CONFLICT DO NOTHING",
    )
    .bind(account)
    .bind(key)
    .bind(hash)
    .execute(&mut *conn)
    .await?;
    if ours.rows_affected() == 1 {
        return Ok(Claimed::Ours);
    }
    let row: Option<(Vec<u8>, Option<Json<Value>>)> = sqlx::query_as(
        "SELECT request_hash, response FROM idempotency_keys WHERE account_id = $1 AND key = $2",
    )
    .bind(account)
    .bind(key)
    .fetch_optional(conn)
    .await?;
    Ok(match row {
        Some((theirs, _)) if theirs != hash => Claimed::Conflict,
        Some((_, Some(answer))) => Claimed::Before(
            serde_json::from_value(answer.0)
                .map_err(|e| StoreError::undecodable("idempotency_keys", e.to_string()))?,
        ),
        Some((_, None)) | None => Claimed::Gone,
    })
}

/// Keeps the answer with its key.
pub(crate) async fn keep(
    conn: &mut PgConnection,
    account: Uuid,
    key: &str,
    answer: &(impl Serialize + Sync),
) -> Result<(), StoreError> {
    sqlx::query("UPDATE idempotency_keys SET response = $3 WHERE account_id = $1 AND key = $2")
        .bind(account)
        .bind(key)
        .bind(Json(answer))
        .execute(conn)
        .await?;
    Ok(())
}

/// The key's row was gone each time.
pub(crate) fn gone() -> StoreError {
    StoreError::Invalid("the Idempotency-Key is being pruned; try again".to_owned())
}
