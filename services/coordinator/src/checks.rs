//! Checks of servers from the master's side: does the URL, does the IP answer as this very server?

use crate::{Coordinator, CoordinatorError};
use futures_util::future::join_all;
use reqwest::{Client, StatusCode};
use std::{net::IpAddr, time::Duration};
use tourbus_config::{CoordinatorConfig, Way, is_readable};
use tourbus_domain::{ServerId, Slug};
use tourbus_http::ClientError;
use tourbus_protocol::{
    CheckName, CheckResult, agent::IdentityProof, server_key::identity_is_proved,
};
use tourbus_store::{CheckTarget, Listener};
use tourbus_tls::Fault;
use uuid::Uuid;

/// How often it is looked whether a server is due, when nobody wakes us.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// A server is looked at again after this long, in seconds.
const EVERY_S: u32 = 300;
/// The same while something is red.
const RED_EVERY_S: u32 = 30;
/// Longest wait for a server's answer.
const TIMEOUT: Duration = Duration::from_secs(8);
/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 4 << 10;

impl Coordinator {
    /// Checks servers when they are due or somebody wants it, until the end. Several coordinators
    /// doing so is harmless.
    pub(crate) async fn check_servers(&self) -> Result<(), CoordinatorError> {
        let mut listener: Option<Listener> = None;
        loop {
            if listener.is_none() {
                listener = self.store.listen_checks().await.ok();
            }
            match self.store.servers_to_check(EVERY_S, RED_EVERY_S).await {
                Ok(due) => {
                    let looks = join_all(due.iter().map(|target| self.check_server(target)));
                    tokio::select! {
                        () = self.shutdown.cancelled() => return Ok(()),
                        _ = looks => {}
                    }
                }
                Err(error) => tracing::warn!(%error, "checks.servers_unknown"),
            }
            tokio::select! {
                () = self.shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep(LOOK_EVERY) => {}
                woken = wanted(&mut listener) => if !woken { listener = None },
            }
        }
    }

    async fn check_server(&self, target: &CheckTarget) {
        let found = [
            look(&self.config, target, CheckName::Url, None).await,
            look(&self.config, target, CheckName::Ip, target.ip.parse().ok()).await,
        ];
        if let Err(error) = self.store.keep_checks(ServerId(target.id), &found).await {
            tracing::warn!(%error, server = target.slug, "checks.not_kept");
        }
    }
}

/// Until somebody wants checks; false when the listener is lost.
async fn wanted(listener: &mut Option<Listener>) -> bool {
    match listener {
        Some(listener) => listener.next().await.is_ok(),
        None => std::future::pending().await,
    }
}

/// Asks a server who it is, by its name or at its IP, and compares.
async fn look(
    config: &CoordinatorConfig,
    target: &CheckTarget,
    name: CheckName,
    ip: Option<IpAddr>,
) -> CheckResult {
    let place = match ip {
        None => target.url.clone(),
        Some(ip) => format!("{ip}, asked for {}", target.url),
    };
    match ask(config, target, ip).await {
        Ok(()) => CheckResult::green(name, format!("{place} answers as {}.", target.slug)),
        Err(why) => CheckResult::red(name, format!("{place}: {why}."), why.remedy(target, name)),
    }
}

/// What is wrong with an answer.
#[derive(Debug, thiserror::Error)]
enum Wrong {
    #[error("{0}")]
    Url(#[from] ClientError),
    #[error("it is not encrypted: what goes over it could be read and changed on its way")]
    Readable,
    #[error("what answers is not to be trusted: {0}")]
    Untrusted(Fault),
    #[error("nobody answers: {0}")]
    Silent(String),
    #[error("it answers {0}, which is not what Tourbus's media service answers")]
    NotTourbus(StatusCode),
    #[error("another Tourbus server answers, {0}")]
    Another(Slug),
    #[error("it calls itself {0}, but gives no proof of it")]
    Unproved(Slug),
    #[error("it calls itself {0}, but its proof does not fit the key that the server joined with")]
    Forged(Slug),
}

impl Wrong {
    fn remedy(&self, target: &CheckTarget, name: CheckName) -> String {
        let CheckTarget { slug, ip, url, .. } = target;
        let field = if name == CheckName::Ip { "Server IP" } else { "Server URL" };
        match self {
            Self::Url(ClientError::Tls(_) | ClientError::Build(_)) => {
                "Correct [servers_tls] in the coordinator's configuration.".to_owned()
            }
            Self::Readable => "Make the Server URL https in Modify Server, or, on a network that \
                               nobody else can reach, say allow_unencrypted = [\"server_url\"] in \
                               the coordinator's configuration."
                .to_owned(),
            Self::Untrusted(fault) => {
                let remedy = fault.remedy(
                    "servers_tls.ca_file of the coordinator's configuration",
                    "[tls] of the server's media service",
                );
                format!("{remedy}.")
            }
            Self::Url(_) => "Correct the Server URL in Modify Server.".to_owned(),
            Self::Silent(_) if name == CheckName::Url => format!(
                "Let the name of {url} resolve to {ip}, and let the web port through the \
                 firewall; on the server, `systemctl status tourbus` must be active."
            ),
            Self::Silent(_) => format!(
                "Check that {ip} is the server's address (Modify Server, {field}), that its \
                 firewall lets the web port through, and that `systemctl status tourbus` is \
                 active there."
            ),
            Self::NotTourbus(_) => format!(
                "Something else has this port: stop it, or let its proxy pass everything on to \
                 the media service of {slug}."
            ),
            Self::Another(_) | Self::Forged(_) => format!(
                "Correct the {field} in Modify Server, or the name's address; if an old \
                 installation answers, stop it, or make a new command and run it there."
            ),
            Self::Unproved(_) => format!(
                "Restart Tourbus on {slug}; if that does not help, make a new command on this \
                 page and run it there."
            ),
        }
    }
}

async fn ask(
    config: &CoordinatorConfig,
    target: &CheckTarget,
    ip: Option<IpAddr>,
) -> Result<(), Wrong> {
    let readable = is_readable(&target.url).map_err(|_| ClientError::NoUrl(target.url.clone()))?;
    if readable && !config.allow_unencrypted.contains(&Way::ServerUrl) {
        return Err(Wrong::Readable);
    }
    let http = tourbus_http::client(&target.url, ip, TIMEOUT, &config.servers_tls)?;
    let nonce = Uuid::new_v4().simple().to_string();
    let proof = proof(&http, &target.url, &nonce).await?;
    let slug = proof.server;
    if slug.as_str() != target.slug {
        return Err(Wrong::Another(slug));
    }
    let Some(signature) = proof.signature else { return Err(Wrong::Unproved(slug)) };
    if identity_is_proved(&slug, &nonce, &signature, &target.public_key) {
        return Ok(());
    }
    Err(Wrong::Forged(slug))
}

async fn proof(http: &Client, url: &str, nonce: &str) -> Result<IdentityProof, Wrong> {
    let silent = |e| match Fault::of(&e) {
        Some(fault) => Wrong::Untrusted(fault),
        None => Wrong::Silent(tourbus_http::why(e)),
    };
    let asked = http.get(format!("{url}/.well-known/tourbus?nonce={nonce}"));
    let mut answer = asked.send().await.map_err(silent)?;
    let status = answer.status();
    if status != StatusCode::OK {
        return Err(Wrong::NotTourbus(status));
    }
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(silent)? {
        body.extend_from_slice(&piece);
        if body.len() > ANSWER_BYTES_MAX {
            return Err(Wrong::NotTourbus(status));
        }
    }
    serde_json::from_slice(&body).map_err(|_| Wrong::NotTourbus(status))
}
