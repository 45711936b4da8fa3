//! What crosses the broker, the staging bucket and HTTP between servers: work messages and their
//! signatures, events, manifests, the names of staged objects, joining and reports.

pub mod agent;
pub mod check;
pub mod event;
pub mod manifest;
pub mod names;
pub mod page;
pub mod report;
pub mod server_key;
pub mod sign;
pub mod tree_path;
pub mod visitor;
pub mod work;

pub use check::{CheckName, CheckResult, CheckState};
pub use event::{Catalogue, CatalogueSong, Event, EventBody, Heartbeat, LimitsKept, PlayCount};
pub use manifest::{Entry, EntryKind, Manifest, Segment, Slice, Stamp};
pub use report::{MoveReport, SignedReport};
pub use server_key::ServerKey;
pub use sign::{KeyId, Refused, SignedWork, Signer, Verifier};
pub use tree_path::{TreePath, TreePathError};
pub use work::{ArtistRef, LofiSong, Order, Work};
