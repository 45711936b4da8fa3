//! Small renditions: queuing the jobs that make them, their profiles, and how far they are.

mod enqueue;
mod overview;
mod profiles;
mod write;

pub use enqueue::{
    LofiAnswer, LofiRefusal, LofiRequest, LofiShare, LofiSongs, LofiWhich, SONGS_PER_BATCH_MAX,
};
pub use overview::{LofiFailed, LofiFailure, LofiServer, LofiTotals};
pub use profiles::{LofiProfileRow, ProfileError};
pub(crate) use write::{fresh, gone};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tourbus_protocol::LofiSong;

/// What a job of this kind works on, as its row keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LofiParams {
    /// The song.
    pub song: LofiSong,
    /// The name of the profile.
    pub profile: String,
    /// What it says; none for one that is built in.
    #[serde(default)]
    pub spec: Option<Value>,
    /// Make it even if it is there.
    #[serde(default)]
    pub anew: bool,
}
