//! An artist's tree, from a plan: drafted, read back, renamed into place.

use crate::{layout::Plan, list::Wanted};
use std::path::PathBuf;
use tourbus_mediaroot::{
    Beneath, MediaRoot, RootError,
    atomic::{self, Durable},
    remove_tree, rename_tree,
};
use tourbus_protocol::{
    Stamp, TreePath,
    page::{About, IMAGES_DIR, SONGS_DIR, Song, VAULT_DIR, song_id},
};

/// Read and written at a time, in bytes.
const BLOCK_BYTES: usize = 1 << 20;

/// Why a tree was not made. What there is of it is kept for the next run.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The file system refused.
    #[error(transparent)]
    Root(#[from] RootError),
    /// Reading failed in the middle.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What was read back is not what was written.
    #[error("{path} reads back other than it was written: is the disk well?")]
    Differs {
        /// Which file.
        path: PathBuf,
    },
    /// The artist has another tree here.
    #[error("the address {slug} leads to another artist on this server")]
    SlugTaken {
        /// Which.
        slug: String,
    },
}

/// Drafts the tree beside the others, unless it is in its place. `told` hears of every byte that is
/// dealt with. Nobody sees a draft.
pub fn draft(
    root: &MediaRoot,
    from: &std::path::Path,
    wanted: &Wanted,
    plan: &Plan,
    told: &dyn Fn(u64),
) -> Result<(), BuildError> {
    if root.by_slug(&wanted.slug).symlink_metadata().is_ok()
        && !root.slug_is(&wanted.slug, wanted.artist)?
    {
        return Err(BuildError::SlugTaken { slug: wanted.slug.to_string() });
    }
    if root.tree(wanted.artist).exists() {
        told(plan.bytes());
        return Ok(());
    }
    let draft = place(root, wanted);
    std::fs::create_dir_all(&draft).map_err(|source| RootError {
        action: "make",
        path: draft.clone(),
        source,
    })?;
    fill(&Beneath::open(from)?, &Beneath::open(&draft)?, wanted, plan, told)
}

/// Puts the draft into its place, and gives it its public name: the master knows of it.
pub fn publish(root: &MediaRoot, wanted: &Wanted) -> Result<(), BuildError> {
    // A run that finds the tree in its place takes all of this for done.
    root.link_slug(&wanted.slug, wanted.artist)?;
    root.unforward_slug(&wanted.slug)?;
    let tree = root.tree(wanted.artist);
    if !tree.exists() {
        rename_tree(&place(root, wanted), &tree)?;
    }
    root.note_changed(wanted.artist)?;
    Ok(())
}

/// Removes a draft that will not be published.
pub fn discard(root: &MediaRoot, wanted: &Wanted) -> Result<(), BuildError> {
    remove_tree(&place(root, wanted), &|| false)?;
    Ok(())
}

fn place(root: &MediaRoot, wanted: &Wanted) -> PathBuf {
    root.path().join(".tourbus/adopting").join(wanted.artist.to_string())
}

fn fill(
    old: &Beneath,
    draft: &Beneath,
    wanted: &Wanted,
    plan: &Plan,
    told: &dyn Fn(u64),
) -> Result<(), BuildError> {
    for dir in [SONGS_DIR, IMAGES_DIR, VAULT_DIR] {
        draft.make_dir(&TreePath::known(dir))?;
    }
    for dir in &plan.dirs {
        draft.make_dir(dir)?;
    }
    for file in &plan.files {
        copy(old, draft, &file.from, &file.to)?;
        told(file.bytes);
    }
    let song = |song: &crate::layout::NewSong| Song {
        id: song_id(wanted.artist, &song.path),
        path: song.path.clone(),
        title: song.title.clone(),
        ..Song::default()
    };
    let about = About {
        name: wanted.listed.name.clone(),
        text: wanted.listed.text.clone(),
        revision: 1,
        songs: plan.songs.iter().map(song).collect(),
        ..About::default()
    };
    atomic::write_json(&draft.path().join(About::FILE), &about, Durable::Yes)?;
    Ok(draft.sync_all()?)
}

/// Copies a file with its time, and reads it back. One that an earlier run has finished is left.
fn copy(old: &Beneath, draft: &Beneath, from: &TreePath, to: &TreePath) -> Result<(), BuildError> {
    let source = old.read(from)?;
    let wanted = (source.identity.size, source.identity.mtime);
    if let Ok(there) = draft.read(to)
        && (there.identity.size, there.identity.mtime) == wanted
    {
        return Ok(());
    }
    let read = |source| BuildError::Read { path: old.path().join(from.as_path()), source };
    let file = draft.write(to)?;
    file.set_len(0)?;
    let mut block = vec![0; BLOCK_BYTES];
    let (mut at, mut hasher) = (0, blake3::Hasher::new());
    loop {
        let n = source.read_at(&mut block, at).map_err(read)?;
        if n == 0 {
            break;
        }
        hasher.update(&block[..n]);
        file.write_at(&block[..n], at)?;
        at += n as u64;
    }
    file.flush()?;
    let (mut at, mut back) = (0, blake3::Hasher::new());
    loop {
        let n = file.read_at(&mut block, at)?;
        if n == 0 {
            break;
        }
        back.update(&block[..n]);
        at += n as u64;
    }
    if back.finalize() != hasher.finalize() {
        return Err(BuildError::Differs { path: draft.path().join(to.as_path()) });
    }
    // Last: it says that the file is whole.
    let Stamp { s, ns } = wanted.1;
    file.finish(0o644, Stamp { s, ns })?;
    Ok(())
}
