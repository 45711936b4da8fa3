use super::*;
use std::{fs as sfs, os::unix::fs::symlink};
use tempfile::TempDir;

struct Shop {
    dir: TempDir,
    root: MediaRoot,
    artist: ArtistId,
    slug: Slug,
}

fn shop() -> Shop {
    let dir = tempfile::tempdir().unwrap();
    let root = MediaRoot::new(dir.path().join("media"));
    for d in root.directories() {
        sfs::create_dir_all(d).unwrap();
    }
    let artist = ArtistId::new();
    let slug: Slug = "the-larks".parse().unwrap();
    let tree = root.tree(artist);
    sfs::create_dir_all(tree.join("songs")).unwrap();
    sfs::write(tree.join("songs/one.mp3"), b"one").unwrap();
    sfs::write(dir.path().join("secret"), b"secret").unwrap();
    symlink("../../../secret", tree.join("songs/out")).unwrap();
    symlink("songs", tree.join("dir-link")).unwrap();
    symlink("one.mp3", tree.join("songs/in")).unwrap();
    symlink(artist.to_string(), root.by_slug(&slug)).unwrap();
    Shop { dir, root, artist, slug }
}

fn path(p: &[u8]) -> TreePath {
    TreePath::new(p).unwrap()
}

fn is_file(found: &Found) -> bool {
    matches!(found, Found::File(_))
}

#[test]
fn opens_regular_files_and_nothing_else() {
    let s = shop();
    let tree = s.root.tree(s.artist);
    let fifo = tree.join("fifo");
    fs::mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(tree.join("socket")).unwrap();
    let open = |p: &[u8]| s.root.open(&s.slug, &path(p), Patience::Disk).unwrap();
    assert!(is_file(&open(b"songs/one.mp3")));
    for not in [
        &b"songs"[..],
        b"songs/out",
        b"songs/in",
        b"dir-link/one.mp3",
        b"fifo",
        b"socket",
        b"songs/none",
        b"songs/one.mp3/x",
    ] {
        assert!(matches!(open(not), Found::NoFile), "{:?} was opened", path(not));
    }
    assert!(matches!(open(&[b'x'; 300]), Found::NoFile));
    drop(s.dir);
}

#[test]
fn the_walk_agrees_with_openat2() {
    let s = shop();
    let Place::Here(tree) = s.root.find(&s.slug, Patience::Disk).unwrap() else { panic!() };
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let names =
        ["songs/one.mp3", "songs/out", "songs/in", "dir-link/one.mp3", "none", "songs/none"];
    for name in names {
        let walked = absent(walk(tree.dir.as_fd(), Path::new(name), flags)).unwrap().is_some();
        let opened = tree.open(&path(name.as_bytes()), Patience::Disk).unwrap().is_some();
        assert_eq!(walked, opened, "{name}");
    }
}

#[test]
fn what_was_just_read_is_found_without_the_disk() {
    let s = shop();
    let p = path(b"songs/one.mp3");
    assert!(is_file(&s.root.open(&s.slug, &p, Patience::Disk).unwrap()));
    match s.root.open(&s.slug, &p, Patience::Cached) {
        Ok(found) => assert!(is_file(&found)),
        // An old kernel or a filter; the caller then asks with `Patience::Disk`.
        Err(e) => assert_eq!(e.kind(), io::ErrorKind::WouldBlock),
    }
}

#[test]
fn a_present_tree_wins_over_a_forwarding() {
    let s = shop();
    let p = path(b"songs/one.mp3");
    sfs::write(s.root.moved(&s.slug), "http://server2.example:81/\n").unwrap();
    assert!(is_file(&s.root.open(&s.slug, &p, Patience::Disk).unwrap()));
    sfs::rename(s.root.tree(s.artist), s.dir.path().join("aside")).unwrap();
    let Found::Moved(to) = s.root.open(&s.slug, &p, Patience::Disk).unwrap() else { panic!() };
    assert_eq!(to, "http://server2.example:81");
    sfs::remove_file(s.root.by_slug(&s.slug)).unwrap();
    let Found::Moved(_) = s.root.open(&s.slug, &p, Patience::Disk).unwrap() else { panic!() };
    sfs::remove_file(s.root.moved(&s.slug)).unwrap();
    assert!(matches!(s.root.open(&s.slug, &p, Patience::Disk).unwrap(), Found::NoArtist));
}

#[test]
fn a_forwarding_that_is_no_url_is_an_error() {
    let s = shop();
    sfs::remove_file(s.root.by_slug(&s.slug)).unwrap();
    for bad in ["", "javascript:alert(1)", "http://a\r\nx: y", "server2"] {
        sfs::write(s.root.moved(&s.slug), bad).unwrap();
        assert!(s.root.find(&s.slug, Patience::Disk).is_err(), "{bad:?} was taken");
    }
}
