//! Telling the master of artists, over its API.

use crate::{layout::Plan, list::Wanted};
use reqwest::Client;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::{net::IpAddr, time::Duration};
use tourbus_config::ClientTlsConfig;

/// Longest wait for one answer.
const ANSWER_WAIT: Duration = Duration::from_secs(60);

/// Why the master does not know of an artist.
#[derive(Debug, thiserror::Error)]
pub enum MasterError {
    /// There is no way to it.
    #[error(transparent)]
    Client(#[from] tourbus_http::ClientError),
    /// It does not answer.
    #[error("the master does not answer: {0}")]
    Away(String),
    /// It says no.
    #[error("the master says: {0}")]
    Refused(String),
}

/// The master's API, with a token.
pub struct Master {
    http: Client,
    base: String,
    token: SecretString,
}

impl Master {
    /// At this URL.
    pub fn new(url: &str, token: SecretString, tls: &ClientTlsConfig) -> Result<Self, MasterError> {
        let http = tourbus_http::client(url, None, ANSWER_WAIT, tls)?;
        Ok(Self { http, base: url.trim_end_matches('/').to_owned(), token })
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> Result<Value, MasterError> {
        let request = request.bearer_auth(self.token.expose_secret());
        let answer = request.send().await.map_err(|e| MasterError::Away(tourbus_http::why(e)))?;
        let ok = answer.status().is_success();
        let status = answer.status();
        let body: Value = answer
            .json()
            .await
            .map_err(|_| MasterError::Refused(format!("{status}, in no words that we know")))?;
        if ok {
            return Ok(body);
        }
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        Err(MasterError::Refused(
            format!("{} {}", text("detail"), text("remedy")).trim().to_owned(),
        ))
    }

    /// The server of this name in URLs and queues.
    pub async fn server(&self, slug: &str) -> Result<Server, MasterError> {
        let all = self.ask(self.http.get(format!("{}/api/v1/servers", self.base))).await?;
        let all = all["items"].as_array().cloned().unwrap_or_default();
        let names = || {
            let names: Vec<&str> = all.iter().filter_map(|s| s["slug"].as_str()).collect();
            MasterError::Refused(format!("there is no server {slug}, but {}", names.join(", ")))
        };
        let found = all.iter().find(|s| s["slug"] == slug).ok_or_else(names)?;
        let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
        Ok(Server { id: text("id"), url: text("url"), ip: text("ip").parse().ok() })
    }

    /// Whether it knows an artist, and where that lives; or would take it, if it does not.
    pub async fn ask_for(
        &self,
        server: &Server,
        wanted: &Wanted,
        plan: &Plan,
    ) -> Result<Answer, MasterError> {
        self.post(server, wanted, plan, true).await
    }

    /// Makes an artist known whose tree is drafted.
    pub async fn adopt(
        &self,
        server: &Server,
        wanted: &Wanted,
        plan: &Plan,
    ) -> Result<Answer, MasterError> {
        self.post(server, wanted, plan, false).await
    }

    async fn post(
        &self,
        server: &Server,
        wanted: &Wanted,
        plan: &Plan,
        dry_run: bool,
    ) -> Result<Answer, MasterError> {
        let song = |song: &crate::layout::NewSong| {
            let path = std::str::from_utf8(song.path.as_bytes()).unwrap_or_default();
            json!({ "title": song.title, "path": path, "bytes": song.bytes,
                    "plays_total": song.plays })
        };
        let body = json!({
            "id": wanted.artist,
            "slug": wanted.slug,
            "name": wanted.listed.name,
            "server_id": server.id,
            "plays_total": wanted.listed.plays,
            "plays_30d": wanted.listed.plays_30d,
            "bytes": plan.bytes(),
            "songs": plan.songs.iter().map(song).collect::<Vec<_>>(),
            "dry_run": dry_run,
        });
        let request = self.http.post(format!("{}/api/v1/artists/adopt", self.base)).json(&body);
        let answer = self.ask(request).await?;
        Ok(Answer { new: answer["new"] == true, here: answer["server_id"] == server.id.as_str() })
    }
}

/// A server, as the master knows it.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its id.
    pub id: String,
    /// Its base URL.
    pub url: String,
    /// Where it is reached.
    pub ip: Option<IpAddr>,
}

/// What the master says of an artist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// Whether it was not known before.
    pub new: bool,
    /// Whether its home is this server.
    pub here: bool,
}
