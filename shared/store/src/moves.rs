//! Queuing moves: the one way in.

mod admit;
mod balance;
mod once;
mod write;

pub(crate) use admit::{ServerLook, Verdict, admitted, look_at_servers, room_of};
pub use balance::{AssignedMoves, BalanceGround};
pub use once::Once;
pub(crate) use write::{Wish, all as write};

use crate::{By, Store, StoreError, tries::Tries};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, Postgres, Transaction};
use tourbus_domain::{ArtistId, BatchId, Refusal, ServerId};

/// What somebody asks for.
#[derive(Debug, Clone)]
pub struct MoveRequest {
    /// Who asks.
    pub by: By,
    /// Whom to move, first come first served where room is short. Repeated ids count once.
    pub artist_ids: Vec<ArtistId>,
    /// Where to.
    pub target: ServerId,
    /// Why, for people to read; may be empty.
    pub reason: String,
    /// On the express lane, before everything queued.
    pub express: bool,
    /// Answer, but change nothing.
    pub dry_run: bool,
    /// Disk that admission leaves free on the target, in bytes.
    pub disk_reserve_bytes: u64,
    /// A server whose workers have been silent this long is offline, in seconds.
    pub offline_after_s: u32,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveAnswer {
    /// The batch; none for a dry run, and when nothing was accepted.
    pub batch_id: Option<BatchId>,
    /// Artists that are (or, in a dry run, would be) queued.
    pub accepted: u64,
    /// The others, in the order of the request, each with the reason.
    pub refused: Vec<(ArtistId, Refusal)>,
}

impl Store {
    /// Queues a move for every artist that can be moved, and refuses the others, in one
    /// transaction.
    pub async fn enqueue_moves(&self, request: &MoveRequest) -> Result<MoveAnswer, StoreError> {
        let mut tries = Tries::of_request();
        loop {
            match self.enqueue_moves_now(request).await {
                Err(error) => tries.again(error).await?,
                done => return done,
            }
        }
    }

    async fn enqueue_moves_now(&self, request: &MoveRequest) -> Result<MoveAnswer, StoreError> {
        let mut tx = self.begin_enqueue().await?;
        let answer = enqueue(&mut tx, request).await?;
        tx.commit().await?;
        Ok(answer)
    }

    /// Begins a transaction that writes many rows at once: a plan made for few would crawl.
    async fn begin_enqueue(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        Ok(self.pool().begin().await?)
    }
}

/// Does it within the caller's transaction.
async fn enqueue(conn: &mut PgConnection, request: &MoveRequest) -> Result<MoveAnswer, StoreError> {
    lock_admissions(conn, request.target).await?;
    let now: DateTime<Utc> =
        sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&mut *conn).await?;
    let verdict = admit::all(conn, request).await?;
    let accepted = verdict.accepted.len() as u64;
    let batch_id = if request.dry_run || verdict.accepted.is_empty() {
        None
    } else {
        let wish = Wish {
            by: &request.by,
            reason: &request.reason,
            express: request.express,
            target: Some(request.target),
            drains: None,
        };
        Some(write::all(conn, &wish, &verdict, now).await?)
    };
    Ok(MoveAnswer { batch_id, accepted, refused: verdict.refused })
}

/// Admissions to one target go one after the other: each must see the room that the others have
/// taken. Not a row lock, so heartbeats of the target are not held up. Who drains or deletes the
/// target waits here too.
pub(crate) async fn lock_admissions(
    conn: &mut PgConnection,
    target: ServerId,
) -> Result<(), StoreError> {
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('admit:' || $1::text, 0))")
        .bind(target.0)
        .execute(conn)
        .await?;
    Ok(())
}
