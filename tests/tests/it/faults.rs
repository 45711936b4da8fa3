//! Every process is killed with `kill -9` in every phase of a move; every move ends, and ends well.
//!
//! The kill points are the hold points of the code: the process that reaches one waits there
//! while the victim is killed.

use serde_json::{Value, json};
use std::time::Duration;
use tourbus_tests::support::{Artist, Cluster};
use tourbus_tests::{tree, wait};

/// One or two places in each phase of a move that goes ahead, in order.
const POINTS: [&str; 9] = [
    "export.walked",
    "export.segment_staged",
    "import.fetched",
    "export.done",
    "sync.frozen",
    "promote.verified",
    "promote.renamed",
    "cutover.before_commit",
    "retire.renamed",
];

/// The places where a move is being undone.
const UNDOING: [&str; 2] = ["abandon_import.stopped", "abandon_export.thawed"];

const PATIENCE: Duration = Duration::from_secs(120);

/// A move of one artist from server2 to server3, and the process that is killed in the middle.
struct Case<'a> {
    cluster: &'a Cluster,
    victim: &'a str,
    artist: Artist,
    before: tree::Snapshot,
    plays: Value,
}

impl<'a> Case<'a> {
    async fn new(cluster: &'a Cluster, victim: &'a str, seed: u64) -> Self {
        let artist = cluster.add_artist("server2", |root| tree::odd(root, seed)).await;
        let before = cluster.snapshot("server2", &artist);
        let plays = plays(cluster, &artist).await;
        Self { cluster, victim, artist, before, plays }
    }

    async fn begin(&self) -> String {
        self.cluster.move_all(std::slice::from_ref(&self.artist), "server3").await
    }

    /// The invariants, once the batch has ended. Only the ends in `allowed` will do.
    async fn ends(self, batch: &str, point: &str, allowed: &[&str]) {
        let (cluster, victim) = (self.cluster, self.victim);
        cluster.wait_batch(batch, PATIENCE).await;
        let job = cluster.jobs(batch).await.remove(0);
        let state = job["state"].as_str().unwrap();
        assert!(allowed.contains(&state), "{victim} at {point}: {job}");
        let moved = state == "succeeded";
        let home = if moved { "server3" } else { "server2" };
        let other = if moved { "server2" } else { "server3" };
        assert_eq!(cluster.home(&self.artist).await, home, "{victim} at {point}");
        tree::assert_equal(&self.before, &cluster.snapshot(home, &self.artist), point);
        let second = cluster.tree(other, &self.artist);
        assert!(!second.exists(), "{victim} at {point}: two homes");
        if victim.starts_with("media-") {
            // Started again, which is not yet listening again.
            cluster.ready(victim).await;
        }
        let heard = cluster.hear(&self.artist, "songs/00.mp3").await;
        heard.unwrap_or_else(|e| panic!("{victim} at {point}: cannot be heard: {e:#}"));
        let plays = plays(cluster, &self.artist).await;
        assert_eq!(plays, self.plays, "{victim} at {point}: plays were lost");
        cluster.no_leftovers().await;
    }
}

async fn plays(cluster: &Cluster, artist: &Artist) -> Value {
    let path = format!("/artists/{}", artist.id);
    let look = || async { cluster.api.get(&path).await.ok() };
    let seen = wait::until("web to answer", PATIENCE, look, Option::is_some).await.unwrap();
    let songs = cluster.api.get(&format!("{path}/songs")).await.unwrap();
    json!([seen["plays_total"], seen["plays_30d"], songs["items"][0]["plays_total"]])
}

async fn kill_at_every_point(victim: &str) {
    let cluster = Cluster::start_private(&format!("kill-{victim}")).await;
    while_it_is_queued(&cluster, victim).await;
    for (n, point) in POINTS.into_iter().enumerate() {
        let case = Case::new(&cluster, victim, n as u64).await;
        let hold = cluster.hold(point);
        let batch = case.begin().await;
        hold.reached().await;
        cluster.kill(victim).await;
        hold.release();
        case.ends(&batch, point, &["succeeded", "failed"]).await;
    }
    for (n, point) in UNDOING.into_iter().enumerate() {
        let case = Case::new(&cluster, victim, n as u64).await;
        let (copying, undoing) = (cluster.hold("import.fetched"), cluster.hold(point));
        let batch = case.begin().await;
        copying.reached().await;
        let (status, body) =
            cluster.api.post(&format!("/batches/{batch}/cancel"), &json!({})).await.unwrap();
        assert!((200..300).contains(&status), "{status} {body}");
        copying.release();
        undoing.reached().await;
        cluster.kill(victim).await;
        undoing.release();
        case.ends(&batch, point, &["cancelled"]).await;
    }
    cluster.finish().await;
}

/// The message stands on its lane, and nobody has taken it yet.
async fn while_it_is_queued(cluster: &Cluster, victim: &str) {
    let case = Case::new(cluster, victim, 99).await;
    cluster.pause("worker-server2-1");
    let batch = case.begin().await;
    let depth = || cluster.messages_on("server2", "export");
    // Rescue may send it again to a worker that does not stir.
    wait::until("the message on its lane", PATIENCE, depth, |n| *n >= 1).await;
    let still = cluster.pid("worker-server2-1");
    cluster.kill(victim).await;
    if cluster.pid("worker-server2-1") == still {
        cluster.resume("worker-server2-1");
    }
    case.ends(&batch, "queued", &["succeeded", "failed"]).await;
}

macro_rules! victims {
    ($($name:ident: $victim:literal,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                kill_at_every_point($victim).await;
            }
        )*
    };
}

victims! {
    source_worker: "worker-server2-1",
    target_worker: "worker-server3-1",
    coordinator: "coordinator",
    web: "web",
    source_media: "media-server2",
    target_media: "media-server3",
    rabbitmq: "rabbitmq",
    postgres: "postgres",
    staging: "staging",
}
