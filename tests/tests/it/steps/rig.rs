//! Two media roots and a staging store; steps run by hand, as the coordinator would order them.

use secrecy::SecretString;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};
use tempfile::TempDir;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tourbus_config::{StagingConfig, WorkerLimits};
use tourbus_domain::{
    ArtistId, Epoch, JobError, JobId, SegmentRef, StepKey, StepKind, StepRef, StepResult,
};
use tourbus_mediaroot::{Entering, MediaRoot, Ticket};
use tourbus_protocol::{ArtistRef, EventBody, Order};
use tourbus_staging::{S3Staging, Staging};
use tourbus_tests::tree::{self, Snapshot};
use tourbus_worker::{
    buffers::Buffers,
    context::{Context, Emit, Outcome, Stop},
    convert::Converter,
    limiter::Limiter,
    steps,
};

/// How long a step may wait for an earlier try of itself.
const ENTER_MAX: Duration = Duration::from_secs(20);

/// What steps have told.
#[derive(Default)]
pub struct Heard(Mutex<Vec<EventBody>>);

impl Emit for Heard {
    fn emit(&self, body: EventBody) {
        self.0.lock().unwrap().push(body);
    }
}

impl Heard {
    /// The segments that were announced, in order, repetitions included.
    pub fn staged(&self) -> Vec<SegmentRef> {
        let told = self.0.lock().unwrap();
        let staged = told.iter().filter_map(|b| match b {
            EventBody::Staged { segment, .. } => Some(segment.clone()),
            _ => None,
        });
        staged.collect()
    }

    /// The codes of what somebody should look at, in order.
    pub fn notices(&self) -> Vec<String> {
        let told = self.0.lock().unwrap();
        let noticed = told.iter().filter_map(|b| match b {
            EventBody::Noticed { notice, .. } => Some(notice.code.clone()),
            _ => None,
        });
        noticed.collect()
    }
}

/// One server.
pub struct Side {
    _dir: TempDir,
    pub root: MediaRoot,
}

impl Side {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = MediaRoot::new(dir.path());
        root.prepare().unwrap();
        Self { _dir: dir, root }
    }

    /// What is in a hidden directory.
    pub fn hidden(&self, what: &str) -> Vec<PathBuf> {
        let dir = self.root.path().join(".tourbus").join(what);
        std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect()
    }
}

/// A move of one artist.
pub struct Rig {
    pub source: Side,
    pub target: Side,
    pub staging: S3Staging,
    pub artist: ArtistRef,
    pub job: JobId,
    pub heard: Arc<Heard>,
    pub limits: WorkerLimits,
    /// The artist lives on the target by now.
    pub moved: bool,
    epoch: Epoch,
    floor: Epoch,
}

pub fn staging_config(prefix: String) -> StagingConfig {
    let var = |name: &str| {
        std::env::var(name).unwrap_or_else(|_| {
            panic!("{name} is not set: run the tests with `make test`, which starts a store")
        })
    };
    StagingConfig {
        endpoint: var("TOURBUS_TEST_S3_ENDPOINT"),
        tls: tourbus_config::ClientTlsConfig::default(),
        region: var("TOURBUS_TEST_S3_REGION"),
        bucket: var("TOURBUS_TEST_S3_BUCKET"),
        prefix,
        access_key: var("TOURBUS_TEST_S3_ACCESS_KEY"),
        secret_key: SecretString::from(var("TOURBUS_TEST_S3_SECRET_KEY")),
        request_timeout_s: 20,
        attempts_max: 3,
    }
}

impl Rig {
    /// Two servers, and an artist on the first whose tree `make` makes.
    pub fn new(make: impl FnOnce(&Path) -> std::io::Result<()>) -> Self {
        let prefix = format!("steps-{}/", uuid::Uuid::new_v4().simple());
        let rig = Self {
            source: Side::new(),
            target: Side::new(),
            staging: S3Staging::connect(&staging_config(prefix)).unwrap(),
            artist: ArtistRef { id: ArtistId::new(), slug: "the-artist".parse().unwrap() },
            job: JobId::new(),
            heard: Arc::default(),
            // Small, so that small trees have many chunks and segments.
            limits: WorkerLimits {
                chunk_bytes: 64 << 10,
                chunk_buffers: 3,
                segment_bytes: 160 << 10,
                segment_entries: 6,
                disk_reserve_bytes: 0,
                ..WorkerLimits::default()
            },
            moved: false,
            epoch: 0,
            floor: 0,
        };
        std::fs::create_dir(rig.source_tree()).unwrap();
        make(&rig.source_tree()).unwrap();
        rig.source.root.link_slug(&rig.artist.slug, rig.artist.id).unwrap();
        // What was written in this very tick is left to the sync: let it pass.
        #[expect(clippy::disallowed_methods, reason = "it is time that must pass")]
        std::thread::sleep(Duration::from_millis(60));
        rig
    }

    pub fn source_tree(&self) -> PathBuf {
        self.source.root.tree(self.artist.id)
    }

    pub fn target_tree(&self) -> PathBuf {
        self.target.root.tree(self.artist.id)
    }

    pub fn incoming(&self) -> PathBuf {
        self.target.root.incoming(self.job)
    }

    pub fn before(&self) -> Snapshot {
        tree::snapshot(&self.source_tree()).unwrap()
    }

    pub fn next_epoch(&mut self) -> Epoch {
        self.epoch += 1;
        self.epoch
    }

    fn side(&self, kind: StepKind) -> &Side {
        match kind {
            StepKind::Import | StepKind::Promote | StepKind::AbandonImport => &self.target,
            StepKind::Verify if self.moved => &self.target,
            _ => &self.source,
        }
    }

    /// One delivery of a try: enters the fence, runs the step.
    pub async fn deliver(&self, kind: StepKind, seq: u32, epoch: Epoch, order: Order) -> Outcome {
        self.deliver_until(kind, seq, epoch, order, CancellationToken::new()).await
    }

    /// The same, with a way to ask it to hand itself back.
    pub async fn deliver_until(
        &self,
        kind: StepKind,
        seq: u32,
        epoch: Epoch,
        order: Order,
        interrupt: CancellationToken,
    ) -> Outcome {
        let root = self.side(kind).root.clone();
        let key = StepKey { kind, seq };
        let (fence, ticket) = (root.fence(self.job), Ticket::new(epoch));
        let mut entering = fence.enter(key, ticket, self.floor).unwrap();
        let begun = std::time::Instant::now();
        let entered = loop {
            match entering {
                Entering::Entered(entered) => break entered,
                Entering::Stale => return Err(Stop::Void),
                Entering::Busy => {
                    assert!(begun.elapsed() < ENTER_MAX, "an earlier try does not stop");
                    tokio::time::sleep(Duration::from_millis(2)).await;
                    entering = fence.enter_again(key, ticket).unwrap();
                }
            }
        };
        let context = Context {
            limiter: Limiter::new(root.clone(), self.limits.disk_reserve_bytes),
            root,
            staging: self.staging.clone(),
            buffers: Buffers::new(self.limits.chunk_buffers, self.limits.chunk_bytes),
            limits: Arc::new(self.limits.clone()),
            step: StepRef { job_id: self.job, key, epoch },
            entered: Arc::new(entered),
            interrupt,
            events: Arc::clone(&self.heard) as Arc<dyn Emit>,
            issued_at: chrono::Utc::now(),
            lane: kind.lane(),
            converter: Converter::new(
                Some(tourbus_local::find_tourbus().unwrap()),
                "server2-1".to_owned(),
            ),
        };
        steps::start(context, order).expect("an order of this kind").await
    }

    /// One try of a step, which must succeed.
    pub async fn run(&mut self, kind: StepKind, seq: u32, order: Order) -> StepResult {
        let epoch = self.next_epoch();
        let outcome = self.deliver(kind, seq, epoch, order).await;
        outcome.unwrap_or_else(|stop| panic!("{kind} {seq}: {stop:?}"))
    }

    /// One try of a step, which must fail.
    pub async fn fails(&mut self, kind: StepKind, seq: u32, order: Order) -> JobError {
        let epoch = self.next_epoch();
        match self.deliver(kind, seq, epoch, order).await {
            Err(Stop::Failed(error)) => error,
            other => panic!("{kind} {seq}: {other:?}"),
        }
    }

    /// A try of a step that is killed after `life`, its message delivered again, and so on, until
    /// it comes to its end.
    pub async fn run_dying(
        &mut self,
        kind: StepKind,
        seq: u32,
        order: Order,
        mut life: Duration,
    ) -> StepResult {
        loop {
            // A redelivery has the same epoch, a rescue the next one: both must work.
            let epoch = self.next_epoch();
            for _ in 0..2 {
                let delivered = self.deliver(kind, seq, epoch, order.clone());
                if let Ok(outcome) = timeout(life, delivered).await {
                    return outcome.unwrap_or_else(|stop| panic!("{kind} {seq}: {stop:?}"));
                }
                life += life / 3;
            }
        }
    }

    pub fn export_order(&self) -> Order {
        Order::ExportV1 { artist: self.artist.clone() }
    }

    pub fn import_order(&self, segment: &SegmentRef) -> Order {
        Order::ImportV1 { artist: self.artist.clone(), segment: segment.clone() }
    }

    pub fn sync_order(&self, round: u32) -> Order {
        Order::SyncV1 { artist: self.artist.clone(), round, freeze_lease_s: 60 }
    }

    pub fn promote_order(&self, manifest: &SegmentRef) -> Order {
        Order::PromoteV1 { artist: self.artist.clone(), manifest: manifest.clone() }
    }

    pub fn retire_order(&self) -> Order {
        let new_home_url = "http://server3.example".to_owned();
        Order::RetireV1 { artist: self.artist.clone(), new_home_url, keep_s: 3600 }
    }

    pub async fn export(&mut self) -> Vec<SegmentRef> {
        let order = self.export_order();
        match self.run(StepKind::Export, 0, order).await {
            StepResult::Export { segments } => segments,
            other => panic!("{other:?}"),
        }
    }

    pub async fn import(&mut self, segments: &[SegmentRef]) {
        for segment in segments {
            let order = self.import_order(segment);
            self.run(StepKind::Import, segment.number, order).await;
        }
    }

    /// Segments of the round, and the manifest.
    pub async fn sync(&mut self, round: u32) -> (Vec<SegmentRef>, SegmentRef) {
        let order = self.sync_order(round);
        match self.run(StepKind::Sync, round, order).await {
            StepResult::Sync { segments, manifest, .. } => (segments, manifest),
            other => panic!("{other:?}"),
        }
    }

    pub async fn promote(&mut self, manifest: &SegmentRef) {
        let order = self.promote_order(manifest);
        self.run(StepKind::Promote, manifest.round, order).await;
    }

    pub async fn retire(&mut self) {
        let order = self.retire_order();
        let result = self.run(StepKind::Retire, 0, order).await;
        assert_eq!(result, StepResult::Retire { leftovers: None });
    }

    /// Everything up to and with the first sync's imports; the manifest.
    pub async fn copy(&mut self) -> SegmentRef {
        let segments = self.export().await;
        self.import(&segments).await;
        let (segments, manifest) = self.sync(1).await;
        self.import(&segments).await;
        manifest
    }

    /// What the coordinator does to undo a move: both sides, with a floor above all tries.
    pub async fn abandon(&mut self) {
        self.floor = self.epoch + 1;
        let artist = self.artist.clone();
        let order = Order::AbandonImportV1 { artist: artist.clone() };
        assert_eq!(self.run(StepKind::AbandonImport, 0, order).await, StepResult::AbandonImport);
        let order = Order::AbandonExportV1 { artist };
        let result = self.run(StepKind::AbandonExport, 0, order).await;
        assert_eq!(result, StepResult::AbandonExport { leftovers: None });
    }

    /// The target holds exactly `before`, and the source has set its copy aside.
    pub async fn assert_moved(&self, before: &Snapshot) {
        tree::assert_equal(before, &tree::snapshot(&self.target_tree()).unwrap(), "the target");
        assert!(self.target.root.slug_is(&self.artist.slug, self.artist.id).unwrap());
        assert!(!self.source_tree().exists(), "the source still has the tree");
        let kept = self.source.root.retired(self.job).join("tree");
        tree::assert_equal(before, &tree::snapshot(&kept).unwrap(), "the retired copy");
        let forwarding = std::fs::read_to_string(self.source.root.moved(&self.artist.slug));
        assert_eq!(forwarding.unwrap(), "http://server3.example");
        self.assert_no_leftovers().await;
    }

    /// The source is as it was, the target has nothing.
    pub async fn assert_undone(&self, before: &Snapshot) {
        tree::assert_equal(before, &self.before(), "the source");
        assert!(self.source.root.slug_is(&self.artist.slug, self.artist.id).unwrap());
        assert!(!self.target_tree().exists(), "the target has a tree");
        assert_eq!(self.target.hidden("jobs"), [] as [PathBuf; 0]);
        assert_eq!(self.target.hidden("by-slug"), [] as [PathBuf; 0]);
        self.assert_no_leftovers().await;
    }

    async fn assert_no_leftovers(&self) {
        assert_eq!(self.source.hidden("jobs"), [] as [PathBuf; 0]);
        assert_eq!(self.source.hidden("freezes"), [] as [PathBuf; 0]);
        assert_eq!(self.target.hidden("incoming"), [] as [PathBuf; 0]);
        assert_eq!(self.objects().await, 0, "objects in staging");
    }

    pub async fn objects(&self) -> usize {
        self.staging.list("", None, 1000).await.unwrap().objects.len()
    }
}
