//! The worker's steps on a real store, without a broker: whatever happens between and inside
//! them, the tree arrives byte for byte, or nothing has happened.

mod lofi;
pub mod rig;
mod verify;

use rig::Rig;
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    time::Duration,
};
use tokio_util::sync::CancellationToken;
use tourbus_domain::{ErrorClass, StepKind, StepResult};
use tourbus_tests::tree;
use tourbus_worker::context::Stop;

/// Odd names and a file of several chunks.
fn mixed(root: &Path) -> std::io::Result<()> {
    tree::odd(root, 3)?;
    tree::write_noise(&root.join("songs/long.mp3"), 8, 900_001)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_moves_byte_for_byte() {
    let mut rig = Rig::new(mixed);
    fs::set_permissions(rig.source_tree().join("empty/inner"), fs::Permissions::from_mode(0o500))
        .unwrap();
    fs::set_permissions(rig.source_tree(), fs::Permissions::from_mode(0o555)).unwrap();
    let before = rig.before();
    let segments = rig.export().await;
    assert!(segments.len() > 3, "{} segments", segments.len());
    assert_eq!(rig.heard.staged(), segments, "each was announced");
    rig.import(&segments).await;
    assert!(!rig.target_tree().exists());
    let (changed, manifest) = rig.sync(1).await;
    assert_eq!(changed, []);
    assert!(rig.source.root.frozen(rig.artist.id, chrono::Utc::now()).unwrap().is_some());
    rig.promote(&manifest).await;
    rig.retire().await;
    rig.assert_moved(&before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_tree_moves() {
    let mut rig = Rig::new(|_| Ok(()));
    let before = rig.before();
    let manifest = rig.copy().await;
    rig.promote(&manifest).await;
    rig.retire().await;
    rig.assert_moved(&before).await;
}

fn change(root: &Path) {
    tree::write_noise(&root.join("songs/new.mp3"), 99, 123_456).unwrap();
    tree::write_noise(&root.join("songs/00.mp3"), 98, 10).unwrap();
    fs::remove_file(root.join("songs/02.mp3")).unwrap();
    fs::remove_dir(root.join("empty/inner/.hidden")).unwrap();
    fs::remove_file(root.join("zero bytes")).unwrap();
    fs::create_dir(root.join("zero bytes")).unwrap();
    fs::remove_dir_all(root.join("images")).unwrap();
    tree::write_noise(&root.join("images"), 97, 70_000).unwrap();
    fs::remove_file(root.join("latest")).unwrap();
    symlink("songs/new.mp3", root.join("latest")).unwrap();
    fs::set_permissions(root.join(".htaccess"), fs::Permissions::from_mode(0o604)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_after_the_export_arrives() {
    let mut rig = Rig::new(mixed);
    let segments = rig.export().await;
    rig.import(&segments).await;
    change(&rig.source_tree());
    let before = rig.before();
    let (changed, manifest) = rig.sync(1).await;
    assert!(!changed.is_empty());
    rig.import(&changed).await;
    rig.promote(&manifest).await;
    rig.retire().await;
    rig.assert_moved(&before).await;
}

/// The freeze ran out before the cutover: another round, on a tree that was promoted already.
#[tokio::test(flavor = "multi_thread")]
async fn another_round_after_the_promotion_arrives() {
    let mut rig = Rig::new(mixed);
    let manifest = rig.copy().await;
    rig.promote(&manifest).await;
    assert!(rig.target_tree().exists());
    change(&rig.source_tree());
    let before = rig.before();
    let (changed, manifest) = rig.sync(2).await;
    rig.import(&changed).await;
    assert!(!rig.target_tree().exists(), "a tree in its place is whole");
    rig.promote(&manifest).await;
    rig.retire().await;
    rig.assert_moved(&before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_round_without_changes_arrives() {
    let mut rig = Rig::new(mixed);
    let before = rig.before();
    let manifest = rig.copy().await;
    rig.promote(&manifest).await;
    let (changed, manifest) = rig.sync(2).await;
    assert_eq!(changed, []);
    rig.promote(&manifest).await;
    rig.retire().await;
    rig.assert_moved(&before).await;
}

/// Each step is cut off again and again, after lives of every length.
#[tokio::test(flavor = "multi_thread")]
async fn steps_that_die_are_taken_up_again() {
    for start_ms in [1, 3, 7, 12] {
        let life = Duration::from_millis(start_ms);
        let mut rig = Rig::new(mixed);
        let before = rig.before();
        let order = rig.export_order();
        let StepResult::Export { segments } = rig.run_dying(StepKind::Export, 0, order, life).await
        else {
            panic!("no export")
        };
        for segment in &segments {
            let order = rig.import_order(segment);
            rig.run_dying(StepKind::Import, segment.number, order, life).await;
        }
        let order = rig.sync_order(1);
        let StepResult::Sync { segments, manifest, .. } =
            rig.run_dying(StepKind::Sync, 1, order, life).await
        else {
            panic!("no sync")
        };
        rig.import(&segments).await;
        let order = rig.promote_order(&manifest);
        rig.run_dying(StepKind::Promote, 1, order, life).await;
        let order = rig.retire_order();
        rig.run_dying(StepKind::Retire, 0, order, life).await;
        rig.assert_moved(&before).await;
        assert_eq!(rig.heard.notices(), [""; 0], "nobody else wrote");
    }
}

/// What was staged before a crash is not staged again.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_export_goes_on_where_it_was() {
    let mut rig = Rig::new(|root| tree::plain(root, 4, 1, 3 << 20));
    let interrupt = CancellationToken::new();
    let epoch = rig.next_epoch();
    let order = rig.export_order();
    let exporting = rig.deliver_until(StepKind::Export, 0, epoch, order, interrupt.clone());
    let interrupting = async {
        while rig.heard.staged().len() < 3 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        interrupt.cancel();
    };
    let (outcome, ()) = tokio::join!(exporting, interrupting);
    assert_eq!(outcome, Err(Stop::Interrupted));
    let staged: u64 = rig.heard.staged().iter().map(|s| s.bytes).sum();
    assert!(staged < 3 << 20, "it was not interrupted");
    let segments = rig.export().await;
    assert_eq!(segments.iter().map(|s| s.bytes).sum::<u64>(), 3 << 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_on_the_targets_disk_is_mended() {
    let mut rig = Rig::new(mixed);
    let before = rig.before();
    let manifest = rig.copy().await;
    let incoming = rig.incoming();
    let song = incoming.join("songs/long.mp3");
    let mut bytes = fs::read(&song).unwrap();
    bytes[700_000] ^= 1;
    bytes.extend_from_slice(b"too long");
    fs::write(&song, bytes).unwrap();
    fs::OpenOptions::new()
        .write(true)
        .open(incoming.join("songs/00.mp3"))
        .unwrap()
        .set_len(1_000)
        .unwrap();
    fs::remove_file(incoming.join("songs/01.mp3")).unwrap();
    fs::create_dir(incoming.join("songs/01.mp3")).unwrap();
    fs::write(incoming.join("songs/01.mp3/inside"), b"x").unwrap();
    fs::remove_file(incoming.join("songs/02.mp3")).unwrap();
    symlink("/etc/passwd", incoming.join("songs/02.mp3")).unwrap();
    fs::create_dir_all(incoming.join("extra/dir")).unwrap();
    fs::write(incoming.join("extra/dir/file"), b"x").unwrap();
    fs::write(incoming.join(".htaccess"), b"").unwrap();
    rig.promote(&manifest).await;
    rig.retire().await;
    rig.assert_moved(&before).await;
    assert!(fs::read("/etc/passwd").unwrap().starts_with(b"root"), "a symlink was followed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_staged_object_that_lies_is_found_out() {
    use tourbus_staging::Staging;
    let mut rig = Rig::new(mixed);
    let segments = rig.export().await;
    let page = rig.staging.list("moves/", None, 1000).await.unwrap();
    let chunk = page.objects.iter().find(|o| o.key.contains("/chunks/")).unwrap();
    let sound = rig.staging.get(&chunk.key, 1 << 20).await.unwrap();
    let mut lie = sound.to_vec();
    lie[17] ^= 1;
    rig.staging.put(&chunk.key, lie.into()).await.unwrap();
    let order = rig.import_order(&segments[0]);
    let error = rig.fails(StepKind::Import, 1, order.clone()).await;
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Transient, "staged_corrupt"));
    rig.staging.put(&chunk.key, sound).await.unwrap();
    rig.run(StepKind::Import, 1, order).await;
}

/// A late repetition must not touch what the artist has done since.
#[tokio::test(flavor = "multi_thread")]
async fn repetitions_after_the_move_touch_nothing() {
    let mut rig = Rig::new(mixed);
    let manifest = rig.copy().await;
    rig.promote(&manifest).await;
    rig.retire().await;
    fs::write(rig.target_tree().join("uploaded since.mp3"), b"new").unwrap();
    let before = tree::snapshot(&rig.target_tree()).unwrap();
    rig.promote(&manifest).await;
    tree::assert_equal(&before, &tree::snapshot(&rig.target_tree()).unwrap(), "the new home");
    // The artist comes back, and the old retire is delivered once more.
    fs::create_dir(rig.source_tree()).unwrap();
    fs::write(rig.source_tree().join("back.mp3"), b"back").unwrap();
    rig.retire().await;
    assert!(rig.source_tree().join("back.mp3").exists());
}

/// The try that set the old copy aside may die before it tells what it found.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_late_is_told_by_a_repetition_too() {
    let mut rig = Rig::new(mixed);
    let manifest = rig.copy().await;
    rig.promote(&manifest).await;
    fs::write(rig.source_tree().join("late.mp3"), b"late").unwrap();
    for times in 1..=2 {
        rig.retire().await;
        assert_eq!(rig.heard.notices(), vec!["written_after_sync"; times]);
    }
    assert!(rig.source.root.retired(rig.job).join("tree/late.mp3").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn abandoning_at_any_point_leaves_nothing() {
    for stage in 0..6 {
        let mut rig = Rig::new(mixed);
        let before = rig.before();
        if stage >= 1 {
            let segments = rig.export().await;
            if stage >= 2 {
                rig.import(&segments[..2]).await;
            }
            if stage >= 3 {
                rig.import(&segments).await;
                let (_, manifest) = rig.sync(1).await;
                if stage >= 4 {
                    rig.promote(&manifest).await;
                }
            }
        }
        rig.abandon().await;
        rig.assert_undone(&before).await;
        if stage == 5 {
            rig.abandon().await;
            rig.assert_undone(&before).await;
            // And the same job, tried again, arrives.
            let manifest = rig.copy().await;
            rig.promote(&manifest).await;
            rig.retire().await;
            rig.assert_moved(&before).await;
        }
    }
}

/// The steps that run are stopped first.
#[tokio::test(flavor = "multi_thread")]
async fn abandoning_stops_what_runs() {
    let mut rig = Rig::new(|root| tree::plain(root, 4, 8, 2 << 20));
    let before = rig.before();
    let segments = rig.export().await;
    let epoch = rig.next_epoch();
    let import = rig.import_order(&segments[0]);
    rig.next_epoch();
    let running = rig.deliver(StepKind::Import, 1, epoch, import.clone());
    let cut = tokio::time::timeout(Duration::from_millis(3), running).await;
    rig.abandon().await;
    rig.assert_undone(&before).await;
    if let Ok(outcome) = cut {
        outcome.unwrap();
    }
    assert_eq!(rig.deliver(StepKind::Import, 1, epoch, import).await, Err(Stop::Void));
    rig.assert_undone(&before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_try_stops_the_older_one() {
    let mut rig = Rig::new(|root| tree::plain(root, 4, 8, 2 << 20));
    let (older, newer) = (rig.next_epoch(), rig.next_epoch());
    let order = rig.export_order();
    let (first, second) =
        tokio::join!(rig.deliver(StepKind::Export, 0, older, order.clone()), async {
            while rig.heard.staged().is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            rig.deliver(StepKind::Export, 0, newer, order.clone()).await
        });
    assert_eq!(first, Err(Stop::Void));
    let Ok(StepResult::Export { segments }) = second else { panic!("{second:?}") };
    assert_eq!(segments.iter().map(|s| s.bytes).sum::<u64>(), 16 << 20);
}

/// Late repetitions of steps that are over find the fence shut.
#[tokio::test(flavor = "multi_thread")]
async fn sync_and_promotion_shut_out_what_came_before() {
    let mut rig = Rig::new(mixed);
    let epoch = rig.next_epoch();
    let export = rig.export_order();
    let outcome = rig.deliver(StepKind::Export, 0, epoch, export.clone()).await;
    let Ok(StepResult::Export { segments }) = outcome else { panic!("{outcome:?}") };
    let importing = rig.next_epoch();
    let import = rig.import_order(&segments[0]);
    rig.deliver(StepKind::Import, 1, importing, import.clone()).await.unwrap();
    rig.import(&segments[1..]).await;
    let (_, manifest) = rig.sync(1).await;
    assert_eq!(rig.deliver(StepKind::Export, 0, epoch, export).await, Err(Stop::Void));
    rig.promote(&manifest).await;
    assert_eq!(rig.deliver(StepKind::Import, 1, importing, import).await, Err(Stop::Void));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_moved_is_named() {
    let mut rig = Rig::new(mixed);
    let order = rig.export_order();
    let fifo = rig.source_tree().join("songs/pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    let error = rig.fails(StepKind::Export, 0, order.clone()).await;
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, "file_special"));
    assert_eq!(error.path.as_deref(), Some("songs/pipe"));
    fs::remove_dir_all(rig.source_tree()).unwrap();
    let error = rig.fails(StepKind::Export, 0, order).await;
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, "tree_missing"));
    let order = rig.sync_order(1);
    let error = rig.fails(StepKind::Sync, 1, order).await;
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, "job_state_missing"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_leaves_the_reserve() {
    let mut rig = Rig::new(mixed);
    let segments = rig.export().await;
    rig.limits.disk_reserve_bytes = u64::MAX / 2;
    let order = rig.import_order(&segments[0]);
    let error = rig.fails(StepKind::Import, 1, order).await;
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, "disk_full"));
    assert!(error.message.contains("MiB free"), "{error}");
}
