//! Old copies: set aside when an artist has moved away, kept for a while, then purged.

use crate::{
    MediaRoot,
    atomic::{self, Durable},
    error::{Doing, RootError},
    remove::{Removal, remove_tree, rename_tree},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::{fs, path::Path};
use tourbus_domain::{ArtistId, Slug};

const NOTE: &str = "retired.json";
/// The old copy itself, beside its note.
pub const RETIRED_TREE: &str = "tree";

/// What stands beside an old copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retired {
    /// Whose it was.
    pub artist: ArtistId,
    /// Their public name then.
    pub slug: Slug,
    /// When it was set aside.
    pub retired_at: DateTime<Utc>,
    /// When to purge it.
    pub purge_at: DateTime<Utc>,
    /// Whether it is kept until a person removes it: it holds something that has not moved.
    #[serde(default)]
    pub keep: bool,
}

impl MediaRoot {
    /// Sets an artist's tree aside at `place` (of this media root's `retired`), with a note of
    /// when to purge it. Whether there was one; repeated, it changes nothing.
    pub fn retire(&self, place: &Path, note: &Retired) -> Result<bool, RootError> {
        let (tree, aside) = (self.tree(note.artist), place.join(RETIRED_TREE));
        if aside.exists() || !tree.exists() {
            return Ok(false);
        }
        fs::create_dir_all(place).doing("make", place)?;
        // The note first: a tree without one would never be purged.
        atomic::write_json(&place.join(NOTE), note, Durable::Yes)?;
        rename_tree(&tree, &aside)?;
        Ok(true)
    }

    /// Keeps an old copy until a person removes it.
    pub fn keep_retired(&self, place: &Path) -> Result<(), RootError> {
        let path = place.join(NOTE);
        match atomic::read_json::<Retired>(&path)? {
            Some(note) => atomic::write_json(&path, &Retired { keep: true, ..note }, Durable::Yes),
            None => Ok(()),
        }
    }

    /// Whether an old copy is kept until a person removes it.
    pub fn is_kept(&self, place: &Path) -> Result<bool, RootError> {
        let note: Option<Retired> = atomic::read_json(&place.join(NOTE))?;
        Ok(note.is_some_and(|note| note.keep))
    }

    /// Purges what is due. How many old copies are gone.
    pub fn purge_retired(
        &self,
        now: DateTime<Utc>,
        stop: &dyn Fn() -> bool,
    ) -> Result<u64, RootError> {
        let all = self.retired_all();
        let mut purged = 0;
        for entry in fs::read_dir(&all).doing("list", &all)? {
            let place = entry.doing("list", &all)?.path();
            let note: Option<Retired> = atomic::read_json(&place.join(NOTE))?;
            let Some(note) = note.filter(|n| n.purge_at <= now && !n.keep) else { continue };
            // The note last: a purge that is cut short goes on at the next look.
            if remove_tree(&place.join(RETIRED_TREE), stop)? == Removal::Stopped {
                break;
            }
            remove_tree(&place, stop)?;
            tracing::info!(artist = %note.artist, slug = %note.slug, "retired.purged");
            purged += 1;
        }
        Ok(purged)
    }
}
