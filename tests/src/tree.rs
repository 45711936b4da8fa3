//! Media trees for tests: made from a seed, with everything that is hard to copy; and the exact
//! comparison of two of them.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::{MetadataExt, PermissionsExt, symlink},
    },
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// Writes `len` bytes that follow from `seed`; incompressible, different for every seed.
pub fn write_noise(path: &Path, seed: u64, len: u64) -> io::Result<()> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    let mut noise = hasher.finalize_xof();
    let mut file = File::create(path)?;
    let mut left = len;
    let mut buffer = vec![0; 256 << 10];
    while left > 0 {
        let n = left.min(buffer.len() as u64) as usize;
        noise.fill(&mut buffer[..n]);
        file.write_all(&buffer[..n])?;
        left -= n as u64;
    }
    Ok(())
}

/// A plain tree: `files` songs of `bytes` each under `songs/`.
pub fn plain(root: &Path, seed: u64, files: u64, bytes: u64) -> io::Result<()> {
    fs::create_dir_all(root.join("songs"))?;
    for n in 0..files {
        let path = root.join(format!("songs/{n:02}.mp3"));
        write_noise(&path, seed.wrapping_mul(1000) + n, bytes)?;
    }
    Ok(())
}

/// A tree with odd names, empty directories and files, dotfiles, symlinks, modes and old times.
pub fn odd(root: &Path, seed: u64) -> io::Result<()> {
    plain(root, seed, 3, 40_000 + seed % 977)?;
    fs::create_dir_all(root.join("empty/inner/.hidden"))?;
    fs::create_dir_all(root.join("images/sub dir"))?;
    write_noise(&root.join(".htaccess"), seed + 1, 211)?;
    write_noise(&root.join("images/sub dir/naïve – 音楽.png"), seed + 2, 5_000)?;
    write_noise(&root.join("images/new\nline %41 \"quoted\" \\ back"), seed + 3, 77)?;
    write_noise(&root.join(OsString::from_vec(b"not-utf8-\xff\xfe.bin".to_vec())), seed + 4, 1234)?;
    File::create(root.join("zero bytes"))?;
    write_noise(&root.join("long".repeat(60)), seed + 5, 10)?;
    symlink("songs/00.mp3", root.join("latest"))?;
    symlink("../../outside/of/it", root.join("images/dangling"))?;
    for (name, mode) in [(".htaccess", 0o600), ("songs/01.mp3", 0o444), ("zero bytes", 0o755)] {
        fs::set_permissions(root.join(name), fs::Permissions::from_mode(mode))?;
    }
    age(&root.join("songs/00.mp3"), Duration::new(987_654_321, 123_456_789))?;
    age(&root.join("empty/inner"), Duration::new(1_000_000_000, 1))?;
    fs::set_permissions(root.join("images"), fs::Permissions::from_mode(0o750))?;
    age(&root.join("images"), Duration::new(1_234_567_890, 42))
}

fn age(path: &Path, since_epoch: Duration) -> io::Result<()> {
    File::open(path)?.set_modified(SystemTime::UNIX_EPOCH + since_epoch)
}

/// One entry, as exact as it can be compared across servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// `dir`, `file`, `link` or `other`.
    pub kind: &'static str,
    /// Permission bits.
    pub mode: u32,
    /// Modification time in nanoseconds; not of links.
    pub mtime_ns: i128,
    /// Size of a file.
    pub bytes: u64,
    /// BLAKE3 of a file, target of a link.
    pub content: Vec<u8>,
}

/// A whole tree, by relative path.
pub type Snapshot = BTreeMap<PathBuf, Seen>;

/// Reads a whole tree, every byte of it.
pub fn snapshot(root: &Path) -> io::Result<Snapshot> {
    let mut out = Snapshot::new();
    visit(root, Path::new(""), &mut out)?;
    Ok(out)
}

fn visit(root: &Path, at: &Path, out: &mut Snapshot) -> io::Result<()> {
    let path = root.join(at);
    let meta = fs::symlink_metadata(&path)?;
    let (kind, bytes, content) = if meta.is_symlink() {
        ("link", 0, fs::read_link(&path)?.as_os_str().as_bytes().to_vec())
    } else if meta.is_dir() {
        for entry in fs::read_dir(&path)? {
            visit(root, &at.join(entry?.file_name()), out)?;
        }
        ("dir", 0, vec![])
    } else if meta.is_file() {
        ("file", meta.len(), hash(&path)?)
    } else {
        // To open a pipe is to wait for its other end.
        ("other", 0, vec![])
    };
    let link = kind == "link";
    let seen = Seen {
        kind,
        mode: if link { 0 } else { meta.mode() & 0o7777 },
        mtime_ns: if link {
            0
        } else {
            i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec())
        },
        bytes,
        content,
    };
    out.insert(at.to_owned(), seen);
    Ok(())
}

fn hash(path: &Path) -> io::Result<Vec<u8>> {
    let mut hasher = blake3::Hasher::new();
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 256 << 10];
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok(hasher.finalize().as_bytes().to_vec());
        }
        hasher.update(&buffer[..n]);
    }
}

/// Bytes of all files of a tree.
pub fn bytes(snapshot: &Snapshot) -> u64 {
    snapshot.values().map(|s| s.bytes).sum()
}

/// Panics naming every difference.
pub fn assert_equal(before: &Snapshot, after: &Snapshot, what: &str) {
    let mut faults = Vec::new();
    for (path, seen) in before {
        match after.get(path) {
            None => faults.push(format!("{} is missing", path.display())),
            Some(now) if now != seen => {
                faults.push(format!("{} was {seen:?}, is {now:?}", path.display()));
            }
            Some(_) => {}
        }
    }
    let extra = after.keys().filter(|p| !before.contains_key(*p));
    faults.extend(extra.map(|p| format!("{} is extra", p.display())));
    assert!(faults.is_empty(), "{what} differs:\n{}", faults.join("\n"));
}
