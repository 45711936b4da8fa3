//! The database: every SQL statement of the project.
//!
//! Statements are checked when they run, not when they are compiled: no live database is needed
//! to build. Reads for pages and the API are in files named after what they show; everything
//! that changes a job goes through [`Store::apply_inputs`].

mod accounts;
mod actions;
mod artists;
mod audit;
mod batches;
mod catalogue;
mod cluster_settings;
mod dead_letters;
mod error;
mod gauges;
mod heartbeats;
mod inputs;
mod jobs;
mod jobs_core;
mod joining;
mod lane_pauses;
mod lofi;
mod master_keys;
mod migrate;
mod moves;
mod notify;
mod once;
mod orders;
mod outbox;
mod overview;
mod plays;
mod quarantine;
mod queues;
mod reports;
mod rescue;
mod server_limits;
mod servers;
mod sessions;
mod steps;
mod tally;
mod tokens;
mod tries;
mod upkeep;
mod verify;
mod watches;
mod webhooks;

pub use accounts::{
    Account, AccountChange, AccountError, AccountRow, NewAccount, PasswordReset, Role, UnknownRole,
};
pub use actions::{BatchCancelled, BatchHeld};
pub use artists::{
    Adopted, ArtistChange, ArtistChanged, ArtistCursor, ArtistKey, ArtistQuery, ArtistRow,
    ArtistSort, AskedArtist, Created, GrantFacts, HomeRow, HomeTotals, Matching, MoveNews,
    NewArtist, NewSong, OwnArtist, SignUp, SignedUp, SongRow, Wish,
};
pub use audit::{Action, AuditQuery, AuditRow, By, Deed, DeedResult};
pub use batches::{
    BATCHES_PER_ASK_MAX, BatchAsk, BatchAsked, BatchOutcome, BatchProgress, BatchQuery,
    BatchRefused, BatchRetried, BatchRow, BatchStage, BatchesAsked, BatchesCounted, BatchesWhich,
    RefusalRow,
};
pub use catalogue::CatalogueOutcome;
pub use cluster_settings::{ClusterSettings, SERVER_LIMIT_MAX, ServerRoom};
pub use dead_letters::{
    DeadLetterQuery, DeadLetterRow, NewDeadLetter, Requeueing, SUPERSEDED, UNREADABLE,
};
pub use error::StoreError;
pub use gauges::{ClusterGauges, ServerGauges};
pub use heartbeats::{HeartbeatFrom, VoidTry};
pub use inputs::{InputError, JOBS_PER_TRANSACTION_MAX, Outcome, Outcomes, Teller, Told};
pub use jobs::{
    JOBS_PER_ASK_MAX, JobAsk, JobEventRow, JobGroup, JobQuery, JobRow, JobStepRow, JobsAsked,
    JobsWhich, NewestCursor,
};
pub use joining::{
    AGENT_SILENT_AFTER_S, AgentServer, CheckRow, CheckTarget, Enrolled, EnrolmentRow, JoinRefused,
    JoinStart, Joining, Refusal, ServerChecks, Taken,
};
pub use lane_pauses::{LaneChanged, LanePauseRow};
pub use lofi::{
    LofiAnswer, LofiFailed, LofiFailure, LofiProfileRow, LofiRefusal, LofiRequest, LofiServer,
    LofiShare, LofiSongs, LofiTotals, LofiWhich, ProfileError, SONGS_PER_BATCH_MAX,
};
pub use master_keys::{MasterKeyRow, ServerTrust};
pub use moves::{AssignedMoves, BalanceGround, MoveAnswer, MoveRequest, Once};
pub use notify::{Changed, JobsListener, Listener};
pub use outbox::{DueOrder, OutboxDepth, OutboxLease};
pub use overview::{FAILED_MOVES_MAX, Needs};
pub use plays::{PlaysApplied, PlaysFrom};
pub use queues::{OldestWaiting, QueueFacts, WorkerRow};
pub use reports::ReportFacts;
pub use rescue::Suspect;
pub use server_limits::OwedLimits;
pub use servers::{
    DrainAnswer, DrainBatch, DrainPlan, DrainRequest, DrainStopped, NewServer, ServerChange,
    ServerCreation, ServerError, ServerRow, ServerTies,
};
pub use sessions::{SESSION_TTL_S, SessionRow};
pub use tokens::{NewToken, Scope, TokenError, TokenRow, TokenUse, token_hash};
pub use upkeep::{Claim, Pruned};
pub use verify::{
    ARTISTS_PER_VERIFY_MAX, FindingQuery, FindingRow, OpenFindings, Resolution, Resolved,
    VerifyAnswer, VerifyLast, VerifyOnce, VerifyRefusal, VerifyRequest, VerifyServer, VerifyShare,
    VerifyWhich,
};
pub use watches::{BalanceLook, BalanceWatchRow, OUT_RUNS_TOLD, WatchEvery};
pub use webhooks::{
    DeliveryQuery, DeliveryRow, DueDelivery, NewWebhook, Tried, TriedBody, WebhookChange,
    WebhookRow, WebhooksAmiss,
};

use secrecy::ExposeSecret;
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::time::{Duration, Instant};
use tourbus_config::DatabaseConfig;

/// Longest wait for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long [`Store::connect`] waits for a database that is starting.
const CONNECT_WAIT_MAX: Duration = Duration::from_mins(1);
/// How long [`Store::close`] waits for connections in use.
const CLOSE_WAIT_MAX: Duration = Duration::from_secs(5);

/// Every statement or transaction takes a connection: so many there were.
fn count_acquire() {
    metrics::counter!("tourbus_database_acquires_total").increment(1);
}

/// The database. Cheap to clone; all clones share one pool.
#[derive(Clone, Debug)]
pub struct Store {
    pool: PgPool,
}

impl Store {
    /// Connects, waiting up to a minute for a database that is away or starting. A wrong
    /// password or a missing database is reported at once. Afterwards the pool mends itself:
    /// calls fail with [`StoreError::Unavailable`] while the database is away.
    pub async fn connect(config: &DatabaseConfig) -> Result<Self, StoreError> {
        let options: PgConnectOptions = config
            .url
            .expose_secret()
            .parse()
            .map_err(|_| StoreError::Invalid("database.url is no PostgreSQL URL".to_owned()))?;
        let options = options.application_name("tourbus").options([
            ("statement_timeout", "30s"),
            ("lock_timeout", "10s"),
            ("idle_in_transaction_session_timeout", "60s"),
            // Many short questions at a time: starting helpers for one takes longer than answering it.
            ("max_parallel_workers_per_gather", "0"),
            ("jit", "off"),
        ]);
        let pool = PgPoolOptions::new()
            .max_connections(config.connections_max)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .after_connect(|_, _| {
                count_acquire();
                Box::pin(async { Ok(()) })
            })
            .before_acquire(|_, _| {
                count_acquire();
                Box::pin(async { Ok(true) })
            })
            .connect_lazy_with(options);
        let store = Self { pool };
        let begun = Instant::now();
        loop {
            match store.ping().await {
                Ok(()) => return Ok(store),
                Err(e) if e.is_transient() && begun.elapsed() < CONNECT_WAIT_MAX => {
                    tracing::warn!(error = %e, "store.waiting");
                    tokio::time::sleep(e.pause()).await;
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// Closes every connection, waiting for those in use; a few seconds at most.
    pub async fn close(&self) {
        if tokio::time::timeout(CLOSE_WAIT_MAX, self.pool.close()).await.is_err() {
            tracing::warn!("store.connections_left_open");
        }
    }

    pub(crate) const fn pool(&self) -> &PgPool {
        &self.pool
    }
}
