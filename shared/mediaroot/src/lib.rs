//! One server's media root on disk: artists' trees, and the hidden state beside them.
//!
//! Everything is on one file system, so that promotion and retirement are renames. See
//! [`layout`] for the drawing. All of it blocks; none of it knows a runtime.

pub mod atomic;
mod ballast;
mod beneath;
mod catalogue;
mod error;
mod fence;
mod freeze;
mod identity;
mod janitor;
mod lanes;
pub mod layout;
mod limits;
mod plays;
mod quarantine;
mod record;
mod remove;
mod retired;
pub mod serve;
mod setup;
mod slugs;
mod trust;
mod unnamed;
mod uploads;
mod walk;
mod write;
mod writing;

pub use beneath::{Beneath, ReadFile};
pub use catalogue::{Unreadable, about, catalogue, size_of, size_of_own, songs};
pub use error::RootError;
pub use fence::{Entered, Entering, Fence, Ticket, Void};
pub use freeze::{Freeze, FreezeError};
pub use identity::Identity;
pub use janitor::{Cleaned, FENCE_KEEP, FREEZE_KEEP, PROMOTED_KEEP, Promoted};
pub use layout::MediaRoot;
pub use limits::{LimitsNote, Way};
pub use plays::{Play, PlayJournal};
pub use record::{
    Commit, Compared, Comparison, FINDINGS_MAX, Fact, Known, Piece, Placed, Read, Reading, Record,
};
pub use remove::{Removal, remove_tree, rename_tree};
pub use retired::{RETIRED_TREE, Retired};
pub use setup::Space;
pub use trust::MasterKeys;
pub use uploads::{UPLOAD_KEEP, Upload, UploadKind, UploadState, upload, uploads};
pub use walk::{WalkError, Walked, WalkedKind};
pub use write::WriteFile;
pub use writing::{NotNow, Writable};
