use super::*;
use std::os::unix::fs::PermissionsExt;

fn path(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

#[test]
fn many_writers_share_a_file_where_a_directory_was() {
    for _ in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("a/b/sub")).unwrap();
        std::fs::write(dir.path().join("a/b/sub/x"), b"x").unwrap();
        let tree = Beneath::open(dir.path()).unwrap();
        std::thread::scope(|scope| {
            for n in 0..4_u8 {
                let tree = &tree;
                scope.spawn(move || {
                    let file = tree.write(&path("a/b")).unwrap();
                    file.write_at(&[n; 10], u64::from(n) * 10).unwrap();
                });
            }
        });
        let written = std::fs::read(dir.path().join("a/b")).unwrap();
        assert_eq!(written, [[0; 10], [1; 10], [2; 10], [3; 10]].concat());
    }
}

#[test]
fn final_modes_and_times_stand() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("tree");
    std::fs::create_dir(&root).unwrap();
    let tree = Beneath::open(&root).unwrap();
    let (old, mode) = (Stamp { s: -5, ns: 999_999_999 }, 0o2510);
    let file = tree.write(&path("d/f")).unwrap();
    file.set_len(7).unwrap();
    file.finish(0o444, old).unwrap();
    tree.make_link(&path("d/l"), b"f").unwrap();
    tree.finish_link(&path("d/l"), old).unwrap();
    tree.finish_dir(&path("d"), mode, old, Durable::Yes).unwrap();
    let walked = tree.walk().unwrap();
    assert!(walked.iter().skip(1).all(|w| w.mtime == old), "{walked:?}");
    assert_eq!((walked[1].mode, walked[2].mode), (mode, 0o444));
    // And all of it can be written again.
    tree.open_up_all([path("d")].into_iter()).unwrap();
    tree.write(&path("d/f")).unwrap().set_len(0).unwrap();
    tree.make_link(&path("d/l"), b"other").unwrap();
    tree.make_dir(&path("d/f/now a directory")).unwrap();
    assert!(root.join("d/f/now a directory").is_dir());
    let was = std::fs::metadata(&root).unwrap().permissions().mode();
    std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o500)).unwrap();
    let to = dir.path().join("there");
    crate::rename_tree(&root, &to).unwrap();
    assert_eq!(std::fs::metadata(&to).unwrap().permissions().mode() & 0o7777, 0o500);
    assert_ne!(was & 0o7777, 0o500);
}
