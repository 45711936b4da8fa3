//! Artists and songs: lists that stay fast with many rows, and the bulk insert.

mod create;
mod filter;
mod insert;
mod list;
mod own;
mod told;

pub use create::{AskedArtist, Created};
pub(crate) use filter::like_pattern;
pub use filter::{HomeTotals, Matching};
pub use insert::{Adopted, NewArtist, NewSong};
pub use list::{ArtistCursor, ArtistKey, ArtistQuery, ArtistRow, ArtistSort, HomeRow, SongRow};
pub use own::{ArtistChange, ArtistChanged, GrantFacts, OwnArtist, SignUp, SignedUp, Wish};
pub use told::MoveNews;
