//! From the old directory to the new tree: which file goes where.
//!
//! ```text
//!   {song}_hifi.mp3   →  songs/{song}.mp3
//!   {song}_lofi.mp3   →  lofi/{song}.mp3.mp3     or songs/{song}.mp3 if it is all there is
//!   {song}.mp3        →  songs/{song}.mp3
//!   cover.jpg, *.png  →  images/…
//!   the rest          →  archive/…               with its directories; served to nobody
//! ```

use crate::list::Listed;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
};
use tourbus_mediaroot::{Beneath, RootError, WalkError, WalkedKind};
use tourbus_protocol::{
    TreePath, TreePathError,
    page::{ARCHIVE_DIR, IMAGES_DIR, SONGS_DIR, is_song, lofi_of, title_of},
};

const HIFI: &str = "_hifi";
const LOFI: &str = "_lofi";
const IMAGES: [&str; 5] = ["jpg", "jpeg", "png", "gif", "webp"];

/// Where one file goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placing {
    /// Where it is in the old directory.
    pub from: TreePath,
    /// Where it goes in the tree.
    pub to: TreePath,
    /// Its size.
    pub bytes: u64,
}

/// A song of the new page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSong {
    /// The original, or all there is.
    pub path: TreePath,
    /// For people.
    pub title: String,
    /// Its size.
    pub bytes: u64,
    /// Plays of both renditions.
    pub plays: u64,
}

/// Where everything of an artist goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The files.
    pub files: Vec<Placing>,
    /// Directories that hold nothing, kept all the same.
    pub dirs: Vec<TreePath>,
    /// The songs, in the order of the page.
    pub songs: Vec<NewSong>,
    /// What is not taken over, and why.
    pub left: Vec<String>,
}

impl Plan {
    /// Size of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|f| f.bytes).sum()
    }
}

/// What a file at the top is.
enum Kind {
    Song { stem: String, end: String, lofi: bool },
    Image,
    Other,
}

fn kind(name: &[u8]) -> Kind {
    let Ok(text) = std::str::from_utf8(name) else { return Kind::Other };
    let Some((stem, end)) = text.rsplit_once('.') else { return Kind::Other };
    if is_song(name) {
        let (stem, lofi) = match (without(stem, HIFI), without(stem, LOFI)) {
            (Some(stem), _) => (stem, false),
            (_, Some(stem)) => (stem, true),
            _ => (stem, false),
        };
        return Kind::Song { stem: stem.to_owned(), end: end.to_owned(), lofi };
    }
    if !stem.is_empty() && IMAGES.iter().any(|i| i.eq_ignore_ascii_case(end)) {
        return Kind::Image;
    }
    Kind::Other
}

/// A stem without this end, in whatever case it is written.
fn without<'a>(stem: &'a str, end: &str) -> Option<&'a str> {
    let at = stem.len().checked_sub(end.len()).filter(|at| *at > 0)?;
    let (start, last) = stem.split_at_checked(at)?;
    last.eq_ignore_ascii_case(end).then_some(start)
}

/// Both renditions of a song.
#[derive(Default)]
struct Renditions {
    hifi: Option<(TreePath, String, u64)>,
    lofi: Option<(TreePath, String, u64)>,
}

/// Why an artist's old directory cannot be looked through.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// It is not there, or not ours to open.
    #[error(transparent)]
    Open(#[from] RootError),
    /// Something in it cannot be taken over, or not be read.
    #[error(transparent)]
    Walk(#[from] WalkError),
    /// A path is too long for its new place.
    #[error(transparent)]
    Name(#[from] TreePathError),
}

/// Looks through an artist's old directory.
pub fn plan(dir: &Path, listed: &Listed) -> Result<Plan, PlanError> {
    let tree = Beneath::open(dir)?;
    let mut plan = Plan::default();
    let mut songs: BTreeMap<String, Renditions> = BTreeMap::new();
    let walked = tree.walk()?;
    let above: BTreeSet<&[u8]> = walked.iter().filter_map(|w| parent(w.path.as_bytes())).collect();
    for one in &walked {
        let bytes = match &one.kind {
            WalkedKind::File(identity) => identity.size,
            WalkedKind::Dir => {
                if !one.path.is_root() && !above.contains(one.path.as_bytes()) {
                    plan.dirs.push(under(ARCHIVE_DIR, &one.path)?);
                }
                continue;
            }
            WalkedKind::Symlink(to) => {
                let to = String::from_utf8_lossy(to).into_owned();
                plan.left.push(format!("{} is a link to {to}, and is not followed", one.path));
                continue;
            }
        };
        let from = one.path.clone();
        if parent(from.as_bytes()).is_some() {
            plan.files.push(Placing { to: under(ARCHIVE_DIR, &from)?, from, bytes });
            continue;
        }
        match kind(from.as_bytes()) {
            Kind::Song { stem, end, lofi } => {
                let both = songs.entry(stem).or_default();
                let place = if lofi { &mut both.lofi } else { &mut both.hifi };
                if let Some((twin, ..)) = place {
                    // `7.mp3` beside `7_hifi.mp3`, or two formats of one rendition.
                    plan.left
                        .push(format!("{from} and {twin} are one song; this one is kept aside"));
                    plan.files.push(Placing { to: under(ARCHIVE_DIR, &from)?, from, bytes });
                } else {
                    *place = Some((from, end, bytes));
                }
            }
            Kind::Image => plan.files.push(Placing { to: under(IMAGES_DIR, &from)?, from, bytes }),
            Kind::Other => {
                if is_song(from.as_bytes()) {
                    plan.left.push(format!(
                        "{from} is a song whose name is not UTF-8; it is kept aside"
                    ));
                }
                plan.files.push(Placing { to: under(ARCHIVE_DIR, &from)?, from, bytes });
            }
        }
    }
    place_songs(&mut plan, songs, listed);
    Ok(plan)
}

fn place_songs(plan: &mut Plan, songs: BTreeMap<String, Renditions>, listed: &Listed) {
    let known: HashMap<&str, (usize, &crate::Song)> =
        listed.songs.iter().enumerate().map(|(n, s)| (s.id.as_str(), (n, s))).collect();
    let mut placed: Vec<(usize, NewSong)> = Vec::new();
    for (stem, Renditions { hifi, lofi }) in songs {
        let (original, small) = match (hifi, lofi) {
            (Some(hifi), lofi) => (hifi, lofi),
            (None, Some(lofi)) => (lofi, None),
            (None, None) => continue,
        };
        let (from, end, bytes) = original;
        let Ok(path) = TreePath::new(format!("{SONGS_DIR}/{stem}.{end}")) else { continue };
        plan.files.push(Placing { from, to: path.clone(), bytes });
        if let Some((from, _, bytes)) = small
            && let Some(to) = lofi_of(&path)
        {
            plan.files.push(Placing { from, to, bytes });
        }
        let (at, song) = known.get(stem.as_str()).copied().unzip();
        let title = song.map(|s| s.title.trim()).filter(|t| !t.is_empty());
        let title =
            title.map_or_else(|| title_of(format!("{stem}.{end}").as_bytes()), str::to_owned);
        let plays = song.map_or(0, |s| s.plays_hifi + s.plays_lofi);
        placed.push((at.unwrap_or(usize::MAX), NewSong { path, title, bytes, plays }));
    }
    placed.sort_by_key(|(at, _)| *at);
    let found: BTreeSet<Vec<u8>> = placed.iter().map(|(_, s)| s.path.as_bytes().to_vec()).collect();
    for song in &listed.songs {
        let prefix = format!("{SONGS_DIR}/{}.", song.id);
        if !found.iter().any(|p| p.starts_with(prefix.as_bytes())) {
            plan.left
                .push(format!("song {:?} is in the list, and no file of it is there", song.id));
        }
    }
    plan.songs = placed.into_iter().map(|(_, song)| song).collect();
}

fn parent(path: &[u8]) -> Option<&[u8]> {
    path.iter().rposition(|b| *b == b'/').map(|at| &path[..at])
}

/// The same path below another directory; not every one is short enough for that.
fn under(dir: &str, path: &TreePath) -> Result<TreePath, TreePathError> {
    TreePath::new([dir.as_bytes(), b"/", path.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Song;
    use std::fs;

    fn planned(files: &[&str], songs: Vec<Song>) -> (Plan, Vec<(String, String)>) {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        fs::create_dir_all(dir.path().join("forum/empty")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("link.mp3")).unwrap();
        let plan = plan(dir.path(), &Listed { songs, ..Listed::default() }).unwrap();
        let pair = |p: &Placing| (p.from.to_string(), p.to.to_string());
        let mut pairs: Vec<_> = plan.files.iter().map(pair).collect();
        pairs.sort();
        (plan, pairs)
    }

    #[test]
    fn both_renditions_find_their_places() {
        let files = [
            "1_hifi.wav",
            "1_lofi.mp3",
            "2_lofi.mp3",
            "3.ogg",
            "cover.JPG",
            ".htaccess",
            "forum/a.txt",
        ];
        let song = |id: &str, title: &str| Song {
            id: id.into(),
            title: title.into(),
            plays_hifi: 2,
            plays_lofi: 3,
        };
        let (plan, pairs) =
            planned(&files, vec![song("2", "Two"), song("1", "One"), song("9", "Gone")]);
        let want = [
            (".htaccess", "archive/.htaccess"),
            ("1_hifi.wav", "songs/1.wav"),
            ("1_lofi.mp3", "lofi/1.wav.mp3"),
            ("2_lofi.mp3", "songs/2.mp3"),
            ("3.ogg", "songs/3.ogg"),
            ("cover.JPG", "images/cover.JPG"),
            ("forum/a.txt", "archive/forum/a.txt"),
        ];
        let want: Vec<_> = want.map(|(a, b)| (a.to_owned(), b.to_owned())).into();
        assert_eq!(pairs, want);
        let songs: Vec<_> = plan.songs.iter().map(|s| (s.title.as_str(), s.plays)).collect();
        assert_eq!(songs, [("Two", 5), ("One", 5), ("3", 0)]);
        assert_eq!(plan.dirs, [TreePath::new(&b"archive/forum/empty"[..]).unwrap()]);
        let left = plan.left.join("\n");
        assert!(
            left.contains("link.mp3 is a link to /etc/passwd") && left.contains("\"9\""),
            "{left}"
        );
        assert_eq!(plan.bytes(), files.iter().map(|f| f.len() as u64).sum::<u64>());
    }

    #[test]
    fn twins_lose_nothing() {
        let (plan, pairs) = planned(&["7.mp3", "7_hifi.mp3"], Vec::new());
        assert_eq!(pairs.len(), 2, "{pairs:?}");
        assert_eq!(plan.songs.len(), 1);
        assert!(plan.left[0].contains("one song"), "{:?}", plan.left);
    }
}
