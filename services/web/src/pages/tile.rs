//! An artist in a list of tiles.

use super::show;

/// An artist, as lists for everybody show it.
pub(super) struct Tile {
    /// Where it leads.
    pub(super) href: String,
    pub(super) name: String,
    pub(super) songs: i32,
    pub(super) plays: String,
}

impl Tile {
    pub(super) fn new(href: String, name: String, songs: i32, plays_total: i64) -> Self {
        Self { href, name, songs, plays: show::count(plays_total) }
    }
}
