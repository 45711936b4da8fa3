//! Servers and artists.

use super::{Access, Extent, Listing, Plain};
use crate::numbers;
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
    /// What a server's moves may take of it: show it, or change what is named; counts within seconds
    Limits(Limits),
    /// Run a server's checks again, and wait for what they find; status 1 unless all are green
    Check(OneServer),
    /// Let a server out of quarantine once its fault is mended; if it is not, it goes back
    Release(OneServer),
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
pub struct Limits {
    #[command(flatten)]
    pub server: OneServer,
    /// Moves out of it at once; `none` for no limit
    #[arg(long, value_name = "N", value_parser = moves)]
    pub moves_out: Option<Limit>,
    /// Moves into it at once; `none` for no limit
    #[arg(long, value_name = "N", value_parser = moves)]
    pub moves_in: Option<Limit>,
    /// What its workers may send and fetch in a second, such as 20MB; `none` for no limit
    #[arg(long, value_name = "BYTES", value_parser = size)]
    pub rate: Option<Limit>,
    /// Hours (UTC) with a rate of their own, such as "08:00-18:00 5MB" or
    /// "mon,tue 22:00-06:00 none"; all of them, in the place of what was
    #[arg(long = "window", value_name = "WINDOW", num_args = 1.., conflicts_with = "no_windows")]
    pub windows: Vec<String>,
    /// The rate is the same at all hours
    #[arg(long)]
    pub no_windows: bool,
    /// Disk that moves leave free, such as 50GB; `none` for the cluster's default
    #[arg(long, value_name = "BYTES", value_parser = size)]
    pub reserve: Option<Limit>,
}

/// A limit, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(pub Option<u64>);

fn moves(text: &str) -> Result<Limit, String> {
    if text == "none" {
        return Ok(Limit(None));
    }
    let number = text.parse().map_err(|_| "a number such as 2, or `none`".to_owned())?;
    Ok(Limit(Some(number)))
}

/// A size, or `none`.
pub fn size(text: &str) -> Result<Limit, String> {
    if text == "none" { Ok(Limit(None)) } else { numbers::parse_bytes(text).map(Some).map(Limit) }
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
