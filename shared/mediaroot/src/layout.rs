//! Where things are under a media root.
//!
//! ```text
//! <media root>/
//!   <artist id>/                     an artist's tree, byte for byte; nothing of a move in it
//!   .tourbus/
//!     by-slug/<slug>                 symlink whose target is the artist's id; the public name
//!     moved/<slug>                   base URL of the new home, for 308s (tree present wins)
//!     freezes/<artist id>            JSON {job_id, expires_at}: no writes until then
//!     incoming/<job id>/             the tree of a move that is arriving
//!     retired/<job id>/tree/         the old copy of a move that has left
//!     retired/<job id>/retired.json  whose it was, and when to purge it
//!     retired/<job id>-stale-<epoch>/  likewise, of a tree that a promotion found in its place
//!     jobs/<job id>/                 what the worker must remember of a running job
//!     ballast                        room for notes, held while there is plenty
//!     quarantine.json                why this server takes no work; absent when it does
//!     master-keys.json               the master's keys that count, once it has changed them
//!     plays/                         plays on their way to the master
//!     changed/<artist id>            the artist's songs have changed, and the master is to know
//!     records/                       what artists' files were, to be compared (see `record`)
//!     uploads-tidied                 when forgotten uploads were last looked for
//!     adopting/<artist id>/          a tree of another community, on its way in
//!     fences/<job id>/               highest epochs seen, and locks; outlives the job
//! ```
//!
//! *Invariant:* a tree at `<artist id>` is whole. Trees that arrive are elsewhere until verified.

use std::path::{Path, PathBuf};
use tourbus_domain::{ArtistId, Epoch, JobId, Slug};

/// A media root; knows the names of things, touches nothing.
#[derive(Debug, Clone)]
pub struct MediaRoot {
    root: PathBuf,
}

impl MediaRoot {
    /// At this directory.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// An artist's tree.
    pub fn tree(&self, artist: ArtistId) -> PathBuf {
        self.root.join(artist.to_string())
    }

    fn hidden(&self, what: &str) -> PathBuf {
        self.root.join(".tourbus").join(what)
    }

    /// Directories that must exist before anything else happens.
    pub fn directories(&self) -> [PathBuf; 10] {
        [
            "by-slug", "moved", "freezes", "incoming", "retired", "jobs", "fences", "plays",
            "changed", "records",
        ]
        .map(|d| self.hidden(d))
    }

    /// The symlink from a public name to an artist.
    pub fn by_slug(&self, slug: &Slug) -> PathBuf {
        self.hidden("by-slug").join(slug.as_str())
    }

    /// The forwarding of an artist who has moved away.
    pub fn moved(&self, slug: &Slug) -> PathBuf {
        self.hidden("moved").join(slug.as_str())
    }

    /// The freeze of an artist's writes.
    pub fn freeze(&self, artist: ArtistId) -> PathBuf {
        self.hidden("freezes").join(artist.to_string())
    }

    /// The tree of a move that is arriving.
    pub fn incoming(&self, job: JobId) -> PathBuf {
        self.hidden("incoming").join(job.to_string())
    }

    /// What is kept of a move that has left.
    pub fn retired(&self, job: JobId) -> PathBuf {
        self.hidden("retired").join(job.to_string())
    }

    /// All that is kept of moves that have left.
    pub fn retired_all(&self) -> PathBuf {
        self.hidden("retired")
    }

    /// What the worker must remember of a running job.
    pub fn job(&self, job: JobId) -> PathBuf {
        self.hidden("jobs").join(job.to_string())
    }

    /// The old copy of an artist's tree that a move found at its target, where it had no right
    /// to be: a leftover of an earlier stay.
    pub fn retired_stale(&self, job: JobId, epoch: Epoch) -> PathBuf {
        self.hidden("retired").join(format!("{job}-stale-{epoch}"))
    }

    /// What the worker must remember of all running jobs.
    pub fn jobs_all(&self) -> PathBuf {
        self.hidden("jobs")
    }

    /// Where notes are written and replaced.
    pub(crate) fn noted(&self) -> [PathBuf; 4] {
        ["by-slug", "moved", "freezes", "jobs"].map(|name| self.hidden(name))
    }

    /// All freezes.
    pub fn freezes_all(&self) -> PathBuf {
        self.hidden("freezes")
    }

    /// The spool of plays.
    pub fn plays(&self) -> PathBuf {
        self.hidden("plays")
    }

    /// Artists whose songs have changed.
    pub fn changed_all(&self) -> PathBuf {
        self.hidden("changed")
    }

    /// That this artist's songs have changed.
    pub fn changed(&self, artist: ArtistId) -> PathBuf {
        self.changed_all().join(artist.to_string())
    }

    /// When all artists' uploads were last looked through: its modification time.
    pub(crate) fn uploads_tidied(&self) -> PathBuf {
        self.hidden("uploads-tidied")
    }

    /// What listeners' marks are made with.
    pub fn plays_secret(&self) -> PathBuf {
        self.plays().join("secret.json")
    }

    /// Held by the one process that delivers plays.
    pub fn plays_lock(&self) -> PathBuf {
        self.plays().join("delivering.lock")
    }

    /// Room that is held for notes.
    pub fn ballast(&self) -> PathBuf {
        self.hidden("ballast")
    }

    /// Held by the one process that cleans.
    pub fn janitor_lock(&self) -> PathBuf {
        self.hidden("janitor.lock")
    }

    /// Why this server takes no work.
    pub fn quarantine_note(&self) -> PathBuf {
        self.hidden("quarantine.json")
    }

    /// The limits that this server keeps to.
    pub fn limits_note(&self) -> PathBuf {
        self.hidden("limits.json")
    }

    /// Lanes that this server's workers take nothing from.
    pub fn lanes_note(&self) -> PathBuf {
        self.hidden("lanes.json")
    }

    /// The master's keys that count.
    pub fn master_keys_note(&self) -> PathBuf {
        self.hidden("master-keys.json")
    }

    /// Highest epochs seen of a job, and its steps' locks.
    pub fn fence_dir(&self, job: JobId) -> PathBuf {
        self.hidden("fences").join(job.to_string())
    }

    /// All fences.
    pub fn fences_all(&self) -> PathBuf {
        self.hidden("fences")
    }
}
