//! One artist's tree: written aside, then renamed to its place.

use super::{SeedError, cover, plan::ArtistPlan, rng::Rng, synth};
use std::{
    fs::{self, File},
    io,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tourbus_mediaroot::MediaRoot;

/// Trees look as if they had been uploaded between 2019 and 2025.
const UPLOADED_FROM_S: u64 = 1_546_300_800;
const UPLOADED_WITHIN_S: u64 = 6 * 365 * 86_400;

/// What was written.
pub(super) struct Written {
    /// Size of all files.
    pub(super) bytes: u64,
    /// Size of each song, in the plan's order.
    pub(super) song_bytes: Vec<u64>,
}

fn aside(root: &MediaRoot) -> PathBuf {
    root.path().join(".tourbus/demo")
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> SeedError {
    let path = path.to_owned();
    move |source| SeedError::Write { path, source }
}

/// Makes the media root's directories, and clears what an interrupted seed has left half done.
pub(super) fn prepare(root: &MediaRoot) -> Result<(), SeedError> {
    for dir in root.directories() {
        fs::create_dir_all(&dir).map_err(at(&dir))?;
    }
    let aside = aside(root);
    if aside.exists() {
        fs::remove_dir_all(&aside).map_err(at(&aside))?;
    }
    fs::create_dir_all(&aside).map_err(at(&aside))
}

/// Makes everything durable: rows must not name what a power cut may still take.
pub(super) fn finish(root: &MediaRoot) -> Result<(), SeedError> {
    let aside = aside(root);
    fs::remove_dir(&aside).map_err(at(&aside))?;
    let dir = File::open(root.path()).map_err(at(root.path()))?;
    rustix::fs::syncfs(dir).map_err(|e| at(root.path())(e.into()))
}

/// Writes the tree, unless an earlier seed has, and its public name.
pub(super) fn write(root: &MediaRoot, artist: &ArtistPlan) -> Result<Written, SeedError> {
    let place = root.tree(artist.id);
    if !place.exists() {
        let draft = aside(root).join(artist.id.to_string());
        fill(&draft, artist).map_err(at(&draft))?;
        fs::rename(&draft, &place).map_err(at(&place))?;
    }
    let link = root.by_slug(&artist.slug);
    let target = artist.id.to_string();
    match symlink(&target, &link) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        made => made.map_err(at(&link))?,
    }
    let size = |song: &super::plan::SongPlan| {
        let path = place.join("songs").join(&song.file_name);
        fs::metadata(&path).map(|m| m.len()).map_err(at(&path))
    };
    let song_bytes = artist.songs.iter().map(size).collect::<Result<_, _>>()?;
    Ok(Written { bytes: bytes_below(&place).map_err(at(&place))?, song_bytes })
}

fn fill(draft: &Path, artist: &ArtistPlan) -> io::Result<()> {
    let mut rng = Rng::of(*b"trees   ", artist.index as u64);
    let uploaded = UNIX_EPOCH
        + Duration::new(
            UPLOADED_FROM_S + rng.below(UPLOADED_WITHIN_S),
            rng.below(1_000_000_000) as u32,
        );
    for dir in ["", "songs", "images"] {
        fs::create_dir_all(draft.join(dir))?;
    }
    for song in &artist.songs {
        let bytes = synth::song(song.tune, song.length_ms).map_err(io::Error::other)?;
        file(&draft.join("songs").join(&song.file_name), &bytes, uploaded)?;
    }
    let about = serde_json::json!({
        "name": artist.name,
        "slug": artist.slug,
        "text": artist.text,
    });
    file(&draft.join("artist.json"), format!("{about:#}\n").as_bytes(), uploaded)?;
    file(&draft.join("images/cover.svg"), cover::svg(artist).as_bytes(), uploaded)?;
    oddments(draft, &mut rng, uploaded)?;
    // Directories last: writing into one changes its time.
    for dir in ["songs", "images", ""] {
        File::open(draft.join(dir))?.set_modified(uploaded)?;
    }
    Ok(())
}

/// What real trees have: hidden files, empty directories, odd names, odd modes.
fn oddments(draft: &Path, rng: &mut Rng, uploaded: SystemTime) -> io::Result<()> {
    if rng.one_in(4) {
        file(&draft.join(".profile"), b"theme = \"plain\"\n", uploaded)?;
    }
    if rng.one_in(5) {
        fs::create_dir_all(draft.join("videos"))?;
    }
    if rng.one_in(6) {
        let notes = draft.join("notes");
        fs::create_dir_all(&notes)?;
        let name = notes.join("Tournée d'été – idées.txt");
        file(&name, "un deux trois\n".as_bytes(), uploaded)?;
        fs::set_permissions(&name, fs::Permissions::from_mode(0o640))?;
    }
    Ok(())
}

fn file(path: &Path, bytes: &[u8], modified: SystemTime) -> io::Result<()> {
    fs::write(path, bytes)?;
    File::options().write(true).open(path)?.set_modified(modified)
}

fn bytes_below(dir: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        bytes += if meta.is_dir() { bytes_below(&entry.path())? } else { meta.len() };
    }
    Ok(bytes)
}
