//! Dead letters: messages that the broker took off its queues for good. The coordinator moves
//! them from the broker's queue into this table, where they can be listed, read and settled.

use crate::{Action, By, Deed, NewestCursor, Store, StoreError, Teller, Told, steps::step_key};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::{FromRow, Postgres, QueryBuilder};
use tourbus_domain::{Input, JobId, MoveSettings, StepRef};
use uuid::Uuid;

/// The channel on which a coordinator is told to take letters up again.
const CHANNEL: &str = "tourbus_dead_letters";
/// Most letters that are settled at one request.
pub const DEAD_LETTERS_PER_REQUEST_MAX: u32 = 1000;

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

/// What came of requeueing one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requeued {
    /// Its order is sent again, as a new message; or the coordinator reads the event again.
    Done,
    /// There is no such letter, or it is settled.
    Unknown,
    /// Nothing waits for it: its job has gone on without it, or has ended.
    Superseded,
    /// It cannot be read, so nobody knows what it was for.
    Unreadable,
}

const COLUMNS: &str = "SELECT d.id, d.died_at, d.queue, d.server_slug, d.lane, d.reason, d.fault, \
     d.detail, d.routing_key, d.sort, d.kind, d.job_id, d.seq, d.epoch, d.headers, d.body, d.state, \
     d.note, a.name AS artist_name \
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

    /// Sends a letter's order again, or has the event read again.
    pub async fn requeue_dead_letter(&self, id: Uuid, by: &By) -> Result<Requeued, StoreError> {
        let Some(letter) = self.dead_letter(id).await? else { return Ok(Requeued::Unknown) };
        let requeued = self.requeue(&letter, by).await?;
        if requeued == Requeued::Done {
            self.record(&[deed(by, Action::DeadLetterRequeue, &letter)]).await?;
        }
        Ok(requeued)
    }

    /// The same for all that match, at most [`DEAD_LETTERS_PER_REQUEST_MAX`]: how many were, and
    /// how many could not be.
    pub async fn requeue_dead_letters(
        &self,
        query: &DeadLetterQuery,
        by: &By,
    ) -> Result<(u64, u64), StoreError> {
        let query = DeadLetterQuery { limit: DEAD_LETTERS_PER_REQUEST_MAX, ..query.clone() };
        let (mut done, mut not) = (0, 0);
        for letter in self.dead_letters(&query).await? {
            let requeued = self.requeue(&letter, by).await?;
            *(if requeued == Requeued::Done { &mut done } else { &mut not }) += 1;
        }
        let detail = json!({ "requeued": done, "not": not, "filter": filter(&query) });
        let deed = Deed::done(by, Action::DeadLetterRequeue, "dead_letter").detail(detail);
        self.record(&[deed]).await?;
        Ok((done, not))
    }

    async fn requeue(&self, letter: &DeadLetterRow, by: &By) -> Result<Requeued, StoreError> {
        if letter.sort == "event" {
            return self.requeue_event(letter.id).await;
        }
        let Some(step) = step_of(letter)? else { return Ok(Requeued::Unreadable) };
        let told = [Told {
            job_id: step.job_id,
            input: Input::SendAgain(step),
            by: Teller::OneOfMany(by.clone()),
        }];
        match self.apply_inputs(&told, &MoveSettings::default()).await?.pop() {
            Some(Ok(outcome)) if !outcome.ignored => {}
            _ => return Ok(Requeued::Superseded),
        }
        self.settle(&[letter.id], "requeued", &by.actor).await?;
        Ok(Requeued::Done)
    }

    async fn requeue_event(&self, id: Uuid) -> Result<Requeued, StoreError> {
        let mut tx = self.pool().begin().await?;
        let sql = "UPDATE dead_letters SET state = 'requeueing', note = NULL \
             WHERE id = $1 AND state = 'waiting'";
        let marked = sqlx::query(sql).bind(id).execute(&mut *tx).await?.rows_affected();
        sqlx::query("SELECT pg_notify($1, '')").bind(CHANNEL).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(if marked > 0 { Requeued::Done } else { Requeued::Unknown })
    }

    /// Throws letters away: one, or all that match, at most [`DEAD_LETTERS_PER_REQUEST_MAX`].
    /// They are kept out of sight for a month. Returns how many.
    pub async fn discard_dead_letters(
        &self,
        one: Option<Uuid>,
        query: &DeadLetterQuery,
        by: &By,
    ) -> Result<u64, StoreError> {
        let query = DeadLetterQuery { limit: DEAD_LETTERS_PER_REQUEST_MAX, ..query.clone() };
        let letters = match one {
            Some(id) => self.dead_letter(id).await?.into_iter().collect(),
            None => self.dead_letters(&query).await?,
        };
        let ids: Vec<Uuid> = letters.iter().map(|l| l.id).collect();
        let discarded = self.settle(&ids, "discarded", &by.actor).await?;
        let deed = match (one, &letters[..]) {
            (Some(_), [letter]) => deed(by, Action::DeadLetterDiscard, letter),
            (Some(_), _) => return Ok(0),
            (None, _) => Deed::done(by, Action::DeadLetterDiscard, "dead_letter")
                .detail(json!({ "discarded": discarded, "filter": filter(&query) })),
        };
        self.record(&[deed]).await?;
        Ok(discarded)
    }

    async fn settle(&self, ids: &[Uuid], state: &str, by: &str) -> Result<u64, StoreError> {
        let settled = sqlx::query(
            "UPDATE dead_letters SET state = $2, settled_by = $3, settled_at = now() \
             WHERE id = ANY($1) AND state IN ('waiting', 'requeueing')",
        )
        .bind(ids)
        .bind(state)
        .bind(by)
        .execute(self.pool())
        .await?;
        Ok(settled.rows_affected())
    }

    /// Events that are to be read again, at most `limit`; for the coordinator.
    pub async fn dead_letters_to_read(&self, limit: u32) -> Result<Vec<DeadLetterRow>, StoreError> {
        let mut sql = QueryBuilder::<Postgres>::new(COLUMNS);
        sql.push(" AND d.state = 'requeueing' ORDER BY d.died_at, d.id LIMIT ");
        sql.push_bind(i64::from(limit));
        Ok(sql.build_query_as().fetch_all(self.pool()).await?)
    }

    /// What came of reading one again: nothing to add, or why not.
    pub async fn dead_letter_read(&self, id: Uuid, fault: Option<&str>) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE dead_letters SET note = $2, \
                 state = CASE WHEN $2 IS NULL THEN 'requeued' ELSE 'waiting' END, \
                 settled_by = CASE WHEN $2 IS NULL THEN 'coordinator' END, \
                 settled_at = CASE WHEN $2 IS NULL THEN now() END \
             WHERE id = $1 AND state = 'requeueing'",
        )
        .bind(id)
        .bind(fault)
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

fn filter(query: &DeadLetterQuery) -> Value {
    json!({ "server": query.server_slug, "fault": query.fault, "reason": query.reason })
}

fn deed(by: &By, action: Action, letter: &DeadLetterRow) -> Deed {
    let detail = json!({
        "queue": letter.queue, "fault": letter.fault, "kind": letter.kind, "job_id": letter.job_id,
    });
    Deed::done(by, action, format!("dead_letter:{}", letter.id)).detail(detail)
}
