//! What filters of lists have in common.

use crate::{api::view::ServerView, problem::Problem};
use uuid::Uuid;

/// One of several to choose from.
pub struct Choice {
    pub value: String,
    pub text: String,
    pub chosen: bool,
}

/// Fixed choices: value and text.
pub fn choices(all: &[(&str, &str)], chosen: &str) -> Vec<Choice> {
    let choice = |(value, text): &(&str, &str)| Choice {
        value: (*value).to_owned(),
        text: (*text).to_owned(),
        chosen: *value == chosen,
    };
    all.iter().map(choice).collect()
}

/// Every server, by id.
pub fn servers(servers: &[ServerView], chosen: &str) -> Vec<Choice> {
    let choice = |s: &ServerView| Choice {
        value: s.id.to_string(),
        text: s.name.clone(),
        chosen: s.id.to_string() == chosen,
    };
    servers.iter().map(choice).collect()
}

/// The id that was chosen; none for every server.
pub fn server_id(text: &str) -> Result<Option<Uuid>, Problem> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        Problem::bad_request("bad_id", format!("{text:?} is not a server's id."))
            .remedy("Choose a server from the list.")
    })
}
