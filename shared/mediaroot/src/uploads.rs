//! Uploads that have begun, in the artist's own tree: they move with it, and go on where it is.
//!
//! ```text
//! <tree>/.uploads/<id>.json   what it is to become
//! <tree>/.uploads/<id>.part   what has arrived; its length is the offset
//! ```
//!
//! *Invariant:* a file in `songs/`, `images/` or `vault/` is whole and was looked at.

use crate::{
    Unreadable, Writable,
    beneath::Beneath,
    error::{Doing, RootError, absent},
    writing::{NotNow, UPLOADS, uploads_dir},
};
use chrono::{DateTime, TimeDelta, Utc};
use rustix::fs::FileType;
use serde::{Deserialize, Serialize};
use std::{io, os::unix::ffi::OsStrExt as _};
use tourbus_protocol::{
    TreePath,
    page::{About, IMAGES_DIR, SONGS_DIR, VAULT_DIR},
};
use uuid::Uuid;

/// An upload that nobody has continued for this long is given up.
pub const UPLOAD_KEEP: TimeDelta = TimeDelta::days(7);
/// What became of an upload is remembered this long, for whoever missed the answer.
pub const SETTLED_KEEP: TimeDelta = TimeDelta::days(1);
/// How often every artist's uploads are looked through.
const TIDY_EVERY: TimeDelta = TimeDelta::hours(1);
/// Files of one name at most.
const NAMES_MAX: u32 = 1000;
/// Longest note that is read, in bytes.
const NOTE_BYTES_MAX: u64 = 64 << 10;

/// What is uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadKind {
    /// A song.
    Song,
    /// A picture.
    Image,
    /// The picture that stands for the artist.
    Cover,
    /// Any other file that listeners may fetch.
    Vault,
}

impl UploadKind {
    /// The kind of this name.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "song" => Some(Self::Song),
            "image" => Some(Self::Image),
            "cover" => Some(Self::Cover),
            "vault" => Some(Self::Vault),
            _ => None,
        }
    }

    /// The directory in which it ends.
    pub const fn dir(self) -> &'static str {
        match self {
            Self::Song => SONGS_DIR,
            Self::Image | Self::Cover => IMAGES_DIR,
            Self::Vault => VAULT_DIR,
        }
    }
}

/// How far an upload is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum UploadState {
    /// Bytes are missing, or have not been looked at.
    Receiving,
    /// It is in its place.
    Placed {
        /// Where.
        path: TreePath,
    },
    /// It was looked at and thrown away.
    Refused {
        /// A stable name for the reason.
        code: String,
        /// The reason, for the artist.
        detail: String,
    },
}

/// An upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    /// Its id.
    pub id: Uuid,
    /// What it is to become.
    pub kind: UploadKind,
    /// The file's name, as the uploader calls it; made safe before.
    pub name: String,
    /// How long it is to be.
    pub bytes: u64,
    /// When it began, or was settled.
    pub at: DateTime<Utc>,
    /// How far it is.
    #[serde(flatten)]
    pub state: UploadState,
}

impl Upload {
    fn note(id: Uuid) -> TreePath {
        within(&format!("{id}.json"))
    }

    /// What has arrived of it.
    pub fn part(id: Uuid) -> TreePath {
        within(&format!("{id}.part"))
    }

    fn is_over(&self, touched: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        match self.state {
            UploadState::Receiving => touched + UPLOAD_KEEP < now,
            UploadState::Placed { .. } | UploadState::Refused { .. } => {
                self.at + SETTLED_KEEP < now
            }
        }
    }
}

fn within(name: &str) -> TreePath {
    TreePath::known(format!("{UPLOADS}/{name}"))
}

/// An upload and how much of it has arrived; `None` when there is none of this id.
pub fn upload(tree: &Beneath, id: Uuid) -> Result<Option<(Upload, u64)>, RootError> {
    let path = Upload::note(id);
    let Some(bytes) = tree.read_all(&path, NOTE_BYTES_MAX)? else { return Ok(None) };
    let upload: Upload = serde_json::from_slice(&bytes)
        .map_err(io::Error::from)
        .doing("understand", &tree.shown(&path))?;
    let part = tree.size(&Upload::part(id))?;
    Ok(Some(match (&upload.state, part) {
        // Its place was chosen, but it is not there yet.
        (UploadState::Receiving | UploadState::Placed { .. }, Some(arrived)) => {
            (Upload { state: UploadState::Receiving, ..upload }, arrived)
        }
        (UploadState::Receiving, None) => (upload, 0),
        (UploadState::Placed { .. } | UploadState::Refused { .. }, _) => {
            let bytes = upload.bytes;
            (upload, bytes)
        }
    }))
}

/// Every upload of a tree, with how much of it has arrived.
pub fn uploads(tree: &Beneath) -> Result<Vec<(Upload, u64)>, RootError> {
    let mut all = Vec::new();
    for name in tree.list(&uploads_dir())? {
        let Some(id) = name.to_str().and_then(|n| n.strip_suffix(".json")?.parse().ok()) else {
            continue;
        };
        all.extend(upload(tree, id)?);
    }
    Ok(all)
}

impl Writable {
    /// Begins an upload.
    pub fn begin_upload(&self, upload: &Upload) -> Result<(), NotNow> {
        self.edit(|tree| {
            tidy(tree, Utc::now())?;
            tree.write(&Upload::part(upload.id))?.set_len(0)?;
            note(tree, upload)?;
            Ok(())
        })
    }

    /// Appends to an upload at `offset`, which must be where it ends.
    pub fn append(&self, id: Uuid, offset: u64, bytes: &[u8]) -> Result<(), NotNow> {
        self.write(|tree| {
            let path = Upload::part(id);
            let file = tree.write(&path)?;
            let size = file.identity()?.size;
            if size != offset {
                let found = format!("{size} bytes are there, not {offset}");
                let error =
                    RootError::new("append to", &tree.shown(&path), io::Error::other(found));
                return Err(error.into());
            }
            Ok(file.write_at(bytes, offset)?)
        })
    }

    /// Makes what has arrived of an upload durable.
    pub fn flush_upload(&self, id: Uuid) -> Result<(), RootError> {
        match absent(self.tree().read(&Upload::part(id)))? {
            Some(file) => file.flush().doing("flush", &self.tree().shown(&Upload::part(id))),
            None => Ok(()),
        }
    }

    /// Ends an upload and forgets it. Whether there was one.
    pub fn drop_upload(&self, id: Uuid) -> Result<bool, NotNow> {
        self.edit(|tree| {
            let there = upload(tree, id)?.is_some();
            tree.remove_entry(&Upload::part(id))?;
            tree.remove_entry(&Upload::note(id))?;
            Ok(there)
        })
    }

    /// Throws away what an upload brought, and remembers why.
    pub fn refuse_upload(&self, upload: &Upload, code: &str, detail: &str) -> Result<(), NotNow> {
        let state = UploadState::Refused { code: code.to_owned(), detail: detail.to_owned() };
        let refused = Upload { at: Utc::now(), state, ..upload.clone() };
        self.edit(|tree| {
            tree.remove_entry(&Upload::part(upload.id))?;
            Ok(note(tree, &refused)?)
        })
    }

    /// Puts a whole upload, which has been looked at, into its place under a name like `name`, and
    /// lets `register` note it with the songs. Where it is. A try that dies in between is followed
    /// by another: `register` may find what it noted before.
    pub fn place_upload<E: From<NotNow> + From<Unreadable>>(
        &self,
        upload: &Upload,
        name: &str,
        register: impl Fn(&Beneath, &mut About, &TreePath) -> Result<(), E>,
    ) -> Result<TreePath, E> {
        self.place_file(&Upload::part(upload.id), upload.kind, name, |tree, about, path| {
            // Until the part is renamed, it says that this is not so yet.
            let state = UploadState::Placed { path: path.clone() };
            let placed = Upload { at: Utc::now(), state, ..upload.clone() };
            note(tree, &placed).map_err(NotNow::Root)?;
            register(tree, about, path)
        })
    }

    /// The same for any file of the tree.
    pub fn place_file<E: From<NotNow> + From<Unreadable>>(
        &self,
        from: &TreePath,
        kind: UploadKind,
        name: &str,
        register: impl Fn(&Beneath, &mut About, &TreePath) -> Result<(), E>,
    ) -> Result<TreePath, E> {
        let root = |e| E::from(NotNow::Root(e));
        // What has a name in the end is whole, even after a power cut.
        if let Some(file) = absent(self.tree().read(from)).map_err(root)? {
            file.flush().doing("flush", &self.tree().shown(from)).map_err(root)?;
        }
        // A name may be taken by somebody else just before the file gets it.
        for _ in 1..=NAMES_MAX {
            let choose = |tree: &Beneath, about: &mut About| -> Result<_, E> {
                let path = free_path(tree, kind, name).map_err(root)?;
                register(tree, about, &path)?;
                Ok(path)
            };
            let rename = |tree: &Beneath, path: &TreePath| tree.place(from, path);
            if let (path, true) = self.change_with(choose, rename)? {
                return Ok(path);
            }
        }
        Err(root(too_many(self.tree())))
    }
}

/// The first name like `name` that nothing has.
fn free_path(tree: &Beneath, kind: UploadKind, name: &str) -> Result<TreePath, RootError> {
    tree.make_dir(&TreePath::known(kind.dir()))?;
    for n in 1..=NAMES_MAX {
        let path = TreePath::known(format!("{}/{}", kind.dir(), numbered(name, n)));
        match tree.stat(&path) {
            Err(rustix::io::Errno::NOENT) => return Ok(path),
            Ok(_) => {}
            Err(e) => return Err(e).doing("examine", &tree.shown(&path)),
        }
    }
    Err(too_many(tree))
}

fn too_many(tree: &Beneath) -> RootError {
    let full = io::Error::new(io::ErrorKind::AlreadyExists, "too many files of this name");
    RootError::new("name", &tree.shown(&TreePath::default()), full)
}

/// `a.mp3`, `a-2.mp3`, `a-3.mp3`, …
fn numbered(name: &str, n: u32) -> String {
    match (n, name.rsplit_once('.')) {
        (1, _) => name.to_owned(),
        (_, Some((stem, end))) => format!("{stem}-{n}.{end}"),
        (_, None) => format!("{name}-{n}"),
    }
}

fn note(tree: &Beneath, upload: &Upload) -> Result<(), RootError> {
    let path = Upload::note(upload.id);
    let bytes = serde_json::to_vec(upload).map_err(io::Error::from).doing("write", tree.path())?;
    let draft = within(&format!("{}.note", upload.id));
    let file = tree.write(&draft)?;
    file.set_len(0)?;
    file.write_at(&bytes, 0)?;
    file.sync()?;
    tree.replace(&draft, &path)
}

/// Forgets uploads that are over.
fn tidy(tree: &Beneath, now: DateTime<Utc>) -> Result<u64, RootError> {
    let mut tidied = 0;
    for (upload, _) in uploads(tree)? {
        let part = absent(tree.read(&Upload::part(upload.id)))?;
        let mtime = part.and_then(|p| DateTime::from_timestamp(p.identity.mtime.s, 0));
        if upload.is_over(mtime.unwrap_or(upload.at), now) {
            tree.remove_entry(&Upload::part(upload.id))?;
            tree.remove_entry(&Upload::note(upload.id))?;
            tidied += 1;
        }
    }
    // What killed processes have left that belongs to no upload.
    for name in tree.list(&uploads_dir())? {
        let Ok(path) = uploads_dir().join(&name) else { continue };
        let Ok(stat) = tree.stat(&path) else { continue };
        let touched = DateTime::from_timestamp(stat.st_mtime, 0);
        let is_note = name.as_bytes().ends_with(b".json");
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        if is_file && !is_note && touched.is_some_and(|t| t + UPLOAD_KEEP < now) {
            tree.remove_entry(&path)?;
        }
    }
    Ok(tidied)
}

impl crate::MediaRoot {
    /// Forgets uploads that are over, of every artist who does not move at the moment; once in
    /// [`TIDY_EVERY`], for there may be many artists. How many.
    pub(crate) fn tidy_uploads(&self, now: DateTime<Utc>) -> Result<u64, RootError> {
        let stamp = self.uploads_tidied();
        let last = absent(std::fs::metadata(&stamp).doing("examine", &stamp))?;
        let last = last.and_then(|m| m.modified().ok()).map(DateTime::<Utc>::from);
        if last.is_some_and(|last| last <= now && now < last + TIDY_EVERY) {
            return Ok(0);
        }
        crate::atomic::write(&stamp, b"", crate::atomic::Durable::No)?;
        let mut tidied = 0;
        let top = self.path();
        for entry in std::fs::read_dir(top).doing("list", top)? {
            let name = entry.doing("list", top)?.file_name();
            let Some(artist) = name.to_str().and_then(|n| n.parse().ok()) else { continue };
            let begun = Beneath::open(&self.tree(artist)).and_then(|t| t.list(&uploads_dir()));
            if absent(begun)?.is_none_or(|begun| begun.is_empty()) {
                continue;
            }
            let cleaned = self
                .writable(artist, now + TimeDelta::days(1), now)
                .and_then(|tree| tree.edit(|t| Ok::<_, NotNow>(tidy(t, now)?)));
            match cleaned {
                Ok(n) => tidied += n,
                Err(NotNow::Moving | NotNow::Gone) => {}
                // A person must mend this one; the others are tidied all the same.
                Err(NotNow::Root(error)) => tracing::warn!(%artist, %error, "janitor.not_tidied"),
            }
        }
        Ok(tidied)
    }
}

#[cfg(test)]
mod tests;
