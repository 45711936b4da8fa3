//! Every process is killed with `kill -9` in every phase of a move; every move ends, and ends well.
//!
//! The kill points are the hold points of the code: the process that reaches one waits there
//! while the victim is killed.

use std::time::Duration;
use tourbus_tests::support::Cluster;
use tourbus_tests::tree;

/// One or two places in each phase of a move, in order.
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

const PATIENCE: Duration = Duration::from_secs(120);

async fn kill_at_every_point(victim: &str) {
    let cluster = Cluster::start_private(&format!("kill-{victim}")).await;
    for (n, point) in POINTS.into_iter().enumerate() {
        let artist = cluster.add_artist("server2", |root| tree::odd(root, n as u64)).await;
        let before = cluster.snapshot("server2", &artist);
        let hold = cluster.hold(point);
        let batch = cluster.move_all(std::slice::from_ref(&artist), "server3").await;
        hold.reached().await;
        cluster.kill(victim).await;
        hold.release();
        cluster.wait_batch(&batch, PATIENCE).await;
        let job = cluster.jobs(&batch).await.remove(0);
        let moved = job["state"] == "succeeded";
        assert!(moved || job["state"] == "failed", "{victim} at {point}: {job}");
        let home = if moved { "server3" } else { "server2" };
        let other = if moved { "server2" } else { "server3" };
        assert_eq!(cluster.home(&artist).await, home, "{victim} at {point}");
        tree::assert_equal(&before, &cluster.snapshot(home, &artist), point);
        assert!(!cluster.tree(other, &artist).exists(), "{victim} at {point}: two homes");
        let heard = cluster.hear(&artist, "songs/00.mp3").await;
        heard.unwrap_or_else(|e| panic!("{victim} at {point}: cannot be heard: {e:#}"));
        cluster.no_leftovers().await;
    }
    cluster.finish().await;
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
