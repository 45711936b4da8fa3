use super::*;
use crate::MediaRoot;
use tourbus_domain::ArtistId;
use tourbus_protocol::page::Song;

#[derive(Debug, thiserror::Error)]
enum PlaceError {
    #[error(transparent)]
    NotNow(#[from] NotNow),
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

fn fixture() -> (tempfile::TempDir, Writable) {
    let dir = tempfile::tempdir().unwrap();
    let root = MediaRoot::new(dir.path());
    root.prepare().unwrap();
    let artist = ArtistId::new();
    std::fs::create_dir(root.tree(artist)).unwrap();
    let writable = root.writable(artist, Utc::now(), Utc::now()).unwrap();
    (dir, writable)
}

fn begin(tree: &Writable, bytes: u64) -> Upload {
    let upload = Upload {
        id: Uuid::now_v7(),
        kind: UploadKind::Song,
        name: "A.mp3".into(),
        bytes,
        at: Utc::now(),
        state: UploadState::Receiving,
    };
    tree.begin_upload(&upload).unwrap();
    upload
}

fn place(tree: &Writable, upload: &Upload) -> TreePath {
    let register = |_: &Beneath, about: &mut About, path: &TreePath| {
        about.songs.retain(|s| s.id != upload.id);
        let (path, title) = (path.clone(), "A".to_owned());
        about.songs.push(Song { id: upload.id, path, title, ..Song::default() });
        Ok::<_, PlaceError>(())
    };
    tree.place_upload(upload, "a.mp3", register).unwrap()
}

#[test]
fn an_upload_arrives_in_pieces_and_never_twice() {
    let (_dir, tree) = fixture();
    let begun = begin(&tree, 6);
    tree.append(begun.id, 0, b"abc").unwrap();
    assert!(matches!(tree.append(begun.id, 0, b"abc"), Err(NotNow::Root(_))), "sent again");
    let (found, arrived) = upload(tree.tree(), begun.id).unwrap().unwrap();
    assert_eq!((found.name.as_str(), arrived), ("A.mp3", 3));
    tree.append(begun.id, 3, b"def").unwrap();
    let path = place(&tree, &begun);
    assert_eq!(tree.tree().read_all(&path, 10).unwrap().unwrap(), b"abcdef");
    let (found, arrived) = upload(tree.tree(), begun.id).unwrap().unwrap();
    assert_eq!((found.state, arrived), (UploadState::Placed { path: path.clone() }, 6));
    assert_eq!(crate::about(tree.tree()).unwrap().songs[0].path, path);
}

#[test]
fn names_that_are_taken_get_a_number() {
    let (_dir, tree) = fixture();
    let names: Vec<String> = (0..3)
        .map(|_| {
            let begun = begin(&tree, 1);
            tree.append(begun.id, 0, b"x").unwrap();
            place(&tree, &begun).to_string()
        })
        .collect();
    assert_eq!(names, ["songs/a.mp3", "songs/a-2.mp3", "songs/a-3.mp3"]);
}

/// Killed after the songs were written and before the file was renamed.
#[test]
fn a_placing_that_died_is_done_again() {
    let (_dir, tree) = fixture();
    let begun = begin(&tree, 1);
    tree.append(begun.id, 0, b"x").unwrap();
    let first = place(&tree, &begun);
    // Back to before the rename.
    tree.tree().replace(&first, &Upload::part(begun.id)).unwrap();
    let (found, arrived) = upload(tree.tree(), begun.id).unwrap().unwrap();
    assert_eq!((found.state, arrived), (UploadState::Receiving, 1));
    place(&tree, &begun);
    let about = crate::about(tree.tree()).unwrap();
    assert_eq!(about.songs.len(), 1, "noted once");
}

#[test]
fn what_was_refused_leaves_a_reason_and_nothing_else() {
    let (_dir, tree) = fixture();
    let begun = begin(&tree, 1);
    tree.append(begun.id, 0, b"x").unwrap();
    tree.refuse_upload(&begun, "not_audio", "It is a PNG image.").unwrap();
    let (found, _) = upload(tree.tree(), begun.id).unwrap().unwrap();
    assert!(matches!(found.state, UploadState::Refused { code, .. } if code == "not_audio"));
    assert_eq!(tree.tree().size(&Upload::part(begun.id)).unwrap(), None);
    assert!(tree.drop_upload(begun.id).unwrap());
    assert!(!tree.drop_upload(begun.id).unwrap());
    assert_eq!(upload(tree.tree(), begun.id).unwrap(), None);
}

#[test]
fn all_artists_are_looked_through_once_an_hour() {
    let (dir, tree) = fixture();
    let root = MediaRoot::new(dir.path());
    begin(&tree, 2);
    let later = Utc::now() + UPLOAD_KEEP + TimeDelta::hours(2);
    assert_eq!(root.tidy_uploads(Utc::now()).unwrap(), 0, "it is fresh");
    assert_eq!(root.tidy_uploads(Utc::now()).unwrap(), 0);
    assert_eq!(root.tidy_uploads(later).unwrap(), 1);
    begin(&tree, 2);
    assert_eq!(root.tidy_uploads(Utc::now()).unwrap(), 0, "looked at a moment ago");
}

#[test]
fn what_belongs_to_no_upload_is_cleaned_in_time() {
    let (_dir, tree) = fixture();
    let begun = begin(&tree, 2);
    let left = ["x.note", "y.lofi", "z.part"].map(within);
    for path in &left {
        tree.tree().write(path).unwrap();
    }
    let there = |tree: &Writable| left.iter().filter(|p| tree.tree().stat(p).is_ok()).count();
    let now = Utc::now();
    tidy(tree.tree(), now).unwrap();
    assert_eq!(there(&tree), 3, "a process may be at work on them");
    tidy(tree.tree(), now + UPLOAD_KEEP + TimeDelta::minutes(1)).unwrap();
    assert_eq!(there(&tree), 0);
    assert_eq!(upload(tree.tree(), begun.id).unwrap(), None);
}

#[test]
fn what_nobody_continues_is_forgotten_in_time() {
    let (_dir, tree) = fixture();
    let (waits, done) = (begin(&tree, 2), begin(&tree, 1));
    tree.append(done.id, 0, b"x").unwrap();
    let path = place(&tree, &done);
    let day = Utc::now() + SETTLED_KEEP + TimeDelta::minutes(1);
    assert_eq!(tidy(tree.tree(), day).unwrap(), 1, "the note of what is done");
    assert!(upload(tree.tree(), waits.id).unwrap().is_some());
    let week = Utc::now() + UPLOAD_KEEP + TimeDelta::minutes(1);
    assert_eq!(tidy(tree.tree(), week).unwrap(), 1);
    assert!(tree.tree().size(&path).unwrap().is_some(), "the song stays");
    assert_eq!(tree.tree().list(&uploads_dir()).unwrap(), ["artist.json"; 0]);
}
