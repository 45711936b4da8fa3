//! The command line.

use clap::{Args as ClapArgs, Parser, Subcommand};
use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};
use tourbus_config::Way;
use tourbus_domain::Slug;
use tourbus_store::Role;

/// The password of `tourbus account ensure`.
pub const PASSWORD: &str = "TOURBUS_ACCOUNT_PASSWORD";
/// The enrolment token of `tourbus join`.
pub const TOKEN: &str = "TOURBUS_TOKEN";
/// The token of `tourbus adopt`.
pub const ADOPT_TOKEN: &str = "TOURBUS_API_TOKEN";
/// Where a joined server is kept.
const SERVER_DIR: &str = "/var/lib/tourbus";
/// The token of `tourbus account ensure`.
pub const API_TOKEN: &str = "TOURBUS_ACCOUNT_API_TOKEN";

/// The first port of `tourbus up`.
const HTTP_PORT: &str = "TOURBUS_HTTP_PORT";

/// A port. Says where a wrong one may come from: an error of clap's names the option only.
fn port(text: &str) -> Result<u16, String> {
    text.parse().ok().filter(|port| *port > 0).ok_or_else(|| {
        format!("a port is a number from 1 to 65535; give one in {HTTP_PORT} or with --http-port")
    })
}

/// Moves artists between the servers of a music community.
#[derive(Debug, Parser)]
#[command(name = "tourbus", version)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "one is made, once")]
pub enum Command {
    /// Start the demo cluster: PostgreSQL, RabbitMQ, staging and every service, in the foreground
    Up(Up),
    /// Bring the database named in a web configuration up to date
    Migrate(ConfigFile),
    /// Show, declare or check the broker's exchanges, lanes, policies and permissions
    Topology(Topology),
    /// Make servers known to the cluster; run one that has joined
    #[command(subcommand)]
    Server(Server),
    /// Join this machine to a cluster; the master's page of the new server has the command
    Join(Join),
    /// Make an admin, or give an account a new password
    #[command(subcommand)]
    Admin(Admin),
    /// Make accounts for setting a cluster up
    #[command(subcommand)]
    Account(Account),
    /// List or rotate the master's keys
    #[command(subcommand)]
    Keys(Keys),
    /// Take over an existing community's artists, on the server where their files are
    Adopt(Adopt),
    /// Check the report of a move: whether the master has signed it, and what it says
    VerifyReport(VerifyReport),
    /// Make the small version of one song (needs no cluster), or steer those of the cluster's songs
    Lofi(Lofi),
    /// Look at the song on standard input, and say in JSON what it is; as the media service does
    Inspect,
    /// Make the small version of the song on standard input; as the worker does
    #[command(hide = true)]
    Convert(Convert),
    #[command(flatten)]
    Operate(tourbus_cli::Command),
    #[command(flatten)]
    Service(Service),
    /// Print what makes a shell complete these commands
    Completions(Completions),
    /// Print the manual page, or write one for each command into a directory
    Man(Man),
}

#[derive(Debug, ClapArgs)]
pub struct Completions {
    /// For this shell
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

#[derive(Debug, ClapArgs)]
pub struct Man {
    /// Write tourbus.1, tourbus-servers.1 and so on into this directory, which is made
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Server {
    /// Make a server known, or bring the one with this slug up to date
    Ensure(EnsureServer),
    /// Run media, workers and agent of the server that has joined from a directory
    Run(RunServer),
}

#[derive(Debug, ClapArgs)]
pub struct RunServer {
    /// Where everything of the server is kept
    #[arg(long, value_name = "DIR", default_value = SERVER_DIR)]
    pub dir: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub struct Convert {
    /// The profile, in JSON
    #[arg(long)]
    pub profile: String,
    /// How far it gives way to other processes: 0 not at all, 19 to all of them
    #[arg(long, default_value_t = 0)]
    pub nice: i32,
}

/// One file, or a command about the cluster. A file that is called like a command is named ./status.
#[derive(Debug, ClapArgs)]
#[command(
    subcommand_negates_reqs = true,
    args_conflicts_with_subcommands = true,
    arg_required_else_help = true,
    override_usage = "tourbus lofi [--profile P] <IN> <OUT>\n       tourbus lofi <COMMAND>"
)]
pub struct Lofi {
    #[command(flatten)]
    pub file: Option<LofiFile>,
    #[command(subcommand)]
    pub action: Option<tourbus_cli::LofiAction>,
}

#[derive(Debug, ClapArgs)]
pub struct LofiFile {
    /// The song: MP3, WAV, FLAC, Ogg Vorbis or M4A (AAC)
    #[arg(value_name = "IN")]
    pub input: PathBuf,
    /// The small version; replaced if it is there
    #[arg(value_name = "OUT")]
    pub output: PathBuf,
    /// classic (32 kbit/s mono), standard (64 kbit/s), preview (60 s), or a JSON file
    #[arg(long, value_name = "P", default_value = "standard")]
    pub profile: String,
}

#[derive(Debug, ClapArgs)]
pub struct VerifyReport {
    /// The report, as downloaded from the job's page; `-` for standard input
    #[arg(value_name = "FILE")]
    pub report: PathBuf,
    /// The master's public key, in hex, as `tourbus keys list` prints it
    #[arg(long, value_name = "HEX")]
    pub key: Option<String>,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, ClapArgs)]
pub struct Adopt {
    /// The list of artists: CSV with a head (id and name at least), or JSON; see docs/adopting.md
    #[arg(long, value_name = "FILE")]
    pub artists: PathBuf,
    /// The directory with one directory for each artist, named by its id
    #[arg(long, value_name = "DIR")]
    pub media: PathBuf,
    /// This server's name in queues and hosts, for example `server2`
    #[arg(long, value_name = "SLUG")]
    pub server: Slug,
    /// This server's media root
    #[arg(long, value_name = "DIR", default_value = "/var/lib/tourbus/media")]
    pub media_root: PathBuf,
    /// Base URL of the master
    #[arg(long, value_name = "URL")]
    pub master: String,
    /// Tells communities apart whose ids are alike
    #[arg(long, value_name = "NAME", default_value = "")]
    pub community: String,
    /// The authority that vouches for the master's certificate, if none that this machine believes
    #[arg(long, value_name = "FILE", env = "TOURBUS_CA")]
    pub ca: Option<PathBuf>,
    /// Only look, and tell what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Write what came of each artist into this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// An admin's API token; only from the environment, where other users cannot see it
    #[arg(skip = std::env::var(ADOPT_TOKEN).ok())]
    pub token: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub struct Join {
    /// Base URL of the master
    #[arg(long, value_name = "URL")]
    pub master: String,
    /// Where everything of this server is kept
    #[arg(long, value_name = "DIR", default_value = SERVER_DIR)]
    pub dir: PathBuf,
    /// Where artists' files are kept; `media` in DIR by default
    #[arg(long, value_name = "DIR")]
    pub media_root: Option<PathBuf>,
    /// Where the media service listens; the port of the server's URL by default
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// How many workers run; one by default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    pub workers: Option<u8>,
    /// Run here and now rather than as a systemd unit
    #[arg(long)]
    pub foreground: bool,
    /// The authority that vouches for the master's certificate, if none that this machine believes
    #[arg(long, value_name = "FILE", env = "TOURBUS_CA")]
    pub ca: Option<PathBuf>,
    /// The media service's certificate, then those that vouch for it (PEM)
    #[arg(long, value_name = "FILE", requires = "key")]
    pub certificate: Option<PathBuf>,
    /// Its private key
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub key: Option<PathBuf>,
    /// A certificate to show to the broker, if it asks for one
    #[arg(long, value_name = "FILE", requires = "broker_key")]
    pub broker_certificate: Option<PathBuf>,
    /// Its private key
    #[arg(long, value_name = "FILE", requires = "broker_certificate")]
    pub broker_key: Option<PathBuf>,
    /// What may travel unencrypted beyond this machine; a refusal says which names to give
    #[arg(long, value_name = "WAYS", value_delimiter = ',')]
    pub allow_unencrypted: Vec<Way>,
    /// The enrolment token; only from the environment (or standard input), where other users
    /// cannot see it
    #[arg(skip = std::env::var(TOKEN).ok())]
    pub token: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub struct EnsureServer {
    #[command(flatten)]
    pub file: ConfigFile,
    /// Its name in hosts, queues and users: a-z, 0-9 and hyphens
    #[arg(long)]
    pub slug: Slug,
    /// Its name for people
    #[arg(long)]
    pub name: String,
    /// Where our own processes reach it
    #[arg(long)]
    pub ip: IpAddr,
    /// Its base URL, without a trailing slash
    #[arg(long)]
    pub url: String,
    /// Whether it is the master, where new artists go
    #[arg(long)]
    pub master: bool,
}

#[derive(Debug, Subcommand)]
pub enum Admin {
    /// Make an admin: the first one of a cluster, or one more
    Create(AdminAccount),
    /// Give an account of any role a new password, and end its sessions
    ResetPassword(AdminAccount),
}

#[derive(Debug, ClapArgs)]
pub struct AdminAccount {
    #[command(flatten)]
    pub file: ConfigFile,
    /// With what it signs in
    #[arg(long)]
    pub email: String,
    /// Read the password from standard input; without it one is drawn and printed once
    #[arg(long)]
    pub password_stdin: bool,
}

#[derive(Debug, Subcommand)]
pub enum Account {
    /// Make an account unless there is one with this email, which is left as it is
    Ensure(EnsureAccount),
}

#[derive(Debug, ClapArgs)]
pub struct EnsureAccount {
    #[command(flatten)]
    pub file: ConfigFile,
    /// With what it signs in
    #[arg(long)]
    pub email: String,
    /// admin, operator, viewer or artist
    #[arg(long)]
    pub role: Role,
    /// Its password; only from the environment, where other users cannot see it
    #[arg(skip = std::env::var(PASSWORD).ok())]
    pub password: Option<String>,
    /// A token for the API on its behalf, if wanted; likewise
    #[arg(skip = std::env::var(API_TOKEN).ok())]
    pub api_token: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Print the keys, and which servers obey them
    List(ConfigFile),
    /// Make a new key; it signs as soon as every server obeys it
    Rotate(RotateKeys),
    /// Let the old keys count no more at once: for a key that others may know
    DropOld(ConfigFile),
}

#[derive(Debug, ClapArgs)]
pub struct RotateKeys {
    #[command(flatten)]
    pub file: ConfigFile,
    /// End a rotation that is under way without waiting for servers that are away
    #[arg(long)]
    pub now: bool,
}

/// One role of the cluster.
#[derive(Debug, Subcommand)]
pub enum Service {
    /// Admin pages, JSON API, sign-in and front door
    Web(ConfigFile),
    /// Relays the outbox, applies events, drives every job
    Coordinator(ConfigFile),
    /// Export, import, LOFI and upkeep for one server
    Worker(ConfigFile),
    /// Serves the artists of one server
    Media(ConfigFile),
    /// Reports to the master for one server, runs its checks, takes its settings
    Agent(ConfigFile),
    /// The embedded S3 server of the local stack
    Staging(ConfigFile),
}

#[derive(Debug, ClapArgs)]
pub struct ConfigFile {
    /// A TOML file; `TOURBUS__SECTION__KEY` in the environment wins over it
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub struct Topology {
    #[command(subcommand)]
    pub action: TopologyAction,
}

#[derive(Debug, Subcommand)]
pub enum TopologyAction {
    /// Print what should be on the broker
    Show(ConfigFile),
    /// Make the broker so
    Declare(ConfigFile),
    /// Print how the broker differs; exit status 1 if it does
    Doctor(ConfigFile),
}

#[derive(Debug, ClapArgs)]
pub struct Up {
    /// Where everything is kept
    #[arg(long, value_name = "DIR", env = "TOURBUS_DATA_DIR", default_value = ".data")]
    pub data_dir: PathBuf,
    /// The first port; the others follow it
    #[arg(long, value_name = "PORT", env = HTTP_PORT, default_value_t = 8080, value_parser = port)]
    pub http_port: u16,
    /// Workers of each server
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub workers_per_server: u8,
    /// Artists that the demo makes when there are none
    #[arg(long, value_name = "N", default_value_t = 300)]
    pub artists: usize,
    /// Make no artists
    #[arg(long)]
    pub no_demo: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lofi(words: &[&str]) -> Result<Lofi, clap::Error> {
        let line = ["tourbus", "lofi"].iter().chain(words);
        match Args::try_parse_from(line)?.command {
            Command::Lofi(lofi) => Ok(lofi),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn lofi_is_one_file_or_a_command_about_the_cluster() {
        let one = lofi(&["in.wav", "out.mp3"]).unwrap();
        let file = one.file.unwrap();
        assert_eq!((file.input, file.profile.as_str()), ("in.wav".into(), "standard"));
        assert!(one.action.is_none());
        let file = lofi(&["--profile", "classic", "status.wav", "out.mp3"]).unwrap().file.unwrap();
        assert_eq!(file.profile, "classic");
        assert!(lofi(&["status", "--json"]).unwrap().action.is_some());
        assert!(lofi(&["queue", "--everything", "--dry-run"]).unwrap().action.is_some());
        assert!(lofi(&["retry"]).unwrap().action.is_some());
        for wrong in [&[][..], &["in.wav"], &["queue"], &["in.wav", "out.mp3", "status"]] {
            assert_eq!(lofi(wrong).unwrap_err().exit_code(), 2, "{wrong:?}");
        }
    }

    #[test]
    fn a_wrong_port_is_told_with_the_variable_that_may_hold_it() {
        for wrong in ["abc", "0", "65536", ""] {
            let error = Args::try_parse_from(["tourbus", "up", "--http-port", wrong]).unwrap_err();
            assert!(error.to_string().contains(HTTP_PORT), "{error}");
        }
        assert!(Args::try_parse_from(["tourbus", "up", "--http-port", "18080"]).is_ok());
    }
}
