//! Everything ends, in order.

use crate::stage::{Bench, lives, read};
use std::time::{Duration, Instant};
use tourbus_supervisor::{ChildSpec, Stage};

#[tokio::test]
async fn services_stop_before_the_parts_they_stand_on() {
    let bench = Bench::new();
    let order = bench.path("order");
    let stages = [
        ("mapper", Stage::Mapper),
        ("database", Stage::Database),
        ("broker", Stage::Broker),
        ("staging", Stage::Staging),
        ("service", Stage::Services),
    ];
    for (name, stage) in stages {
        let script = format!(
            "trap 'sleep 0.05; echo {name} >> {}; exit' TERM; echo ready; while :; do sleep 0.02; done",
            order.display()
        );
        bench.start(name, stage, &script).await;
    }
    assert_eq!(bench.processes().len(), 5);
    bench.supervisor.stop().await.unwrap();
    assert_eq!(read(&order), "service\nstaging\nbroker\ndatabase\nmapper\n");
    assert_eq!(bench.processes(), []);
}

#[tokio::test]
async fn who_does_not_stop_is_killed() {
    let bench = Bench::new();
    let script = "trap '' TERM; echo ready; while :; do sleep 0.02; done";
    let spec = crate::stage::shell("deaf", script);
    bench.supervisor.start(ChildSpec { stop_wait: Duration::from_millis(300), ..spec });
    let log = bench.path("deaf.log");
    crate::stage::until("it is ready", || read(&log).contains("ready")).await;
    let pid = bench.supervisor.pid("deaf").unwrap();
    let begun = Instant::now();
    bench.supervisor.stop().await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(300) && !lives(pid));
}

#[tokio::test]
async fn a_stop_in_the_middle_of_restarts_ends_them() {
    let bench = Bench::new();
    bench.supervisor.start(crate::stage::shell("sick", "exit 1"));
    let starts = || bench.supervisor.status("sick").unwrap().starts;
    crate::stage::until("it was started", || starts() >= 2).await;
    bench.supervisor.stop().await.unwrap();
    assert!(bench.supervisor.names().is_empty());
}

#[tokio::test]
async fn a_dropped_supervisor_kills() {
    let bench = Bench::new();
    let pid = bench.start("one", Stage::Services, "trap '' TERM; echo ready; sleep 1000").await;
    drop(bench);
    crate::stage::until("it is dead", || !lives(pid)).await;
}

#[tokio::test]
async fn a_signal_that_came_too_early_is_sent_again() {
    let bench = Bench::new();
    let script =
        "trap '' TERM; echo ready; sleep 0.8; trap 'exit 0' TERM; while :; do sleep 0.02; done";
    bench.start("early", Stage::Services, script).await;
    let begun = Instant::now();
    bench.supervisor.stop().await.unwrap();
    // Well before the five seconds after which it would be killed.
    assert!(begun.elapsed() < Duration::from_secs(3), "took {:?}", begun.elapsed());
}
