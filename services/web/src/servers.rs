//! Creating, changing, draining and deleting servers: what the API and the pages share.

pub mod change;
pub mod delete;
pub mod drain;
pub mod limits;

use crate::problem::Problem;
use tourbus_config::WebConfig;
use tourbus_domain::{ServerId, Site};
use tourbus_store::ServerError;

/// What URLs of servers are measured by.
pub fn site(config: &WebConfig) -> Site {
    Site {
        main_domain: config.cluster.main_domain.clone(),
        main_url: config.cluster.main_url.clone(),
        allow_plain_http: config.allow_plain_http_servers,
    }
}

/// `1 artist`, `2 artists`.
pub fn counted(n: u64, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// Why a server was left as it was.
pub fn refused(error: ServerError, id: Option<ServerId>) -> Problem {
    let conflict =
        |code, detail: String, remedy: &str| Problem::conflict(code, detail).remedy(remedy);
    let text = |text: &str| text.to_owned();
    match error {
        ServerError::Unknown => Problem::not_found("server", id.unwrap_or_default()),
        ServerError::NameTaken { server } => conflict(
            "name_taken",
            format!("There is a server named {server} already."),
            "Choose another name, or modify that server.",
        )
        .field("name"),
        ServerError::UrlTaken { server } => conflict(
            "url_taken",
            format!("The server {server} has this URL already."),
            "Give this one a host or a port of its own.",
        )
        .field("url"),
        ServerError::LimitReached { limit, servers } => conflict(
            "server_limit_reached",
            format!(
                "The server limit is reached: {} of at most {limit}, the master not counted.",
                counted(servers.into(), "cluster server")
            ),
            "Raise the server limit in Cluster Settings, or delete a server first.",
        ),
        ServerError::DefaultStays => conflict(
            "default_stays",
            text("This is the default server, and one server always is: new artists go there."),
            "Make another server the default instead; that takes it off this one.",
        )
        .field("is_default"),
        ServerError::DefaultInactive => conflict(
            "default_inactive",
            text("This is the default server: new artists go there, so it cannot be inactive."),
            "Make another server the default first, then set this one to inactive.",
        )
        .field("active"),
        ServerError::InactiveDefault => conflict(
            "inactive_default",
            text("New artists go to the default server, so an inactive server cannot be it."),
            "Set Server Active to yes as well, or leave the default where it is.",
        )
        .field("is_default"),
        ServerError::DrainingDefault => conflict(
            "draining_default",
            text("This server is being drained: it takes no new artists, so it cannot be the default."),
            "Stop draining it first, or leave the default where it is.",
        )
        .field("is_default"),
        other => ties(other),
    }
}

/// What keeps a server from being deleted or drained.
fn ties(error: ServerError) -> Problem {
    let conflict =
        |code, detail: String, remedy: &str| Problem::conflict(code, detail).remedy(remedy);
    let text = |text: &str| text.to_owned();
    match error {
        ServerError::Default => conflict(
            "server_is_default",
            text("This is the default server: new artists go there."),
            "Make another server the default first.",
        ),
        ServerError::Master => conflict(
            "server_is_master",
            text("This is the master: it cannot be deleted."),
            "Drain it if its artists are to live elsewhere.",
        ),
        ServerError::HasArtists { artists } => conflict(
            "server_has_artists",
            format!("{} on it.", lives(artists)),
            "Drain it first: that moves everybody to other servers.",
        ),
        ServerError::OpenJobs { jobs } => conflict(
            "server_has_jobs",
            format!("{} to or from it {} not ended.", counted(jobs, "job"), has(jobs)),
            "Wait until nothing is open, or cancel it on the Jobs page.",
        ),
        ServerError::NotDraining => conflict(
            "not_draining",
            text("This server is not being drained."),
            "Nothing needs doing.",
        ),
        ServerError::Offline => conflict(
            "server_offline",
            text(
                "No worker of this server has reported lately: nobody there could send its artists.",
            ),
            "Start a worker there first.",
        ),
        ServerError::NowhereToGo => conflict(
            "nowhere_to_go",
            text(
                "No other server takes artists at the moment: each is inactive, offline, in \
                  quarantine, being drained, or has not joined.",
            ),
            "See the Servers page for what each of them needs.",
        ),
        ServerError::BadTarget { server, refusal } => conflict(
            "bad_target",
            format!("{server} cannot take these artists. {}", refusal.explain()),
            "Choose other targets, or none for all that take artists.",
        ),
        other => conflict("refused", format!("The server was left as it was: {other}."), ""),
    }
}

fn lives(artists: u64) -> String {
    let live = if artists == 1 { "lives" } else { "live" };
    format!("{} {live}", counted(artists, "artist"))
}

const fn has(n: u64) -> &'static str {
    if n == 1 { "has" } else { "have" }
}
