//! A database of its own for one test, with servers and artists, and a worker that is only
//! played: it answers each order with the events that a real one sends.

use secrecy::SecretString;
use tourbus_config::DatabaseConfig;
use tourbus_domain::{
    ArtistId, Input, JobId, MoveSettings, SegmentRef, ServerId, Slug, StepRef, StepResult,
};
use tourbus_local::Endpoints;
use tourbus_protocol::{Heartbeat, Order};
use tourbus_store::{
    BatchQuery, BatchRow, By, DueOrder, HeartbeatFrom, JobQuery, JobRow, MoveRequest, NewArtist,
    NewServer, Outcomes, Store, Teller, Told,
};
use tourbus_tests::support;

pub const MIB: u64 = 1 << 20;

/// One test's database.
pub struct Db {
    pub store: Store,
    pub servers: Vec<ServerId>,
    endpoints: Endpoints,
}

/// The slugs of [`Db::servers`].
pub const SLUGS: [&str; 3] = ["master", "server2", "server3"];

pub fn slug(n: usize) -> Slug {
    SLUGS[n].parse().unwrap()
}

impl Db {
    /// Migrated, with three servers that are online, each with 1 GiB free.
    pub async fn start(name: &str) -> Self {
        let endpoints = support::endpoints().named(&support::unique(name)).unwrap();
        endpoints.prepare().await.unwrap();
        let url = SecretString::from(endpoints.database.url());
        let store = Store::connect(&DatabaseConfig { url, connections_max: 8 }).await.unwrap();
        store.migrate().await.unwrap();
        let mut servers = Vec::new();
        for (n, slug) in SLUGS.iter().enumerate() {
            let server = NewServer {
                id: ServerId::new(),
                slug: slug.parse().unwrap(),
                name: format!("Server {n}"),
                ip: "127.0.0.1".parse().unwrap(),
                url: format!("http://{slug}.test"),
                is_master: n == 0,
                is_default: n == 0,
            };
            servers.push(store.ensure_server(server).await.unwrap());
        }
        let db = Self { store, servers, endpoints };
        for n in 0..SLUGS.len() {
            db.beat(n, 1 << 30, Vec::new()).await;
        }
        db
    }

    /// A heartbeat of a server; returns the tries that it must give up.
    pub async fn beat(
        &self,
        server: usize,
        free_bytes: u64,
        running: Vec<StepRef>,
    ) -> Vec<StepRef> {
        let beat = Heartbeat {
            running,
            free_bytes,
            total_bytes: 4 << 30,
            version: "1".to_owned(),
            pid: 1,
            quarantine: None,
            trusts: Vec::new(),
            lofi_slots: 1,
            limits: None,
            lanes: Some(tourbus_domain::LanePauses::default()),
        };
        let from = HeartbeatFrom { server: slug(server), worker: "w".to_owned(), beat };
        let void = self.store.take_heartbeats(&[from]).await.unwrap();
        void.into_iter().map(|v| v.step).collect()
    }

    /// Artists of this size on a server.
    pub async fn artists(&self, server: usize, count: usize, bytes: u64) -> Vec<ArtistId> {
        let artist = |n| {
            let id = ArtistId::new();
            NewArtist {
                id,
                slug: format!("a-{id}").parse().unwrap(),
                name: format!("Artist {n}"),
                server_id: self.servers[server],
                plays_total: 3,
                plays_30d: 1,
                bytes,
                songs: Vec::new(),
            }
        };
        let new: Vec<NewArtist> = (0..count).map(artist).collect();
        self.store.insert_artists(&new).await.unwrap();
        new.into_iter().map(|a| a.id).collect()
    }

    pub fn request(&self, artists: &[ArtistId], target: usize) -> MoveRequest {
        MoveRequest {
            by: By::named("admin@test"),
            artist_ids: artists.to_vec(),
            target: self.servers[target],
            reason: "a test".to_owned(),
            express: false,
            dry_run: false,
            disk_reserve_bytes: 0,
            offline_after_s: 60,
        }
    }

    /// Queues a move of one artist, which must be accepted.
    pub async fn queue_one(&self, artist: ArtistId, target: usize) -> JobId {
        let answer = self.store.enqueue_moves(&self.request(&[artist], target)).await.unwrap();
        assert_eq!(answer.accepted, 1, "{answer:?}");
        let jobs = self.jobs().await;
        let job = jobs.iter().find(|j| j.batch_id == answer.batch_id.map(|b| b.0)).unwrap();
        JobId(job.id)
    }

    /// All jobs, the newest first.
    pub async fn jobs(&self) -> Vec<JobRow> {
        let query = JobQuery { limit: 20_000, ..JobQuery::default() };
        self.store.jobs(&query).await.unwrap()
    }

    /// The batches, the newest first.
    pub async fn batches(&self) -> Vec<BatchRow> {
        let query = BatchQuery { limit: 100, ..BatchQuery::default() };
        self.store.batches(&query).await.unwrap()
    }

    pub async fn state(&self, job: JobId) -> String {
        self.store.job(job).await.unwrap().unwrap().state
    }

    /// Takes every due order away, as a relay whose broker confirms at once.
    pub async fn relay(&self) -> Vec<DueOrder> {
        let lease = self.store.take_due_orders(10_000).await.unwrap();
        let orders = lease.orders().to_vec();
        let ids: Vec<i64> = orders.iter().map(|o| o.id).collect();
        lease.settle(&ids, &[]).await.unwrap();
        orders
    }

    /// Tells these inputs, as the servers of their orders.
    pub async fn tell(&self, told: &[Told]) -> Outcomes {
        self.store.apply_inputs(told, &MoveSettings::default()).await.unwrap()
    }

    /// Plays workers until no order is left: every event told twice, the second time late.
    pub async fn work_off(&self) {
        loop {
            let orders = self.relay().await;
            if orders.is_empty() {
                return;
            }
            let events: Vec<Told> = orders.iter().flat_map(play).collect();
            self.tell(&events).await;
            let again = self.tell(&events).await;
            assert!(again.iter().all(|o| o.as_ref().unwrap().ignored), "{again:?}");
        }
    }

    /// What `psql` says to a statement, behind the store's back.
    pub async fn sql(&self, statement: &str) -> Result<String, String> {
        let url = self.endpoints.database.url();
        let args = ["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement, &url];
        // Never blocking: what it waits for may be a transaction of this very thread.
        let ran = tokio::process::Command::new("psql").args(args).output().await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if ran.status.success() { Ok(text(&ran.stdout)) } else { Err(text(&ran.stderr)) }
    }

    /// Drops the database.
    pub async fn finish(self) {
        self.store.close().await;
        self.endpoints.remove().await.unwrap();
    }
}

pub fn step_of(order: &DueOrder) -> StepRef {
    StepRef { job_id: order.job_id, key: order.key, epoch: order.epoch }
}

pub fn told(order: &DueOrder, input: Input) -> Told {
    let by = Teller::Server { slug: order.server.clone(), worker: "w".to_owned() };
    Told { job_id: order.job_id, input, by }
}

pub fn segment(number: u32, round: u32, bytes: u64) -> SegmentRef {
    let key = format!("moves/x/segments/1-{number:06}.json");
    SegmentRef { number, round, key, blake3: "00".repeat(32), bytes }
}

/// What a worker tells that carries out an order without trouble.
pub fn play(order: &DueOrder) -> Vec<Told> {
    let step = step_of(order);
    let staged = [segment(1, 0, 3 * MIB), segment(2, 0, MIB)];
    let result = match &order.order {
        Order::ExportV1 { .. } => StepResult::Export { segments: staged.to_vec() },
        Order::ImportV1 { .. } => StepResult::Import,
        Order::SyncV1 { round, .. } => StepResult::Sync {
            segments: vec![segment(2 + round, *round, MIB)],
            manifest: segment(*round, *round, 0),
            files: 7,
            bytes: 5 * MIB,
        },
        Order::PromoteV1 { .. } => StepResult::Promote,
        Order::RetireV1 { .. } => StepResult::Retire { leftovers: None },
        Order::AbandonImportV1 { .. } => StepResult::AbandonImport,
        Order::AbandonExportV1 { .. } => StepResult::AbandonExport { leftovers: None },
        Order::ProvisionV1 { .. } => StepResult::Provision,
        Order::LofiV1 { .. } => StepResult::Lofi {
            made: tourbus_domain::LofiMade::Encoded,
            bytes: 1000,
            audio_ms: 60_000,
            took_ms: 1000,
        },
        Order::VerifyV1 { .. } => StepResult::Verify(tourbus_domain::VerifyReport {
            files: 3,
            bytes: MIB,
            unchanged: 3,
            took_ms: 20,
            ..Default::default()
        }),
        Order::VoidV1
        | Order::ReleaseV1 { .. }
        | Order::LimitsV1 { .. }
        | Order::LanesV1 { .. }
        | Order::TrustV1 { .. } => return Vec::new(),
    };
    let mut told_all = vec![told(order, Input::Started(step))];
    if matches!(order.order, Order::ExportV1 { .. }) {
        let input = Input::Staged { step, segment: staged[0].clone() };
        told_all.push(told(order, input));
    }
    told_all.push(told(order, Input::Done { step, result }));
    told_all
}
