//! One artist's tree: written aside, then renamed to its place.

use super::{SeedError, cover, plan::ArtistPlan, rng::Rng, synth};
use std::{
    fs::{self, File},
    io,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tourbus_lofi::{Limits, inspect};
use tourbus_mediaroot::MediaRoot;
use tourbus_protocol::{
    TreePath,
    page::{About, IMAGES_DIR, SONGS_DIR, Song, WAVEFORMS_DIR, song_id},
};

/// Trees look as if they had been uploaded between 2019 and 2025.
const UPLOADED_FROM_S: u64 = 1_546_300_800;
const UPLOADED_WITHIN_S: u64 = 6 * 365 * 86_400;

/// What was written.
pub(super) struct Written {
    /// Size of all files.
    pub(super) bytes: u64,
    /// Size and length of each song, in bytes and milliseconds, in the plan's order.
    pub(super) songs: Vec<(u64, u64)>,
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
    let about = place.join(About::FILE);
    let noted: About =
        fs::read(&about).and_then(|text| Ok(serde_json::from_slice(&text)?)).map_err(at(&about))?;
    let song = |song: &super::plan::SongPlan| {
        let name = format!("{SONGS_DIR}/{}", song.file_name);
        let path = place.join(&name);
        let bytes = fs::metadata(&path).map_err(at(&path))?.len();
        let known = noted.songs.iter().find(|s| s.path.as_bytes() == name.as_bytes());
        Ok((bytes, known.map_or(0, |s| s.duration_ms)))
    };
    let songs = artist.songs.iter().map(song).collect::<Result<_, SeedError>>()?;
    Ok(Written { bytes: bytes_below(&place).map_err(at(&place))?, songs })
}

fn fill(draft: &Path, artist: &ArtistPlan) -> io::Result<()> {
    let mut rng = Rng::of(*b"trees   ", artist.index as u64);
    let uploaded = UNIX_EPOCH
        + Duration::new(
            UPLOADED_FROM_S + rng.below(UPLOADED_WITHIN_S),
            rng.below(1_000_000_000) as u32,
        );
    for dir in ["", SONGS_DIR, IMAGES_DIR, WAVEFORMS_DIR] {
        fs::create_dir_all(draft.join(dir))?;
    }
    for song in &artist.songs {
        let bytes = synth::song(song.tune, song.length_ms).map_err(io::Error::other)?;
        file(&draft.join("songs").join(&song.file_name), &bytes, uploaded)?;
    }
    let about = About {
        name: artist.name.clone(),
        text: artist.text.clone(),
        downloads: rng.one_in(3),
        revision: 1,
        songs: songs(draft, artist, uploaded)?,
        cover: None,
    };
    let about = serde_json::to_string_pretty(&about)?;
    file(&draft.join(About::FILE), format!("{about}\n").as_bytes(), uploaded)?;
    file(&draft.join("images/cover.svg"), cover::svg(artist).as_bytes(), uploaded)?;
    oddments(draft, &mut rng, uploaded)?;
    // Directories last: writing into one changes its time.
    for dir in [SONGS_DIR, IMAGES_DIR, WAVEFORMS_DIR, ""] {
        File::open(draft.join(dir))?.set_modified(uploaded)?;
    }
    Ok(())
}

/// The songs as an upload would have noted them, each with its waveform.
fn songs(draft: &Path, artist: &ArtistPlan, uploaded: SystemTime) -> io::Result<Vec<Song>> {
    let path = |text: String| TreePath::new(text).map_err(io::Error::other);
    let mut songs = Vec::new();
    for song in &artist.songs {
        let place = path(format!("{SONGS_DIR}/{}", song.file_name))?;
        let id = song_id(artist.id, &place);
        let waveform = path(format!("{WAVEFORMS_DIR}/{id}.dat"))?;
        let found = inspect(File::open(draft.join(place.as_path()))?, &Limits::default());
        let found = found.map_err(io::Error::other)?;
        file(&draft.join(waveform.as_path()), &found.peaks.to_dat(), uploaded)?;
        songs.push(Song {
            id,
            path: place,
            title: song.title.clone(),
            duration_ms: found.duration_ms,
            waveform: Some(waveform),
            ..Song::default()
        });
    }
    Ok(songs)
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
