use super::*;
use tourbus_domain::StepKind;

const EXPORT: StepKey = StepKey { kind: StepKind::Export, seq: 0 };
const ABANDON: StepKey = StepKey { kind: StepKind::AbandonExport, seq: 0 };

fn fence() -> (tempfile::TempDir, Fence) {
    let dir = tempfile::tempdir().unwrap();
    let fence = Fence::at(dir.path().join("job"));
    (dir, fence)
}

fn entered(entering: Entering) -> Entered {
    match entering {
        Entering::Entered(entered) => entered,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_older_try_is_stale() {
    let (_dir, fence) = fence();
    drop(entered(fence.enter(EXPORT, Ticket::new(5), 0).unwrap()));
    assert!(matches!(fence.enter(EXPORT, Ticket::new(4), 0).unwrap(), Entering::Stale));
    drop(entered(fence.enter(EXPORT, Ticket::new(5), 0).unwrap()));
}

#[test]
fn the_next_try_voids_the_one_before_and_waits_for_it() {
    let (_dir, fence) = fence();
    let older = entered(fence.enter(EXPORT, Ticket::new(1), 0).unwrap());
    assert_eq!(older.check(), Ok(()));
    let ticket = Ticket::new(2);
    assert!(matches!(fence.enter(EXPORT, ticket, 0).unwrap(), Entering::Busy));
    assert_eq!(older.check(), Err(Void));
    assert!(matches!(fence.enter_again(EXPORT, ticket).unwrap(), Entering::Busy));
    drop(older);
    let newer = entered(fence.enter_again(EXPORT, ticket).unwrap());
    assert_eq!(newer.check(), Ok(()));
}

#[test]
fn a_repeated_delivery_takes_over() {
    let (_dir, fence) = fence();
    let first = entered(fence.enter(EXPORT, Ticket::new(3), 0).unwrap());
    let (second, third) = (Ticket::new(3), Ticket::new(3));
    assert!(matches!(fence.enter(EXPORT, second, 0).unwrap(), Entering::Busy));
    assert!(matches!(fence.enter(EXPORT, third, 0).unwrap(), Entering::Busy));
    assert_eq!(first.check(), Err(Void));
    drop(first);
    assert!(matches!(fence.enter_again(EXPORT, second).unwrap(), Entering::Stale));
    entered(fence.enter_again(EXPORT, third).unwrap()).check().unwrap();
}

#[test]
fn the_floor_voids_all_steps_and_knows_when_they_have_stopped() {
    let (_dir, fence) = fence();
    let running = entered(fence.enter(EXPORT, Ticket::new(7), 0).unwrap());
    let own = entered(fence.enter(ABANDON, Ticket::new(9), 8).unwrap());
    assert_eq!(running.check(), Err(Void));
    assert!(fence.is_busy(ABANDON).unwrap());
    drop(running);
    assert!(!fence.is_busy(ABANDON).unwrap());
    fence.raise_floor(9).unwrap();
    assert_eq!(own.check(), Ok(()));
    assert!(matches!(fence.enter(EXPORT, Ticket::new(7), 0).unwrap(), Entering::Stale));
    assert!(matches!(fence.enter(EXPORT, Ticket::new(8), 0).unwrap(), Entering::Stale));
}

#[test]
fn voiding_hits_one_try_of_one_step() {
    let (_dir, fence) = fence();
    let running = entered(fence.enter(EXPORT, Ticket::new(4), 0).unwrap());
    let import = StepKey { kind: StepKind::Import, seq: 1 };
    let other = entered(fence.enter(import, Ticket::new(3), 0).unwrap());
    fence.void(EXPORT, 4, 0).unwrap();
    assert_eq!(running.check(), Err(Void));
    assert_eq!(other.check(), Ok(()));
    drop(running);
    assert!(matches!(fence.enter(EXPORT, Ticket::new(4), 0).unwrap(), Entering::Stale));
    drop(entered(fence.enter(EXPORT, Ticket::new(5), 0).unwrap()));
}

/// The lock must be the process's to lose: a worker that is killed frees it.
#[test]
fn a_killed_process_frees_its_step() {
    let (dir, fence) = fence();
    drop(entered(fence.enter(EXPORT, Ticket::new(1), 0).unwrap()));
    let step = dir.path().join("job/export-0");
    let mut holder = std::process::Command::new("flock")
        .arg("-x")
        .arg(&step)
        .args(["-c", "echo held; exec sleep 60"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0; 5];
    std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut said).unwrap();
    let ticket = Ticket::new(1);
    assert!(matches!(fence.enter(EXPORT, ticket, 0).unwrap(), Entering::Busy));
    // util-linux's flock forks: its child holds the descriptor as well.
    let children = format!("/proc/{0}/task/{0}/children", holder.id());
    for child in std::fs::read_to_string(children).unwrap().split_whitespace() {
        let pid = rustix::process::Pid::from_raw(child.parse().unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
    holder.kill().unwrap();
    holder.wait().unwrap();
    let mut tries = 0;
    while matches!(fence.enter_again(EXPORT, ticket).unwrap(), Entering::Busy) {
        tries += 1;
        assert!(tries < 100_000, "the lock is still held");
    }
}

#[test]
fn one_at_a_time_among_many_threads() {
    let (_dir, fence) = fence();
    let inside = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|scope| {
        for epoch in 1..=8 {
            let (fence, inside) = (&fence, &inside);
            scope.spawn(move || {
                let ticket = Ticket::new(epoch);
                let mut entering = fence.enter(EXPORT, ticket, 0).unwrap();
                loop {
                    match entering {
                        Entering::Entered(entered) => {
                            use std::sync::atomic::Ordering::SeqCst;
                            assert_eq!(inside.fetch_add(1, SeqCst), 0);
                            inside.fetch_sub(1, SeqCst);
                            drop(entered);
                            return;
                        }
                        Entering::Stale => return,
                        Entering::Busy => entering = fence.enter_again(EXPORT, ticket).unwrap(),
                    }
                }
            });
        }
    });
}
