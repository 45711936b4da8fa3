//! A supervisor that is killed leaves nothing behind.

use crate::stage::{lives, processes, shell, supervisor, until};
use std::process::{Command, Stdio};
use tourbus_supervisor::Stage;

/// Tells the helper where to work; a test without it was not started by a test.
const DIR: &str = "TOURBUS_ORPHANS_DIR";

#[tokio::test]
async fn a_killed_supervisor_leaves_no_child() {
    let dir = tempfile::tempdir().unwrap();
    let mut helper = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "orphans::helper", "--ignored"])
        .env(DIR, dir.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until("all children run", || processes(dir.path()).len() == 3).await;
    let pids = processes(dir.path());
    assert!(pids.iter().all(|(_, pid)| lives(*pid)));
    helper.kill().unwrap();
    helper.wait().unwrap();
    until(&format!("all of {pids:?} are gone"), || pids.iter().all(|(_, p)| !lives(*p))).await;
}

#[test]
#[ignore = "the supervisor that the test above starts and kills"]
fn helper() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    // Started from a thread of the blocking pool, which ends long before the children do.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let supervisor = supervisor(std::path::Path::new(&dir));
    runtime.block_on(async {
        let starter = supervisor.clone();
        let start = move || {
            for name in ["a", "b"] {
                starter.start(shell(name, "trap '' TERM HUP INT; exec sleep 1000"));
            }
        };
        tokio::task::spawn_blocking(start).await.unwrap();
        supervisor.start(tourbus_supervisor::ChildSpec {
            stage: Stage::Database,
            ..shell("c", "while :; do sleep 0.1; done")
        });
        std::future::pending::<()>().await;
    });
}
