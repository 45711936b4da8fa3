//! Who may have an original: whoever hears a song that has no LOFI yet, and everybody if the artist
//! lets listeners download.

use crate::{app::App, file};
use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, PoisonError},
};
use tourbus_domain::{ArtistId, Slug};
use tourbus_mediaroot::{
    Beneath, Unreadable,
    serve::{Found, OpenFile},
};
use tourbus_protocol::{TreePath, page::About};

/// Artists whose word is remembered.
const REMEMBERED_MAX: usize = 10_000;

/// An `artist.json` as it was read, and what it said.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Word {
    file: (u64, i64, u32),
    downloads: bool,
}

/// What artists say, remembered for as long as their `artist.json` stays the same.
#[derive(Default)]
pub(crate) struct Words(Mutex<HashMap<ArtistId, Word>>);

/// Whether listeners may have the originals of songs that have a LOFI.
pub(crate) async fn may_have(app: &Arc<App>, slug: &Slug) -> io::Result<bool> {
    let about = TreePath::known(About::FILE);
    match file::open(app, slug, &about, None).await?.0 {
        Found::File(found) => downloads(app, found).await,
        Found::NoFile => Ok(false),
        // On the way to another server: that one will say.
        Found::Moved(_) | Found::NoArtist => Ok(true),
    }
}

async fn downloads(app: &Arc<App>, found: OpenFile) -> io::Result<bool> {
    let (artist, file) = (found.artist, (found.bytes, found.mtime_s, found.mtime_ns));
    let words = || app.words.0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(word) = words().get(&artist).filter(|w| w.file == file) {
        return Ok(word.downloads);
    }
    let root = app.root.clone();
    let read = tokio::task::spawn_blocking(move || {
        let tree = Beneath::open(&root.tree(artist)).map_err(|e| e.source)?;
        match tourbus_mediaroot::about(&tree) {
            Ok(about) => Ok(about.downloads),
            Err(Unreadable::Root(error)) => Err(error.source),
            // What is damaged allows nothing.
            Err(Unreadable::Walk(_) | Unreadable::Damaged(_)) => Ok(false),
        }
    });
    let downloads = read.await.map_err(io::Error::other)??;
    let mut words = words();
    if words.len() >= REMEMBERED_MAX {
        words.clear();
    }
    words.insert(artist, Word { file, downloads });
    Ok(downloads)
}
