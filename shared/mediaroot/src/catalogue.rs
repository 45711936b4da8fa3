//! What an artist has: `artist.json`, the songs on disk, and what the master is told of them.

use crate::{
    MediaRoot, WalkError, WalkedKind, Writable,
    atomic::{self, Durable},
    beneath::Beneath,
    error::{Doing, RootError, absent},
    writing::{NotNow, UPLOADS, turn_if_any},
};
use std::{collections::BTreeSet, ffi::OsStr, fs, os::unix::ffi::OsStrExt};
use tourbus_domain::ArtistId;
use tourbus_protocol::{
    Catalogue, CatalogueSong, TreePath,
    page::{About, LOFI_DIR, SONGS_DIR, Song, WAVEFORMS_DIR, is_song, lofi_of, song_id, title_of},
};
use uuid::Uuid;

/// Largest `artist.json` that is read, in bytes.
pub const ABOUT_BYTES_MAX: u64 = 4 << 20;
/// Songs that the master is told of at most.
const SONGS_MAX: usize = 10_000;
/// A name being told to the master ends with this.
const TELLING: &str = ".telling";

/// Why it is not known what an artist has.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The file system refused.
    #[error(transparent)]
    Root(#[from] RootError),
    /// Not all of the tree can be seen.
    #[error(transparent)]
    Walk(#[from] WalkError),
    /// `artist.json` is there, but is not what it should be.
    #[error("artist.json cannot be understood: {0}")]
    Damaged(String),
}

/// What an artist says of themselves; empty when they say nothing.
pub fn about(tree: &Beneath) -> Result<About, Unreadable> {
    let path = TreePath::known(About::FILE);
    let Some(bytes) = tree.read_all(&path, ABOUT_BYTES_MAX)? else { return Ok(About::default()) };
    serde_json::from_slice(&bytes).map_err(|e| Unreadable::Damaged(e.to_string()))
}

/// Every song that is there, in the order of the page: those that `about` names, then the others
/// by name.
pub fn songs(tree: &Beneath, artist: ArtistId, about: &About) -> Result<Vec<Song>, RootError> {
    let dir = TreePath::known(SONGS_DIR);
    let there = tree.list(&dir)?;
    let path = |name: &OsStr| dir.join(name).ok();
    let mut files: BTreeSet<TreePath> =
        there.iter().filter(|n| is_song(n.as_bytes())).filter_map(|n| path(n)).collect();
    let mut songs: Vec<Song> =
        about.songs.iter().filter(|s| files.remove(&s.path)).cloned().collect();
    songs.extend(files.into_iter().map(|path| found(artist, path)));
    songs.truncate(SONGS_MAX);
    Ok(songs)
}

/// A file that nobody has told us of.
fn found(artist: ArtistId, path: TreePath) -> Song {
    let id = song_id(artist, &path);
    let title = title_of(path.as_bytes().rsplit(|b| *b == b'/').next().unwrap_or_default());
    Song { id, path, title, ..Song::default() }
}

/// Size of everything in a tree, in bytes.
pub fn size_of(tree: &Beneath) -> Result<u64, WalkError> {
    let size = |kind| if let WalkedKind::File(identity) = kind { identity.size } else { 0 };
    Ok(tree.walk()?.into_iter().map(|w| size(w.kind)).sum())
}

/// The same without what is made here of it, small renditions and waveforms: an artist has room for
/// what they bring.
pub fn size_of_own(tree: &Beneath) -> Result<u64, WalkError> {
    let made = |path: &TreePath| {
        let top = path.as_bytes().split(|b| *b == b'/').next().unwrap_or_default();
        [LOFI_DIR, WAVEFORMS_DIR].iter().any(|dir| dir.as_bytes() == top)
    };
    let size = |kind| if let WalkedKind::File(identity) = kind { identity.size } else { 0 };
    Ok(tree.walk()?.into_iter().filter(|w| !made(&w.path)).map(|w| size(w.kind)).sum())
}

/// All that the master is told of an artist.
pub fn catalogue(tree: &Beneath, artist: ArtistId) -> Result<Catalogue, Unreadable> {
    let about = about(tree)?;
    let songs = songs(tree, artist, &about)?;
    let told = |song: Song| {
        let bytes = tree.size(&song.path)?.unwrap_or(0);
        let has_lofi = match lofi_of(&song.path) {
            Some(lofi) => tree.size(&lofi)?.is_some(),
            None => false,
        };
        let Song { id, path, title, duration_ms, lofi, awaits_lofi, .. } = song;
        Ok(CatalogueSong { id, path, title, bytes, duration_ms, lofi, has_lofi, awaits_lofi })
    };
    Ok(Catalogue {
        artist_id: artist,
        revision: about.revision,
        name: about.name,
        bytes: size_of(tree)?,
        songs: songs.into_iter().map(told).collect::<Result<_, RootError>>()?,
    })
}

impl Writable {
    /// Changes what an artist has, in one instant: `act` gets the songs as they are on disk, and
    /// what it leaves is written. The master is told afterwards, whatever dies meanwhile.
    pub fn change<T, E: From<NotNow> + From<Unreadable>>(
        &self,
        act: impl FnOnce(&Beneath, &mut About) -> Result<T, E>,
    ) -> Result<T, E> {
        self.change_with(act, |_, _| Ok(())).map(|(result, ())| result)
    }

    /// The same, and something that is done when it is written.
    pub(crate) fn change_with<T, U, E: From<NotNow> + From<Unreadable>>(
        &self,
        act: impl FnOnce(&Beneath, &mut About) -> Result<T, E>,
        afterwards: impl FnOnce(&Beneath, &T) -> Result<U, RootError>,
    ) -> Result<(T, U), E> {
        self.edit(|tree| {
            let mut about = about(tree)?;
            about.songs = songs(tree, self.artist(), &about).map_err(Unreadable::Root)?;
            self.root().note_changed(self.artist()).map_err(NotNow::Root)?;
            let result = act(tree, &mut about)?;
            about.revision += 1;
            save(tree, &about).map_err(NotNow::Root)?;
            let more = afterwards(tree, &result).map_err(NotNow::Root)?;
            Ok((result, more))
        })
    }
}

/// Replaces `artist.json`. What a killed process left of it is overwritten by the next.
fn save(tree: &Beneath, about: &About) -> Result<(), RootError> {
    let shown = tree.path().join(About::FILE);
    let mut bytes =
        serde_json::to_vec_pretty(about).map_err(std::io::Error::from).doing("write", &shown)?;
    bytes.push(b'\n');
    if bytes.len() as u64 > ABOUT_BYTES_MAX {
        let source = std::io::ErrorKind::FileTooLarge;
        return Err(RootError::new("write", &shown, std::io::Error::from(source)));
    }
    let draft = TreePath::known(format!("{UPLOADS}/{}", About::FILE));
    let file = tree.write(&draft)?;
    file.set_len(0)?;
    file.write_at(&bytes, 0)?;
    file.sync()?;
    tree.replace(&draft, &TreePath::known(About::FILE))
}

impl MediaRoot {
    /// The master is to know what this artist has.
    pub fn note_changed(&self, artist: ArtistId) -> Result<(), RootError> {
        let dir = self.changed_all();
        fs::create_dir_all(&dir).doing("make", &dir)?;
        atomic::write(&self.changed(artist), b"", Durable::Yes)
    }

    /// Artists of whom the master is to be told.
    pub fn changed_artists(&self) -> Result<Vec<ArtistId>, RootError> {
        let dir = self.changed_all();
        let Some(entries) = absent(fs::read_dir(&dir).doing("list", &dir))? else {
            return Ok(Vec::new());
        };
        let mut artists = BTreeSet::new();
        for entry in entries {
            let name = entry.doing("list", &dir)?.file_name();
            let name = name.to_str().map(|n| n.strip_suffix(TELLING).unwrap_or(n));
            artists.extend(name.and_then(|n| n.parse::<Uuid>().ok()).map(ArtistId));
        }
        Ok(artists.into_iter().collect())
    }

    /// What the master is to be told of an artist; `None` when the artist is not here any more:
    /// then there is nothing to tell. A change from now on is noted anew.
    pub fn tell_changed(&self, artist: ArtistId) -> Result<Option<Catalogue>, Unreadable> {
        let Some(tree) = absent(Beneath::open(&self.tree(artist)))? else {
            self.told_changed(artist)?;
            absent(atomic::remove(&self.changed(artist)))?;
            return Ok(None);
        };
        // Never between the note and the change that it is about.
        let turn = turn_if_any(&tree)?;
        absent(atomic::rename(&self.changed(artist), &self.telling(artist), Durable::Yes))?;
        let told = catalogue(&tree, artist)?;
        if turn.is_none() && turn_if_any(&tree)?.is_some() {
            // The first edit ever has come between: it is told the next time.
            self.note_changed(artist)?;
        }
        Ok(Some(told))
    }

    /// The master knows.
    pub fn told_changed(&self, artist: ArtistId) -> Result<(), RootError> {
        atomic::remove(&self.telling(artist)).map(|_| ())
    }

    fn telling(&self, artist: ArtistId) -> std::path::PathBuf {
        self.changed_all().join(format!("{artist}{TELLING}"))
    }
}

#[cfg(test)]
mod tests;
