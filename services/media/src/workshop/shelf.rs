//! All that an artist has, as the workshop's page shows it.

use super::{
    Leave,
    problem::Problem,
    quota::{self, Usage},
};
use serde::Serialize;
use std::os::unix::ffi::OsStrExt as _;
use tourbus_mediaroot::{Beneath, Upload, UploadState, uploads};
use tourbus_protocol::{
    TreePath,
    page::{IMAGES_DIR, IMPORT_DIR, LofiFault, Rendition, Song, VAULT_DIR, lofi_of},
};
use uuid::Uuid;

/// Files of one directory that are shown at most.
const FILES_MAX: usize = 1000;

#[derive(Debug, Serialize)]
pub(super) struct Shelf {
    /// Of two states, the higher is newer.
    pub(super) revision: u64,
    name: String,
    text: String,
    downloads: bool,
    cover: Option<TreePath>,
    songs: Vec<SongShown>,
    images: Vec<FileShown>,
    vault: Vec<FileShown>,
    imports: Vec<FileShown>,
    uploads: Vec<UploadShown>,
    #[serde(flatten)]
    usage: Usage,
    quota_bytes: u64,
}

#[derive(Debug, Serialize)]
struct SongShown {
    id: Uuid,
    title: String,
    path: TreePath,
    bytes: u64,
    duration_ms: u64,
    /// Size of its small rendition; none when it has none.
    lofi_bytes: Option<u64>,
    /// How that was made, if it is known.
    lofi: Option<Rendition>,
    /// Listeners do not see it yet.
    awaits_lofi: bool,
    /// Why that could not be made, when it was tried last.
    lofi_fault: Option<LofiFault>,
}

#[derive(Debug, Serialize)]
struct FileShown {
    path: TreePath,
    name: String,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct UploadShown {
    #[serde(flatten)]
    upload: Upload,
    arrived_bytes: u64,
}

impl Shelf {
    pub(super) fn of(tree: &Beneath, leave: &Leave) -> Result<Self, Problem> {
        let about = tourbus_mediaroot::about(tree)?;
        let songs = tourbus_mediaroot::songs(tree, leave.grant.artist, &about)?;
        let shown = |s: Song| {
            let bytes = tree.size(&s.path)?.unwrap_or(0);
            let lofi_bytes = match lofi_of(&s.path) {
                Some(lofi) => tree.size(&lofi)?,
                None => None,
            };
            Ok(SongShown {
                lofi_bytes,
                lofi: s.lofi.filter(|_| lofi_bytes.is_some()),
                awaits_lofi: s.awaits_lofi,
                lofi_fault: s.lofi_fault,
                id: s.id,
                title: s.title,
                path: s.path,
                bytes,
                duration_ms: s.duration_ms,
            })
        };
        let open = |(upload, arrived_bytes): (Upload, u64)| {
            let shown = !matches!(upload.state, UploadState::Placed { .. });
            shown.then_some(UploadShown { upload, arrived_bytes })
        };
        Ok(Self {
            revision: about.revision,
            name: about.name,
            text: about.text,
            downloads: about.downloads,
            cover: about.cover,
            songs: songs.into_iter().map(shown).collect::<Result<_, Problem>>()?,
            images: files(tree, IMAGES_DIR)?,
            vault: files(tree, VAULT_DIR)?,
            imports: files(tree, IMPORT_DIR)?,
            uploads: uploads(tree)?.into_iter().filter_map(open).collect(),
            usage: quota::usage(tree)?,
            quota_bytes: leave.grant.quota_bytes,
        })
    }
}

/// The visible files of a directory.
fn files(tree: &Beneath, dir: &str) -> Result<Vec<FileShown>, Problem> {
    let dir = TreePath::known(dir);
    let mut files = Vec::new();
    for name in tree.list(&dir)?.into_iter().filter(|n| !n.as_bytes().starts_with(b".")) {
        let Ok(path) = dir.join(&name) else { continue };
        // Directories and links are none.
        let Some(bytes) = tree.size(&path)? else { continue };
        files.push(FileShown { path, name: name.to_string_lossy().into_owned(), bytes });
        if files.len() >= FILES_MAX {
            break;
        }
    }
    Ok(files)
}
