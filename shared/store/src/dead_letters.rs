//! Dead letters: messages that the broker took off its queues for good. The coordinator moves
//! them from the broker's queue into this table, where they can be listed, read and settled.

use crate::{
    Action, By, Deed, NewestCursor, Store, StoreError, Teller, Told, audit, steps::step_key,
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::{FromRow, PgConnection, Postgres, QueryBuilder};
use tourbus_domain::{Input, JobId, MoveSettings, StepRef};
use uuid::Uuid;

/// The channel on which a coordinator is told to take letters up again.
const CHANNEL: &str = "tourbus_dead_letters";

/// A letter, as the coordinator found it.
#[derive(Debug, Clone)]
pub struct NewDeadLetter {
    /// SHA-256 of what makes it this letter: a second delivery of it is not kept twice.
    pub fingerprint: Vec<u8>,
    /// When the broker took it off its queue.
    pub died_at: DateTime<Utc>,
    /// Off which queue; empty if the broker does not say.
    pub queue: String,
    /// Whose lane that was, if it was one.
    pub server_slug: Option<String>,
    /// Which lane.
    pub lane: Option<String>,
    /// The broker's word for it.
    pub reason: String,
    /// What we find wrong with it: a stable name.
    pub fault: &'static str,
    /// The same in words.
    pub detail: String,
    /// With which routing key it was published.
    pub routing_key: String,
    /// Whether it is an order; else it is an event.
    pub is_work: bool,
    /// The step's kind or the event's name, where it can be read.
    pub kind: Option<String>,
    /// The try that it is about, where it can be read.
    pub step: Option<StepRef>,
    /// What the broker noted on it.
    pub headers: Value,
    /// As it was published.
    pub body: Vec<u8>,
}

/// A letter.
#[derive(Debug, Clone, FromRow)]
pub struct DeadLetterRow {
    /// Its id here.
    pub id: Uuid,
    /// When the broker took it off its queue.
    pub died_at: DateTime<Utc>,
    /// Off which queue.
    pub queue: String,
    /// Whose lane that was.
    pub server_slug: Option<String>,
    /// Which lane.
    pub lane: Option<String>,
    /// The broker's word for it.
    pub reason: String,
    /// What we find wrong with it: a stable name.
    pub fault: String,
    /// The same in words.
    pub detail: String,
    /// With which routing key it was published.
    pub routing_key: String,
    /// `work` or `event`.
    pub sort: String,
    /// The step's kind or the event's name.
    pub kind: Option<String>,
    /// The job that it is about.
    pub job_id: Option<Uuid>,
    /// Which of the job's steps of its kind.
    pub seq: Option<i32>,
    /// Which try.
    pub epoch: Option<i64>,
    /// What the broker noted on it.
    pub headers: Value,
    /// As it was published.
    pub body: Vec<u8>,
    /// `waiting` or `requeueing`.
    pub state: String,
    /// Why the last requeue did not work.
    pub note: Option<String>,
    /// Who asked to requeue it.
    pub settled_by: Option<String>,
    /// The artist of the job.
    pub artist_name: Option<String>,
}

/// Which letters. An empty query means all that wait.
#[derive(Debug, Clone, Default)]
pub struct DeadLetterQuery {
    /// Off this server's lanes.
    pub server_slug: Option<String>,
    /// With this fault.
    pub fault: Option<String>,
    /// With this reason of the broker's.
    pub reason: Option<String>,
    /// Behind this one.
    pub after: Option<NewestCursor>,
    /// How many at most.
    pub limit: u32,
}

/// Where requeueing one stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requeueing {
    /// The coordinator has yet to take it up.
    Pending,
    /// Its order is sent again, as a new message; or the event was read again.
    Done,
    /// It is among those that wait again: [`SUPERSEDED`], [`UNREADABLE`], or why the event was
    /// refused once more.
    Refused(String),
    /// There is no such letter.
    Unknown,
}

/// Nothing waits for an order: its job has gone on without it, has ended, or is paused.
pub const SUPERSEDED: &str = "superseded";
/// An order cannot be read, so nobody knows what it was for.
pub const UNREADABLE: &str = "unreadable";
/// Letters that wait at most: then the broker keeps the rest, up to its own bound.
const WAITING_MAX: i64 = 100_000;

const MARK: &str = "UPDATE dead_letters d SET state = 'requeueing', note = NULL, settled_by = ";
const DISCARD: &str =
    "UPDATE dead_letters d SET state = 'discarded', settled_at = now(), settled_by = ";
const COLUMNS: &str = "SELECT d.id, d.died_at, d.queue, d.server_slug, d.lane, d.reason, d.fault, \
     d.detail, d.routing_key, d.sort, d.kind, d.job_id, d.seq, d.epoch, d.headers, d.body, d.state, \
     d.note, d.settled_by, a.name AS artist_name \
     FROM dead_letters d LEFT JOIN jobs j ON j.id = d.job_id \
     LEFT JOIN artists a ON a.id = j.artist_id WHERE d.state IN ('waiting', 'requeueing')";

impl Store {
    /// Keeps a letter. One that may have been delivered before is not kept twice. Whether it was
    /// new.
    pub async fn keep_dead_letter(
        &self,
        new: &NewDeadLetter,
        redelivered: bool,
    ) -> Result<bool, StoreError> {
        if self.insert_dead_letter(new, &new.fingerprint).await? {
            return Ok(true);
        }
        if redelivered {
            return Ok(false);
        }
        // The same bytes died twice within a second.
        let another = [&new.fingerprint[..], Uuid::now_v7().as_bytes()].concat();
        self.insert_dead_letter(new, &another).await
    }

    async fn insert_dead_letter(
        &self,
        new: &NewDeadLetter,
        fingerprint: &[u8],
    ) -> Result<bool, StoreError> {
        let step = new.step.as_ref();
        let kept = sqlx::query(
            "INSERT INTO dead_letters (id, fingerprint, died_at, queue, server_slug, lane, reason, \
                 fault, detail, routing_key, sort, kind, job_id, seq, epoch, headers, body) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) \
             ON CONFLICT (fingerprint) DO NOTHING",
        )
        .bind(Uuid::now_v7())
        .bind(fingerprint)
        .bind(new.died_at)
        .bind(&new.queue)
        .bind(&new.server_slug)
        .bind(&new.lane)
        .bind(&new.reason)
        .bind(new.fault)
        .bind(&new.detail)
        .bind(&new.routing_key)
        .bind(if new.is_work { "work" } else { "event" })
        .bind(&new.kind)
        .bind(step.map(|s| s.job_id.0))
        .bind(step.map(|s| s.key.seq.cast_signed()))
        .bind(step.map(|s| s.epoch.cast_signed()))
        .bind(&new.headers)
        .bind(&new.body)
        .execute(self.pool())
        .await?;
        Ok(kept.rows_affected() > 0)
    }

    /// Letters that wait for somebody, the latest first.
    pub async fn dead_letters(
        &self,
        query: &DeadLetterQuery,
    ) -> Result<Vec<DeadLetterRow>, StoreError> {
        let mut sql = QueryBuilder::<Postgres>::new(COLUMNS);
        narrow(&mut sql, query);
        if let Some(after) = &query.after {
            sql.push(" AND (d.died_at, d.id) < (").push_bind(after.created_at);
            sql.push(", ").push_bind(after.id).push(")");
        }
        sql.push(" ORDER BY d.died_at DESC, d.id DESC LIMIT ").push_bind(i64::from(query.limit));
        Ok(sql.build_query_as().persistent(false).fetch_all(self.pool()).await?)
    }

    /// One letter, if it waits.
    pub async fn dead_letter(&self, id: Uuid) -> Result<Option<DeadLetterRow>, StoreError> {
        let mut sql = QueryBuilder::<Postgres>::new(COLUMNS);
        sql.push(" AND d.id = ").push_bind(id);
        Ok(sql.build_query_as().fetch_optional(self.pool()).await?)
    }

    /// How many wait, by fault, the commonest first.
    pub async fn dead_letter_faults(&self) -> Result<Vec<(String, i64)>, StoreError> {
        let sql = "SELECT fault, count(*) FROM dead_letters \
             WHERE state IN ('waiting', 'requeueing') GROUP BY fault ORDER BY 2 DESC, 1";
        Ok(sqlx::query_as(sql).fetch_all(self.pool()).await?)
    }

    /// Asks the coordinator to send a letter's order again, or to read the event again. Whether
    /// such a letter waits.
    pub async fn requeue_dead_letter(&self, id: Uuid, by: &By) -> Result<bool, StoreError> {
        let mut sql = QueryBuilder::<Postgres>::new(MARK);
        sql.push_bind(&by.actor).push(" WHERE d.state = 'waiting' AND d.id = ").push_bind(id);
        let mut tx = self.pool().begin().await?;
        if sql.build().execute(&mut *tx).await?.rows_affected() == 0 {
            return Ok(false);
        }
        let deed = Deed::done(by, Action::DeadLetterRequeue, format!("dead_letter:{id}"));
        audit::record(&mut tx, &[deed]).await?;
        wake(&mut tx).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The same for all that match. How many.
    pub async fn requeue_dead_letters(
        &self,
        query: &DeadLetterQuery,
        by: &By,
    ) -> Result<u64, StoreError> {
        let mut sql = QueryBuilder::<Postgres>::new(MARK);
        sql.push_bind(&by.actor).push(" WHERE d.state = 'waiting'");
        self.settle_all(sql, query, by, Action::DeadLetterRequeue).await
    }

    /// Where requeueing a letter stands.
    pub async fn requeueing(&self, id: Uuid) -> Result<Requeueing, StoreError> {
        let row: Option<(String, Option<String>)> =
            sqlx::query_as("SELECT state, note FROM dead_letters WHERE id = $1")
                .bind(id)
                .fetch_optional(self.pool())
                .await?;
        Ok(match row {
            None => Requeueing::Unknown,
            Some((state, _)) if state == "requeueing" => Requeueing::Pending,
            Some((state, Some(note))) if state == "waiting" => Requeueing::Refused(note),
            Some(_) => Requeueing::Done,
        })
    }

    /// Throws a letter away; it is kept out of sight for a month. Whether such a letter waits.
    pub async fn discard_dead_letter(&self, id: Uuid, by: &By) -> Result<bool, StoreError> {
        let mut tx = self.pool().begin().await?;
        let mut sql = QueryBuilder::<Postgres>::new(DISCARD);
        sql.push_bind(&by.actor).push(" WHERE d.state = 'waiting' AND d.id = ").push_bind(id);
        if sql.build().execute(&mut *tx).await?.rows_affected() == 0 {
            return Ok(false);
        }
        let deed = Deed::done(by, Action::DeadLetterDiscard, format!("dead_letter:{id}"));
        audit::record(&mut tx, &[deed]).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The same for all that match. How many.
    pub async fn discard_dead_letters(
        &self,
        query: &DeadLetterQuery,
        by: &By,
    ) -> Result<u64, StoreError> {
        let mut sql = QueryBuilder::<Postgres>::new(DISCARD);
        sql.push_bind(&by.actor).push(" WHERE d.state = 'waiting'");
        self.settle_all(sql, query, by, Action::DeadLetterDiscard).await
    }

    async fn settle_all(
        &self,
        mut sql: QueryBuilder<Postgres>,
        query: &DeadLetterQuery,
        by: &By,
        action: Action,
    ) -> Result<u64, StoreError> {
        narrow(&mut sql, query);
        let mut tx = self.pool().begin().await?;
        let letters = sql.build().persistent(false).execute(&mut *tx).await?.rows_affected();
        let detail = json!({
            "letters": letters, "server": query.server_slug, "fault": query.fault,
            "reason": query.reason,
        });
        audit::record(&mut tx, &[Deed::done(by, action, "dead_letter").detail(detail)]).await?;
        wake(&mut tx).await?;
        tx.commit().await?;
        Ok(letters)
    }

    /// Whether as many wait as are kept; for the coordinator.
    pub async fn dead_letters_are_full(&self) -> Result<bool, StoreError> {
        let waiting: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM (SELECT FROM dead_letters \
                 WHERE state IN ('waiting', 'requeueing') LIMIT $1) d",
        )
        .bind(WAITING_MAX)
        .fetch_one(self.pool())
        .await?;
        Ok(waiting >= WAITING_MAX)
    }

    /// Sends a letter's order again; for the coordinator, whose settings the order is made with.
    /// Why not, if it could not be.
    pub async fn send_dead_letter_again(
        &self,
        letter: &DeadLetterRow,
        settings: &MoveSettings,
    ) -> Result<Option<&'static str>, StoreError> {
        let Some(step) = step_of(letter)? else { return Ok(Some(UNREADABLE)) };
        let by = By::named(letter.settled_by.clone().unwrap_or_default());
        let told = [Told {
            job_id: step.job_id,
            input: Input::SendAgain(step),
            by: Teller::OneOfMany(by),
        }];
        let sent = self.apply_inputs(&told, settings).await?.pop();
        let sent = matches!(sent, Some(Ok(outcome)) if !outcome.ignored);
        Ok((!sent).then_some(SUPERSEDED))
    }

    /// Letters that are to be taken up again, at most `limit`; for the coordinator.
    pub async fn dead_letters_to_read(&self, limit: u32) -> Result<Vec<DeadLetterRow>, StoreError> {
        let mut sql = QueryBuilder::<Postgres>::new(COLUMNS);
        sql.push(" AND d.state = 'requeueing' ORDER BY d.died_at, d.id LIMIT ");
        sql.push_bind(i64::from(limit));
        Ok(sql.build_query_as().fetch_all(self.pool()).await?)
    }

    /// What came of taking one up again: nothing to add, or why not.
    pub async fn dead_letter_taken_up(
        &self,
        id: Uuid,
        note: Option<&str>,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE dead_letters SET note = $2, \
                 state = CASE WHEN $2 IS NULL THEN 'requeued' ELSE 'waiting' END, \
                 settled_by = CASE WHEN $2 IS NULL THEN settled_by END, \
                 settled_at = CASE WHEN $2 IS NULL THEN now() END \
             WHERE id = $1 AND state = 'requeueing'",
        )
        .bind(id)
        .bind(note)
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// Wakes whoever reads letters again.
    pub async fn listen_dead_letters(&self) -> Result<crate::Listener, StoreError> {
        crate::Listener::on(self, CHANNEL).await
    }
}

fn narrow(sql: &mut QueryBuilder<Postgres>, query: &DeadLetterQuery) {
    let columns = [
        (" AND d.server_slug = ", &query.server_slug),
        (" AND d.fault = ", &query.fault),
        (" AND d.reason = ", &query.reason),
    ];
    for (condition, value) in columns {
        if let Some(value) = value {
            sql.push(condition).push_bind(value.clone());
        }
    }
}

fn step_of(letter: &DeadLetterRow) -> Result<Option<StepRef>, StoreError> {
    let parts = letter.kind.as_ref().zip(letter.job_id).zip(letter.seq.zip(letter.epoch));
    let Some(((kind, job_id), (seq, epoch))) = parts else { return Ok(None) };
    let key = step_key(kind, seq)?;
    Ok(Some(StepRef { job_id: JobId(job_id), key, epoch: epoch.cast_unsigned() }))
}

/// Wakes the coordinator with the caller's commit.
async fn wake(conn: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query("SELECT pg_notify($1, '')").bind(CHANNEL).execute(conn).await?;
    Ok(())
}
