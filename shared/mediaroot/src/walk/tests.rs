use super::*;
use std::{
    ffi::OsString,
    fs::Permissions,
    os::unix::{
        ffi::OsStringExt,
        fs::{PermissionsExt, symlink},
        net::UnixListener,
    },
    path::Path,
};

fn walk(root: &Path) -> Result<Vec<Walked>, WalkError> {
    Beneath::open(root).unwrap().walk()
}

fn names(walked: &[Walked]) -> Vec<String> {
    walked.iter().map(|w| w.path.to_string()).collect()
}

#[test]
fn sees_everything_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    std::fs::create_dir_all(root.join("b/empty")).unwrap();
    std::fs::write(root.join(".dot"), b"x").unwrap();
    std::fs::write(root.join("b/file"), b"12345").unwrap();
    std::fs::write(root.join(OsString::from_vec(b"odd\xff\n".to_vec())), b"").unwrap();
    std::fs::set_permissions(root.join(".dot"), Permissions::from_mode(0o4640)).unwrap();
    symlink("/nowhere/at all", root.join("a link")).unwrap();
    symlink("b", root.join("to a dir")).unwrap();
    let walked = walk(root).unwrap();
    let expected = ["", ".dot", "a link", "b", "b/empty", "b/file", "odd%FF%0A", "to a dir"];
    assert_eq!(names(&walked), expected);
    assert_eq!(walked[1].mode, 0o4640);
    assert_eq!(walked[2].kind, WalkedKind::Symlink(b"/nowhere/at all".to_vec()));
    assert!(matches!(walked[5].kind, WalkedKind::File(i) if i.size == 5));
    assert_eq!(walked[7].kind, WalkedKind::Symlink(b"b".to_vec()), "a symlink was followed");
}

#[test]
fn a_change_shows_in_the_identity() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("f");
    std::fs::write(&file, b"one").unwrap();
    let identity = || match walk(dir.path()).unwrap().pop().unwrap().kind {
        WalkedKind::File(identity) => identity,
        other => panic!("{other:?}"),
    };
    let before = identity();
    let mtime = std::fs::metadata(&file).unwrap().modified().unwrap();
    while !before.is_settled(std::time::SystemTime::now()) {
        std::hint::spin_loop();
    }
    std::fs::write(&file, b"two").unwrap();
    std::fs::File::open(&file).unwrap().set_modified(mtime).unwrap();
    let after = identity();
    assert_eq!((before.size, before.mtime), (after.size, after.mtime));
    assert_ne!(before, after, "an mtime that was set back hides a change");
    assert!(!after.is_settled(std::time::SystemTime::now()));
}

#[test]
fn what_is_no_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("sub")).unwrap();
    let _socket = UnixListener::bind(dir.path().join("sub/socket")).unwrap();
    let error = walk(dir.path()).unwrap_err();
    assert!(
        matches!(&error, WalkError::Special { path, what: "socket" } if path.to_string() == "sub/socket"),
        "{error}"
    );
}

/// Each level is reached from the top: no descriptor is kept open for it.
#[test]
fn a_very_deep_tree_is_walked_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("deep");
    std::fs::create_dir(&root).unwrap();
    let tree = Beneath::open(&root).unwrap();
    let deep = TreePath::new([b"d/".repeat(120), b"d".to_vec()].concat()).unwrap();
    tree.make_dir(&deep).unwrap();
    assert_eq!(tree.walk().unwrap().len(), 122);
    let removal = crate::remove_tree(&root, &|| false).unwrap();
    assert_eq!(removal, crate::Removal::Complete);
    assert!(!root.exists());
}

/// A path through a symlink that was swapped in reaches nothing outside, to read or to write.
#[test]
fn a_swapped_symlink_leads_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let (root, outside) = (dir.path().join("tree"), dir.path().join("outside"));
    std::fs::create_dir_all(root.join("sub")).unwrap();
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("secret"), b"secret").unwrap();
    std::fs::write(root.join("sub/secret"), b"mine").unwrap();
    let tree = Beneath::open(&root).unwrap();
    let path = TreePath::new(*b"sub/secret").unwrap();
    assert!(tree.read(&path).is_ok());
    std::fs::remove_dir_all(root.join("sub")).unwrap();
    symlink(&outside, root.join("sub")).unwrap();
    assert!(tree.read(&path).unwrap_err().is_missing());
    tree.write(&path).unwrap().write_at(b"written", 0).unwrap();
    assert_eq!(std::fs::read(outside.join("secret")).unwrap(), b"secret");
    assert_eq!(std::fs::read(root.join("sub/secret")).unwrap(), b"written");
    symlink(outside.join("secret"), root.join("last")).unwrap();
    let last = TreePath::new(*b"last").unwrap();
    assert!(tree.read(&last).unwrap_err().is_missing());
    tree.write(&last).unwrap().write_at(b"written", 0).unwrap();
    assert_eq!(std::fs::read(outside.join("secret")).unwrap(), b"secret");
    symlink(&outside, root.join("gone")).unwrap();
    crate::remove_tree(&root, &|| false).unwrap();
    assert!(outside.join("secret").exists());
}
