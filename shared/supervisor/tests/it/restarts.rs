//! What dies is started again.

use crate::stage::{Bench, Never, WAIT_MAX, lives, shell, until};
use std::time::{Duration, Instant};
use tourbus_supervisor::{Stage, SupervisorError};

const FOREVER: &str = "echo ready; exec sleep 1000";

#[tokio::test]
async fn a_killed_process_comes_back_with_its_name_and_another_id() {
    let bench = Bench::new();
    let old = bench.start("one", Stage::Services, FOREVER).await;
    assert_eq!(bench.processes(), [("one".to_owned(), old)]);
    let begun = Instant::now();
    bench.supervisor.kill("one").unwrap();
    let new = bench.supervisor.restarted("one", old, WAIT_MAX).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2), "took {:?}", begun.elapsed());
    assert_eq!(bench.processes(), [("one".to_owned(), new)]);
    assert!(!lives(old) && lives(new));
    let status = bench.supervisor.status("one").unwrap();
    assert_eq!(status.last_exit.as_deref(), Some("was killed by signal 9"));
    bench.supervisor.stop().await.unwrap();
}

#[tokio::test]
async fn a_process_that_keeps_dying_is_given_up_with_its_last_words() {
    let bench = Bench::new();
    bench.supervisor.start(shell("sick", "echo no such table; exit 3"));
    let error = bench.supervisor.ready("sick", &Never, WAIT_MAX).await.unwrap_err();
    assert!(matches!(error, SupervisorError::Died { times: 5.., .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("no such table") && text.contains("exit code 3"), "{text}");
    bench.supervisor.stop().await.unwrap();
}

#[tokio::test]
async fn restarts_slow_down() {
    let bench = Bench::new();
    let begun = Instant::now();
    bench.supervisor.start(shell("sick", "exit 1"));
    let starts = || bench.supervisor.status("sick").unwrap().starts;
    until("it was started four times", || starts() >= 4).await;
    // Three waits of at least 200 ms each.
    assert!(begun.elapsed() >= Duration::from_millis(600), "took {:?}", begun.elapsed());
    bench.supervisor.stop().await.unwrap();
}

#[tokio::test]
async fn a_program_that_is_missing_is_named() {
    let bench = Bench::new();
    let spec = tourbus_supervisor::ChildSpec::new("ghost", "/no/such/program");
    bench.supervisor.start(spec);
    let error = bench.supervisor.ready("ghost", &Never, WAIT_MAX).await.unwrap_err().to_string();
    assert!(error.contains("/no/such/program"), "{error}");
    bench.supervisor.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_held_down_stays_down_until_it_is_resumed() {
    let bench = Bench::new();
    let old = bench.start("one", Stage::Services, FOREVER).await;
    bench.supervisor.kill_and_hold("one").await.unwrap();
    assert!(!lives(old) && bench.supervisor.pid("one").is_none());
    assert_eq!(bench.processes(), []);
    bench.supervisor.resume("one").unwrap();
    let new = bench.supervisor.restarted("one", old, WAIT_MAX).await.unwrap();
    assert!(lives(new));
    bench.supervisor.stop().await.unwrap();
}
