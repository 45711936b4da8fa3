//! What crosses the broker and the staging bucket: work messages and their signatures, events,
//! manifests, and the names of staged objects.

pub mod event;
pub mod manifest;
pub mod names;
pub mod sign;
pub mod tree_path;
pub mod work;

pub use event::{Event, EventBody, Heartbeat};
pub use manifest::{Entry, EntryKind, Manifest, Segment, Slice, Stamp};
pub use sign::{KeyId, Refused, SignedWork, Signer, Verifier};
pub use tree_path::{TreePath, TreePathError};
pub use work::{ArtistRef, Order, Work};
