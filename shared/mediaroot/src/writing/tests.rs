use super::*;
use crate::Freeze;
use std::{sync::mpsc, thread};
use tourbus_domain::JobId;

fn fixture() -> (tempfile::TempDir, MediaRoot, ArtistId) {
    let dir = tempfile::tempdir().unwrap();
    let root = MediaRoot::new(dir.path());
    root.prepare().unwrap();
    let artist = ArtistId::new();
    std::fs::create_dir(root.tree(artist)).unwrap();
    (dir, root, artist)
}

fn path(text: &str) -> TreePath {
    TreePath::new(text.as_bytes()).unwrap()
}

fn freeze(root: &MediaRoot, artist: ArtistId, seconds: i64) -> Freeze {
    let expires_at = Utc::now() + TimeDelta::seconds(seconds);
    let freeze = Freeze { job_id: JobId::new(), expires_at };
    root.take_freeze(artist, freeze, Utc::now()).unwrap();
    freeze
}

fn write(tree: &Writable) -> Result<(), NotNow> {
    tree.write(|t| Ok(t.write(&path("a"))?.write_at(b"x", 0)?))
}

#[test]
fn a_freeze_stops_writers_before_and_after_it_was_seen() {
    let (_dir, root, artist) = fixture();
    let now = Utc::now();
    let tree = root.writable(artist, now, now).unwrap();
    write(&tree).unwrap();
    let stood = freeze(&root, artist, 600);
    assert!(matches!(write(&tree), Err(NotNow::Moving)));
    assert!(matches!(root.writable(artist, now, now), Err(NotNow::Moving)));
    root.lift_freeze(artist, stood.job_id).unwrap();
    write(&tree).unwrap();
}

#[test]
fn an_expired_freeze_counts_against_leave_that_is_older() {
    let (_dir, root, artist) = fixture();
    let now = Utc::now();
    let tree = root.writable(artist, now, now).unwrap();
    // The master's clock may be a minute off.
    freeze(&root, artist, -1);
    assert!(matches!(write(&tree), Err(NotNow::Moving)), "begun before it");
    assert!(matches!(root.writable(artist, now, now), Err(NotNow::Moving)));
    let later = now + TimeDelta::seconds(CLOCK_OFF_MAX_S + 5);
    write(&root.writable(artist, later, now).unwrap()).unwrap();
}

#[test]
fn a_tree_that_was_set_aside_or_replaced_is_not_written() {
    let (dir, root, artist) = fixture();
    let now = Utc::now();
    let tree = root.writable(artist, now, now).unwrap();
    std::fs::rename(root.tree(artist), dir.path().join("aside")).unwrap();
    assert!(matches!(write(&tree), Err(NotNow::Gone)));
    std::fs::create_dir(root.tree(artist)).unwrap();
    assert!(matches!(write(&tree), Err(NotNow::Gone)), "another tree of this name");
    assert!(matches!(root.writable(ArtistId::new(), now, now), Err(NotNow::Gone)));
}

/// The barrier: when it returns, whoever saw no freeze has written.
#[test]
fn a_move_waits_for_writers_who_saw_no_freeze() {
    let (_dir, root, artist) = fixture();
    let now = Utc::now();
    let tree = root.writable(artist, now, now).unwrap();
    let (entered, in_there) = mpsc::channel();
    let (go, told) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let tree = &tree;
        let writer = scope.spawn(move || {
            tree.write(|t| {
                entered.send(()).unwrap();
                told.recv().unwrap();
                Ok::<_, NotNow>(t.write(&path("late"))?.write_at(b"x", 0)?)
            })
        });
        in_there.recv().unwrap();
        freeze(&root, artist, 600);
        let settled = scope.spawn(|| {
            root.settle_writers(artist).unwrap();
            root.tree(artist).join("late").exists()
        });
        go.send(()).unwrap();
        writer.join().unwrap().unwrap();
        assert!(settled.join().unwrap(), "it did not wait");
    });
    assert!(matches!(write(&tree), Err(NotNow::Moving)));
}

#[test]
fn names_that_are_taken_are_not_replaced() {
    let (_dir, root, artist) = fixture();
    let tree = Beneath::open(&root.tree(artist)).unwrap();
    for name in ["a", "b"] {
        tree.write(&path(name)).unwrap().write_at(name.as_bytes(), 0).unwrap();
    }
    assert!(!tree.place(&path("a"), &path("b")).unwrap());
    assert!(tree.place(&path("a"), &path("c")).unwrap());
    assert_eq!(tree.read_all(&path("b"), 10).unwrap().unwrap(), b"b");
    assert_eq!(tree.read_all(&path("c"), 10).unwrap().unwrap(), b"a");
    assert!(tree.read_all(&path("c"), 0).is_err(), "larger than allowed");
    tree.replace(&path("c"), &path("b")).unwrap();
    assert_eq!(tree.read_all(&path("b"), 10).unwrap().unwrap(), b"a");
    assert_eq!(tree.list(&TreePath::default()).unwrap(), ["b"]);
}
