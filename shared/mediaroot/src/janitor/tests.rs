use super::*;
use crate::{FreezeError, Retired, Ticket};
use tourbus_domain::{Slug, StepKey, StepKind};

fn media_root() -> (tempfile::TempDir, MediaRoot) {
    let dir = tempfile::tempdir().unwrap();
    let root = MediaRoot::new(dir.path());
    root.prepare().unwrap();
    (dir, root)
}

fn at(hours: i64) -> DateTime<Utc> {
    Utc::now() + TimeDelta::hours(hours)
}

#[test]
fn a_freeze_is_one_jobs_and_ends_by_itself() {
    let (_dir, root) = media_root();
    let (artist, job, other) = (ArtistId::new(), JobId::new(), JobId::new());
    let (now, expires_at) = (at(0), at(1));
    root.take_freeze(artist, Freeze { job_id: job, expires_at }, now).unwrap();
    assert_eq!(root.frozen(artist, now).unwrap().map(|f| f.job_id), Some(job));
    let taken = root.take_freeze(artist, Freeze { job_id: other, expires_at }, now);
    assert!(matches!(taken, Err(FreezeError::Other(f)) if f.job_id == job));
    assert!(!root.lift_freeze(artist, other).unwrap());
    root.take_freeze(artist, Freeze { job_id: job, expires_at: at(2) }, now).unwrap();
    assert_eq!(root.frozen(artist, at(3)).unwrap(), None);
    let later = Freeze { job_id: other, expires_at: at(5) };
    root.take_freeze(artist, later, at(3)).unwrap();
    assert!(!root.lift_freeze(artist, job).unwrap());
    assert!(root.lift_freeze(artist, other).unwrap());
    assert_eq!(root.frozen(artist, now).unwrap(), None);
}

#[test]
fn what_a_killed_process_left_half_done_goes_and_is_taken_for_nothing() {
    let (_dir, root) = media_root();
    let (artist, job) = (ArtistId::new(), JobId::new());
    // Killed between making the file and writing it.
    let unwritten = atomic::temporary(&root.freeze(artist));
    std::fs::write(&unwritten, b"").unwrap();
    // Killed while it forgot a job.
    std::fs::create_dir_all(root.job(job).join("segments/deep")).unwrap();
    std::fs::write(root.job(job).join("segments/deep/1"), b"staged").unwrap();
    root.forget_job(job, &|| true).unwrap();
    assert!(!root.job(job).exists(), "half of the notes are worse than none");
    let left = || std::fs::read_dir(root.jobs_all()).unwrap().count();
    assert_eq!(left(), 1);
    // Whoever writes now is not disturbed.
    assert_eq!(root.clean(at(0), &|| false).unwrap(), Cleaned::default());
    assert!(unwritten.exists());
    assert_eq!(root.clean(at(2), &|| false).unwrap().half_done, 2);
    assert!(!unwritten.exists());
    assert_eq!(left(), 0);
    root.forget_job(job, &|| false).unwrap();
}

#[test]
fn public_names_belong_to_one_artist() {
    let (_dir, root) = media_root();
    let (one, two): (ArtistId, ArtistId) = (ArtistId::new(), ArtistId::new());
    let slug: Slug = "the-band".parse().unwrap();
    root.link_slug(&slug, one).unwrap();
    assert!(!root.unlink_slug(&slug, two).unwrap());
    root.link_slug(&slug, two).unwrap();
    assert!(!root.slug_is(&slug, one).unwrap() && root.slug_is(&slug, two).unwrap());
    assert!(root.unlink_slug(&slug, two).unwrap());
    assert!(!root.unlink_slug(&slug, two).unwrap());
}

#[test]
fn old_copies_go_when_they_are_due() {
    let (_dir, root) = media_root();
    let (artist, job) = (ArtistId::new(), JobId::new());
    std::fs::create_dir(root.tree(artist)).unwrap();
    std::fs::write(root.tree(artist).join("song"), b"la").unwrap();
    let slug: Slug = "the-band".parse().unwrap();
    let note = Retired { artist, slug, retired_at: at(0), purge_at: at(24), keep: false };
    assert!(root.retire(&root.retired(job), &note).unwrap());
    assert!(!root.retire(&root.retired(job), &note).unwrap());
    // The artist has come back: a repetition must not take the new tree.
    std::fs::create_dir(root.tree(artist)).unwrap();
    assert!(!root.retire(&root.retired(job), &note).unwrap());
    assert!(root.tree(artist).exists());
    assert_eq!(root.clean(at(23), &|| false).unwrap().retired, 0);
    assert_eq!(root.clean(at(25), &|| true).unwrap().retired, 0, "it was told to stop");
    assert_eq!(root.clean(at(25), &|| false).unwrap().retired, 1);
    assert!(!root.retired(job).exists() && root.tree(artist).exists());
}

#[test]
fn notes_go_when_nobody_needs_them() {
    let (_dir, root) = media_root();
    let (artist, done, running) = (ArtistId::new(), JobId::new(), JobId::new());
    for job in [done, running] {
        std::fs::create_dir(root.job(job)).unwrap();
    }
    let promoted = Promoted { artist, manifest: String::new(), at: at(0) };
    root.note_promoted(done, &promoted).unwrap();
    let key = StepKey { kind: StepKind::Import, seq: 1 };
    let held = root.fence(running).enter(key, Ticket::new(1), 0).unwrap();
    drop(root.fence(done).enter(key, Ticket::new(1), 0).unwrap());
    let freeze = Freeze { job_id: done, expires_at: at(1) };
    root.take_freeze(artist, freeze, at(0)).unwrap();
    assert_eq!(root.clean(at(23), &|| false).unwrap(), Cleaned::default());
    let cleaned = root.clean(at(9 * 24), &|| false).unwrap();
    assert_eq!(
        cleaned,
        Cleaned {
            retired: 0,
            fences: 1,
            jobs: 1,
            freezes: 1,
            half_done: 0,
            uploads: 0,
            records: 0
        }
    );
    assert!(root.job(running).exists() && root.fence_dir(running).exists());
    drop(held);
}
