//! What an artist's page is made of: a file in the artist's own tree, so it moves with it.

use serde::{Deserialize, Serialize};

/// `artist.json` at the root of the tree: what an artist says of themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct About {
    /// The name for people; empty means that only the public name is known.
    pub name: String,
    /// Plain text, in paragraphs.
    pub text: String,
}

impl About {
    /// Its name in the tree.
    pub const FILE: &str = "artist.json";
}
