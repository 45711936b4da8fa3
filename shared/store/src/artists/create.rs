//! One new artist, on the default server: its row, and the job that makes its tree.

use crate::{
    Action, By, Deed, Store, StoreError, audit,
    jobs_core::{self, Held},
    notify, orders, outbox, steps,
};
use serde_json::json;
use sqlx::{FromRow, PgConnection};
use tourbus_domain::{
    ArtistId, Effect, Job, JobId, JobKind, MoveSettings, ServerId, Slug, job::Context,
};
use tourbus_protocol::ArtistRef;
use uuid::Uuid;

/// An artist that somebody asks for.
#[derive(Debug, Clone)]
pub struct AskedArtist {
    /// Its name for people.
    pub name: String,
    /// Its name in URLs.
    pub slug: Slug,
    /// Whose artist it is; none for nobody's.
    pub account_id: Option<Uuid>,
    /// Who asks.
    pub by: By,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// The artist lives on the default server; a job makes its tree there.
    Made {
        /// The artist.
        artist: ArtistId,
        /// The job.
        job: JobId,
    },
    /// Another artist has this slug.
    SlugTaken,
    /// No server is the default, or the one that is takes no artists.
    NoDefault,
}

#[derive(FromRow)]
struct Default {
    id: Uuid,
    takes: bool,
}

impl Store {
    /// Makes an artist known and owes its home server the order to make its tree.
    pub async fn create_artist(&self, asked: &AskedArtist) -> Result<Created, StoreError> {
        let mut tx = self.pool().begin().await?;
        let created = create_in(&mut tx, asked).await?;
        if matches!(created, Created::Made { .. }) {
            tx.commit().await?;
        }
        Ok(created)
    }
}

/// The same within the caller's transaction, which is to end when nothing was made.
pub(super) async fn create_in(
    conn: &mut PgConnection,
    asked: &AskedArtist,
) -> Result<Created, StoreError> {
    let Some(home) = default_server(conn).await? else { return Ok(Created::NoDefault) };
    let artist = ArtistId::new();
    let inserted = sqlx::query(
        "INSERT INTO artists (id, slug, name, server_id, account_id) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (slug) DO NOTHING",
    )
    .bind(artist.0)
    .bind(asked.slug.as_str())
    .bind(&asked.name)
    .bind(home.0)
    .bind(asked.account_id)
    .execute(&mut *conn)
    .await?;
    if inserted.rows_affected() == 0 {
        return Ok(Created::SlugTaken);
    }
    let whose = ArtistRef { id: artist, slug: asked.slug.clone() };
    let job = enqueue(conn, whose, home, &asked.name).await?;
    let detail = json!({ "name": asked.name, "slug": asked.slug, "server_id": home });
    let deed = Deed::done(&asked.by, Action::ArtistCreate, format!("artist:{artist}"));
    audit::record(conn, &[deed.detail(detail)]).await?;
    Ok(Created::Made { artist, job })
}

/// The default server, its row held: it is neither deleted nor drained before the commit.
async fn default_server(conn: &mut PgConnection) -> Result<Option<ServerId>, StoreError> {
    let found: Option<Default> = sqlx::query_as(
        "SELECT id, active AND NOT draining AND deleted_at IS NULL
             AND (joined_at IS NOT NULL OR last_seen_at IS NOT NULL) AS takes
         FROM servers WHERE is_default FOR NO KEY UPDATE",
    )
    .fetch_optional(conn)
    .await?;
    Ok(found.filter(|d| d.takes).map(|d| ServerId(d.id)))
}

async fn enqueue(
    conn: &mut PgConnection,
    artist: ArtistRef,
    home: ServerId,
    name: &str,
) -> Result<JobId, StoreError> {
    let ground = jobs_core::ground(conn).await?;
    // Nothing that the settings steer happens at a first try.
    let settings = MoveSettings::default();
    let ctx = Context { now: ground.now, unit: 0.0, settings: settings.clone() };
    let kind = JobKind::Provision;
    let lane = kind.first_step().lane();
    let (job, effects) = Job::task(JobId::new(), kind, artist.id, home, lane, &ctx);
    let params = json!({ "name": name });
    jobs_core::insert(conn, None, &[&job], &params).await?;
    let first: Vec<_> = job.steps.values().map(|s| (job.id, s)).collect();
    steps::insert(conn, &first).await?;
    let id = job.id;
    let held =
        Held { batch_id: None, batch_paused: false, artist, params, before: job.clone(), job };
    let mut owed = Vec::new();
    for effect in effects {
        if let Effect::Send(key) = effect
            && let Some(step) = held.job.steps.get(&key)
        {
            owed.push(orders::of_step(&held, step, &ground, &settings)?);
        }
    }
    outbox::owe(conn, &owed).await?;
    sqlx::query("UPDATE artists SET operating_job_id = $2 WHERE id = $1")
        .bind(held.job.artist_id.0)
        .bind(id.0)
        .execute(&mut *conn)
        .await?;
    notify::changed(conn, &[id.0], &[]).await?;
    Ok(id)
}
