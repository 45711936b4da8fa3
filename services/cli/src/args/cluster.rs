//! Servers and artists.

use super::{Access, Extent, Listing, Plain};
use clap::{Args as ClapArgs, Subcommand, builder::PossibleValuesParser};

/// `tourbus servers`.
#[derive(Debug, ClapArgs)]
pub struct Servers {
    #[command(flatten)]
    pub access: Access,
    #[command(flatten)]
    pub what: Listing<Plain, ServersAction>,
}

#[derive(Debug, Subcommand)]
pub enum ServersAction {
    /// Every server: state, artists, plays, disk
    List(Plain),
    /// All that is known of one server
    Show(OneServer),
    /// Move everybody off a server; it takes no artists until that is stopped
    Drain(Drain),
    /// Stop draining: the server takes artists again, and who has not left yet stays
    Undrain(OneServer),
    /// Run a server's checks again, and wait for what they find; status 1 unless all are green
    Check(OneServer),
}

impl From<Plain> for ServersAction {
    fn from(list: Plain) -> Self {
        Self::List(list)
    }
}

#[derive(Debug, ClapArgs)]
pub struct OneServer {
    /// The server, by its slug (or id)
    #[arg(value_name = "SLUG")]
    pub server: String,
}

#[derive(Debug, ClapArgs)]
pub struct Drain {
    #[command(flatten)]
    pub server: OneServer,
    /// Where its artists may go; every server that takes artists by default
    #[arg(long, value_name = "SLUG", num_args = 1..)]
    pub to: Vec<String>,
    /// Why, for people to read
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub reason: String,
    /// Only say what would happen
    #[arg(long)]
    pub dry_run: bool,
    /// Wait until everybody has left
    #[arg(long, conflicts_with = "dry_run")]
    pub watch: bool,
    #[command(flatten)]
    pub sure: Sure,
}

/// Whether somebody is asked first.
#[derive(Debug, Clone, Copy, ClapArgs)]
pub struct Sure {
    /// Do it without asking; nobody is asked without a terminal
    #[arg(long, short)]
    pub yes: bool,
}

/// `tourbus artists`.
#[derive(Debug, ClapArgs)]
pub struct Artists {
    #[command(flatten)]
    pub access: Access,
    #[command(flatten)]
    pub what: Listing<ArtistsList, ArtistsAction>,
}

#[derive(Debug, Subcommand)]
pub enum ArtistsAction {
    /// Artists by name, or in another order
    List(ArtistsList),
    /// One artist with its songs
    Show(OneArtist),
}

impl From<ArtistsList> for ArtistsAction {
    fn from(list: ArtistsList) -> Self {
        Self::List(list)
    }
}

/// In which orders the API lists artists.
const SORTS: [&str; 8] =
    ["name", "-name", "plays_total", "-plays_total", "plays_30d", "-plays_30d", "bytes", "-bytes"];

#[derive(Debug, Clone, Default, PartialEq, Eq, ClapArgs)]
pub struct ArtistsList {
    /// Part of the name, any case
    #[arg(long, value_name = "TEXT")]
    pub filter: Option<String>,
    /// Only those who live on this server
    #[arg(long, value_name = "SLUG")]
    pub server: Option<String>,
    /// In which order; - puts the largest first
    #[arg(long, value_name = "ORDER", allow_hyphen_values = true,
        value_parser = PossibleValuesParser::new(SORTS))]
    pub sort: Option<String>,
    #[command(flatten)]
    pub extent: Extent,
}

#[derive(Debug, ClapArgs)]
pub struct OneArtist {
    /// The artist, by id or by its name in URLs (the slug)
    #[arg(value_name = "ARTIST")]
    pub artist: String,
}
