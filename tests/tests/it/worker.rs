//! One worker on a real broker and a real store; the test is its coordinator.

use crate::{
    rabbit::{PATIENCE, Rabbit, connect, until, until_depth},
    steps::rig::staging_config,
};
use chrono::{TimeDelta, Utc};
use std::{fs, path::PathBuf, time::Duration};
use tempfile::TempDir;
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;
use tourbus_broker::{Broker, Deliveries, Publication};
use tourbus_config::{HealthConfig, Slots, StagingConfig, WorkerConfig, WorkerLimits};
use tourbus_domain::{ArtistId, Epoch, JobId, Lane, Slug, StepKey, StepKind, StepResult};
use tourbus_mediaroot::MediaRoot;
use tourbus_protocol::{
    ArtistRef, Event, EventBody, Heartbeat, Order, Signer, Work,
    names::{self, DEAD_QUEUE, EVENTS_QUEUE},
};
use tourbus_tests::{slow::SlowLine, tree};
use tourbus_worker::WorkerError;
use uuid::Uuid;

const EXPORT: StepKey = StepKey { kind: StepKind::Export, seq: 0 };
const SLOW_BYTES_PER_S: u32 = 20 << 20;

struct Rig {
    rabbit: Rabbit,
    master: Broker,
    events: Deliveries,
    signer: Signer,
    root: TempDir,
    artist: ArtistRef,
    job: JobId,
    shutdown: CancellationToken,
    worker: JoinHandle<Result<(), WorkerError>>,
    _line: Option<SlowLine>,
}

impl Rig {
    async fn start(files: u64, bytes: u64, limits: WorkerLimits) -> Self {
        let prefix = format!("worker-{}/", Uuid::new_v4().simple());
        Self::staged(files, bytes, limits, staging_config(prefix), None).await
    }

    /// As a try that takes as long on any machine: [`SLOW_BYTES_PER_S`] to the staging server.
    async fn start_slow(bytes: u64, limits: WorkerLimits) -> Self {
        let mut staging = staging_config(format!("worker-{}/", Uuid::new_v4().simple()));
        let server = staging.endpoint.strip_prefix("http://").unwrap().to_owned();
        let line = SlowLine::to(&server, SLOW_BYTES_PER_S).await.unwrap();
        staging.endpoint = format!("http://{}", line.address());
        Self::staged(1, bytes, limits, staging, Some(line)).await
    }

    async fn staged(
        files: u64,
        bytes: u64,
        limits: WorkerLimits,
        staging: StagingConfig,
        line: Option<SlowLine>,
    ) -> Self {
        let rabbit = Rabbit::start().await;
        let master = connect(&rabbit.coordinator()).await;
        let events = master.consume(EVENTS_QUEUE, 50, "test");
        let signer = Signer::from_bytes(&[7; 32]);
        let root = tempfile::tempdir().unwrap();
        let artist = ArtistRef { id: ArtistId::new(), slug: "the-artist".parse().unwrap() };
        let tree = MediaRoot::new(root.path()).tree(artist.id);
        fs::create_dir(&tree).unwrap();
        tree::plain(&tree, 1, files, bytes).unwrap();
        let server = rabbit.servers[0].clone();
        let config = WorkerConfig {
            worker: format!("{server}-1"),
            media_root: root.path().to_owned(),
            health: HealthConfig { listen: "127.0.0.1:0".parse().unwrap() },
            broker: rabbit.server(&server),
            staging,
            master_public_keys: vec![signer.public_key_hex()],
            slots: Slots::default(),
            limits,
            converter: None,
            telemetry: tourbus_config::TelemetryConfig::default(),
            allow_unencrypted: Vec::new(),
            server,
        };
        let shutdown = CancellationToken::new();
        let worker = tokio::spawn(tourbus_worker::run(config, shutdown.clone()));
        let job = JobId::new();
        Self { rabbit, master, events, signer, root, artist, job, shutdown, worker, _line: line }
    }

    fn server(&self) -> &Slug {
        &self.rabbit.servers[0]
    }

    fn work(&self, key: StepKey, epoch: Epoch, order: Order) -> Work {
        Work {
            id: Uuid::now_v7(),
            server: self.server().clone(),
            job_id: self.job,
            key,
            epoch,
            floor: 0,
            issued_at: Utc::now(),
            expires_at: Utc::now() + TimeDelta::hours(1),
            order,
            trace: None,
        }
    }

    async fn publish(&self, lane: Lane, body: Vec<u8>) {
        let publication = Publication {
            exchange: names::WORK_EXCHANGE.to_owned(),
            routing_key: names::work_key(self.server(), lane),
            body,
            message_id: Uuid::now_v7(),
            kind: "work",
        };
        self.master.publisher().publish(publication).await.unwrap();
    }

    async fn order(&self, lane: Lane, key: StepKey, epoch: Epoch, order: Order) {
        let body = self.signer.sign(&self.work(key, epoch, order)).unwrap();
        self.publish(lane, body).await;
    }

    async fn export(&self, epoch: Epoch) {
        let order = Order::ExportV1 { artist: self.artist.clone() };
        self.order(Lane::Export, EXPORT, epoch, order).await;
    }

    /// Events until one that `last` is true of; that one included.
    async fn hear(&mut self, mut last: impl FnMut(&EventBody) -> bool) -> Vec<EventBody> {
        let mut heard = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let next = tokio::time::timeout_at(deadline, self.events.next()).await;
            let Ok(Some(delivery)) = next else { panic!("not in time; heard {heard:#?}") };
            let event: Event = serde_json::from_slice(&delivery.body).unwrap();
            assert_eq!(names::server_of_event_key(&delivery.routing_key), Some(event.server));
            delivery.ack().await.unwrap();
            let found = last(&event.body);
            heard.push(event.body);
            if found {
                return heard;
            }
        }
    }

    async fn heartbeat(&mut self) -> Heartbeat {
        let heard = self.hear(|b| matches!(b, EventBody::Heartbeat(_))).await;
        match heard.into_iter().next_back() {
            Some(EventBody::Heartbeat(heartbeat)) => heartbeat,
            other => panic!("{other:?}"),
        }
    }

    /// Asks the worker to end, and how long that took.
    async fn stop(&mut self) -> Duration {
        let begun = Instant::now();
        self.shutdown.cancel();
        let ended = timeout(Duration::from_secs(25), &mut self.worker).await;
        ended.expect("the worker does not end").unwrap().unwrap();
        begun.elapsed()
    }

    async fn finish(mut self) {
        if !self.worker.is_finished() {
            self.stop().await;
        }
        for lane in [Lane::Export, Lane::Import, Lane::Upkeep] {
            until_depth(&self.master, &self.rabbit.lane(lane), 0).await;
        }
        self.events.stop().await;
        self.master.close().await;
        self.rabbit.finish().await;
    }

    fn job_dir(&self) -> PathBuf {
        MediaRoot::new(self.root.path()).job(self.job)
    }
}

fn limits() -> WorkerLimits {
    WorkerLimits {
        chunk_bytes: 1 << 20,
        chunk_buffers: 1,
        segment_bytes: 4 << 20,
        heartbeat_ms: 100,
        ..WorkerLimits::default()
    }
}

fn is_done(body: &EventBody) -> bool {
    matches!(body, EventBody::Done { .. })
}

fn is_end(body: &EventBody) -> bool {
    matches!(body, EventBody::Done { .. } | EventBody::Failed { .. } | EventBody::Yielded { .. })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_obeys_tells_and_acknowledges() {
    let mut rig = Rig::start(3, 2_500_000, limits()).await;
    let heartbeat = rig.heartbeat().await;
    assert!(heartbeat.running.is_empty());
    assert!(heartbeat.free_bytes > 0 && heartbeat.total_bytes >= heartbeat.free_bytes);
    assert_eq!(heartbeat.pid, std::process::id());

    rig.export(5).await;
    // The end of a try may overtake what it told on the way.
    let (mut done, mut told) = (None, None);
    let heard = rig.hear(|body| {
        match body {
            EventBody::Done { .. } => done = Some(body.clone()),
            EventBody::Progress { totals: Some(totals), .. } => told = Some(*totals),
            _ => {}
        }
        done.is_some() && told.is_some()
    });
    let heard = heard.await;
    let Some(EventBody::Done { step, result: StepResult::Export { segments } }) = done else {
        panic!("{heard:?}")
    };
    assert_eq!((step.job_id, step.key, step.epoch), (rig.job, EXPORT, 5));
    assert_eq!(segments.iter().map(|s| s.bytes).sum::<u64>(), 7_500_000);
    let started = |b: &EventBody| matches!(b, EventBody::Started { .. });
    assert_eq!(heard.iter().filter(|b| started(b)).count(), 1);
    assert_eq!(told.map(|t| (t.files, t.bytes)), Some((3, 7_500_000)));

    // Repeated, older, and called off before it comes: no word about any of them.
    rig.export(5).await;
    rig.export(4).await;
    rig.order(Lane::Upkeep, EXPORT, 6, Order::VoidV1).await;
    until_depth(&rig.master, &rig.rabbit.lane(Lane::Upkeep), 0).await;
    until("the fence", async || rig.fence_says("00000000000000000007"), |s| *s).await;
    rig.export(6).await;
    rig.export(7).await;
    let heard = rig.hear(is_end).await;
    let tried = heard.iter().filter(|b| started(b) || is_end(b));
    let epochs: Vec<Epoch> = tried.filter_map(EventBody::step).map(|s| s.epoch).collect();
    assert_eq!(epochs, [7, 7], "{heard:#?}");
    rig.finish().await;
}

impl Rig {
    fn fence_says(&self, text: &str) -> bool {
        let dir = MediaRoot::new(self.root.path()).fence_dir(self.job);
        fs::read_to_string(dir.join("export-0")).is_ok_and(|t| t.contains(text))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_signed_for_this_server_goes_to_the_dead_letters() {
    let mut rig = Rig::start(1, 10, limits()).await;
    rig.heartbeat().await;
    rig.publish(Lane::Export, b"not even JSON".to_vec()).await;
    let order = Order::ExportV1 { artist: rig.artist.clone() };
    let forged = Signer::from_bytes(&[8; 32]).sign(&rig.work(EXPORT, 1, order.clone())).unwrap();
    rig.publish(Lane::Export, forged).await;
    let mut work = rig.work(EXPORT, 1, order.clone());
    work.server = rig.rabbit.servers[1].clone();
    rig.publish(Lane::Export, rig.signer.sign(&work).unwrap()).await;
    let mut work = rig.work(EXPORT, 1, order);
    work.expires_at = Utc::now() - TimeDelta::seconds(1);
    rig.publish(Lane::Upkeep, rig.signer.sign(&work).unwrap()).await;
    until_depth(&rig.master, DEAD_QUEUE, 4).await;
    assert!(!rig.job_dir().exists());
    // And nobody is stopped by them.
    rig.export(2).await;
    rig.hear(is_done).await;
    rig.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_ends_hands_back_what_it_has_not_finished() {
    let mut rig = Rig::start_slow(60 << 20, limits()).await;
    rig.export(1).await;
    rig.hear(|b| matches!(b, EventBody::Staged { .. })).await;
    let held = rig.heartbeat().await.running;
    assert_eq!(held.iter().map(|s| (s.key, s.epoch)).collect::<Vec<_>>(), [(EXPORT, 1)]);
    let took = rig.stop().await;
    assert!(took < Duration::from_secs(10), "it took {took:?}");
    let heard = rig.hear(is_end).await;
    assert!(
        matches!(heard.last(), Some(EventBody::Yielded { reason, .. }) if reason == "shutdown"),
        "{heard:#?}"
    );
    rig.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_delivery_is_held_for_longer_than_allowed() {
    let limits = WorkerLimits { delivery_hold_s: 1, ..limits() };
    let mut rig = Rig::start_slow(60 << 20, limits).await;
    let mut yields = 0;
    for epoch in 1.. {
        rig.export(epoch).await;
        match rig.hear(is_end).await.pop() {
            Some(EventBody::Yielded { reason, .. }) => assert_eq!(reason, "continues"),
            Some(EventBody::Done { result: StepResult::Export { segments }, .. }) => {
                assert_eq!(segments.iter().map(|s| s.bytes).sum::<u64>(), 60 << 20);
                break;
            }
            other => panic!("{other:?}"),
        }
        yields += 1;
        assert!(yields < 50, "it does not get on");
    }
    assert!(yields > 0, "it was never handed back");
    rig.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_costs_no_step() {
    let mut rig = Rig::start_slow(200 << 20, limits()).await;
    rig.export(1).await;
    rig.hear(|b| matches!(b, EventBody::Staged { .. })).await;
    let user = rig.rabbit.server(rig.server()).user;
    rig.rabbit.close_connections_of(&user).await;
    let heard = rig.hear(is_end).await;
    assert!(is_done(heard.last().unwrap()), "{heard:#?}");
    rig.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_names_the_file_and_the_remedy() {
    let mut rig = Rig::start(1, 10, limits()).await;
    let tree = MediaRoot::new(rig.root.path()).tree(rig.artist.id);
    let _socket = std::os::unix::net::UnixListener::bind(tree.join("socket")).unwrap();
    rig.export(1).await;
    let heard = rig.hear(is_end).await;
    let Some(EventBody::Failed { error, .. }) = heard.last() else { panic!("{heard:#?}") };
    assert_eq!((error.code.as_str(), error.path.as_deref()), ("file_special", Some("socket")));
    assert!(!error.remedy.is_empty());
    rig.finish().await;
}
