//! A server asks to be let in.

use super::{Joining, not_set_up};
use crate::{app::App, problem::Problem};
use axum::http::StatusCode;
use chrono::Utc;
use serde_json::json;
use std::net::IpAddr;
use tourbus_protocol::{
    agent::{BrokerAccess, CLOCK_OFF_MAX_S, JoinAnswer, JoinRequest},
    server_key,
};
use tourbus_store::{Action, By, Deed, DeedResult, JoinRefused, JoinStart, Refusal};
use tourbus_topology::{Password, TopologyError, password_hash, server_user};

/// Random bytes of a broker password.
const PASSWORD_BYTES: usize = 24;
/// Longest token that is looked up, in bytes.
const TOKEN_BYTES_MAX: usize = 200;
/// The master's version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

const NEW_COMMAND: &str =
    "On the server's page at the master, make a new command and run that one.";

/// Lets the server in, or says why not. A refusal is also kept for the server's page.
pub async fn let_in(
    app: &App,
    asked: &JoinRequest,
    address: IpAddr,
) -> Result<JoinAnswer, Problem> {
    let joining = app.joining.as_ref().ok_or_else(not_set_up)?;
    let answer = match acceptable(asked) {
        Ok(()) => join(app, joining, asked, address).await,
        Err(problem) => Err(problem),
    };
    if let Err(problem) = &answer
        && problem.status < 500
        && asked.token.len() <= TOKEN_BYTES_MAX
    {
        keep(app, asked, problem, address).await?;
    }
    answer
}

async fn keep(
    app: &App,
    asked: &JoinRequest,
    problem: &Problem,
    address: IpAddr,
) -> Result<(), Problem> {
    let refusal = Refusal {
        code: problem.code.to_owned(),
        detail: problem.detail.clone(),
        remedy: problem.remedy.clone(),
        at: Utc::now(),
    };
    let server = app.store.note_refusal(&asked.token, &refusal).await?;
    tracing::warn!(code = problem.code, ?server, "join.refused");
    if let Some(id) = server {
        let by = By { address: Some(address), ..By::named("a server") };
        let (object, refused) = (format!("server:{id}"), DeedResult::Refused);
        let deed = Deed::not_done(&by, Action::ServerJoin, object, refused, &problem.detail);
        app.store.record(&[deed.detail(json!({ "code": problem.code }))]).await?;
    }
    Ok(())
}

/// What can be refused without looking at the token.
fn acceptable(asked: &JoinRequest) -> Result<(), Problem> {
    if asked.token.len() > TOKEN_BYTES_MAX {
        return Err(unknown());
    }
    if !server_key::is_public_key(&asked.public_key) {
        return Err(Problem::unprocessable(
            "bad_public_key",
            "public_key is no Ed25519 public key in 64 lower-case hexadecimal digits.",
        ));
    }
    if release(&asked.version) != release(VERSION) {
        let version: String = asked.version.chars().filter(|c| !c.is_control()).take(40).collect();
        return Err(Problem::conflict(
            "incompatible_version",
            format!("The server runs version {version}, which cannot work with {VERSION} here."),
        )
        .remedy("Run the command of the server's page: it installs the master's own version."));
    }
    let off = (asked.at - Utc::now()).num_seconds();
    if off.abs() > CLOCK_OFF_MAX_S {
        let direction = if off > 0 { "ahead of" } else { "behind" };
        return Err(Problem::unprocessable(
            "clock_off",
            format!("The server's clock is {} s {direction} the master's.", off.unsigned_abs()),
        )
        .remedy(
            "Set the server's clock by the network (`timedatectl set-ntp true`), then run the \
             same command again.",
        ));
    }
    Ok(())
}

/// What must be equal for two versions to work together: `0.1` of `0.1.7`.
fn release(version: &str) -> (&str, &str) {
    let mut parts = version.splitn(3, '.');
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

fn unknown() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "token_unknown", "Not let in")
        .detail("This master has made no such enrolment token.")
        .remedy(format!("Check that the whole command was copied. {NEW_COMMAND}"))
}

fn refused(why: &JoinRefused) -> Problem {
    let at = |at: &chrono::DateTime<Utc>| at.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    let problem = |status, code, detail| Problem::new(status, code, "Not let in").detail(detail);
    match why {
        JoinRefused::Unknown => unknown(),
        JoinRefused::Expired { at: t } => {
            let detail = format!("The enrolment token expired at {}.", at(t));
            problem(StatusCode::GONE, "token_expired", detail).remedy(NEW_COMMAND)
        }
        JoinRefused::Used { at: t } => {
            let detail =
                format!("The enrolment token was used at {}, by another installation.", at(t));
            problem(StatusCode::CONFLICT, "token_used", detail).remedy(format!(
                "If that was not you, somebody else has the token. {NEW_COMMAND} It shuts the \
                 other installation out."
            ))
        }
        JoinRefused::Replaced => {
            let detail = "A newer enrolment token was made for this server.".to_owned();
            problem(StatusCode::GONE, "token_replaced", detail)
                .remedy("Run the newest command of the server's page.")
        }
        JoinRefused::Deleted { server } => deleted(server),
    }
}

fn deleted(server: &str) -> Problem {
    Problem::new(StatusCode::GONE, "server_deleted", "Not let in")
        .detail(format!("The server {server} was deleted from this cluster."))
        .remedy("Create it again at the master, and run the command that it then shows.")
}

async fn join(
    app: &App,
    joining: &Joining,
    asked: &JoinRequest,
    address: IpAddr,
) -> Result<JoinAnswer, Problem> {
    let begun = match app.store.begin_join(&asked.token, &asked.public_key).await? {
        JoinStart::Ready(begun) => begun,
        JoinStart::Refused(why) => return Err(refused(&why)),
    };
    let (server, first) = (begun.server.clone(), begun.first);
    let password = hex::encode(rand::random::<[u8; PASSWORD_BYTES]>());
    let hash = password_hash(&password.as_str().into());
    let prepared = tourbus_topology::add_server(
        &joining.management,
        &joining.vhost,
        &server.slug,
        Password::Hash(hash.clone()),
    );
    let kept = match prepared.await {
        Ok(()) => begun.finish(&hash).await.map_err(Problem::from),
        Err(error) => Err(broker_away(&error)),
    };
    // Nothing half-made stays: a server that was not let in has no user and no lanes. One that
    // had joined before keeps its lanes, with what is on them.
    if !matches!(kept, Ok(true)) && first {
        undo(joining, &server.slug).await;
    }
    if !kept? {
        undo(joining, &server.slug).await;
        return Err(deleted(&server.name));
    }
    let by = By { address: Some(address), ..By::named(server.name.as_str()) };
    let deed = Deed::done(&by, Action::ServerJoin, format!("server:{}", server.id));
    app.store.record(&[deed]).await?;
    tracing::info!(server = %server.slug, "join.let_in");
    Ok(JoinAnswer {
        broker: BrokerAccess {
            address: joining.broker_address.clone(),
            vhost: joining.vhost.clone(),
            user: server_user(&server.slug),
            password,
        },
        server,
        settings: joining.settings_now(&app.store).await?,
        version: VERSION.to_owned(),
    })
}

async fn undo(joining: &Joining, slug: &tourbus_domain::Slug) {
    let (api, vhost) = (&joining.management, &joining.vhost);
    if let Err(error) = tourbus_topology::remove_server(api, vhost, slug).await {
        tracing::error!(%error, server = %slug, "join.not_undone: `tourbus topology declare` does");
    }
}

fn broker_away(error: &TopologyError) -> Problem {
    tracing::error!(%error, "join.broker_not_prepared");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "broker_unavailable", "Back in a moment")
        .detail("The master could not prepare the broker for this server; nothing was changed.")
        .remedy("Run the same command again in a minute. The log of the master's web says more.")
        .retry_after(10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use tourbus_protocol::ServerKey;

    #[test]
    fn each_refusal_has_its_own_code_and_a_remedy() {
        let right = JoinRequest {
            token: "t".to_owned(),
            public_key: ServerKey::from_bytes(&[1; 32]).public_key_hex(),
            version: VERSION.to_owned(),
            at: Utc::now(),
        };
        acceptable(&right).unwrap();
        let code = |asked: JoinRequest| acceptable(&asked).unwrap_err().code;
        assert_eq!(
            code(JoinRequest { version: "7.0.0".into(), ..right.clone() }),
            "incompatible_version"
        );
        let late = right.at - TimeDelta::minutes(7);
        assert_eq!(code(JoinRequest { at: late, ..right.clone() }), "clock_off");
        assert_eq!(code(JoinRequest { public_key: "x".into(), ..right.clone() }), "bad_public_key");
        assert_eq!(code(JoinRequest { token: "t".repeat(999), ..right }), "token_unknown");
        let now = Utc::now();
        let all = [
            JoinRefused::Unknown,
            JoinRefused::Expired { at: now },
            JoinRefused::Used { at: now },
            JoinRefused::Replaced,
            JoinRefused::Deleted { server: "Server 4".to_owned() },
        ]
        .map(|why| refused(&why));
        let codes: std::collections::BTreeSet<_> = all.iter().map(|p| p.code).collect();
        assert_eq!(codes.len(), all.len());
        assert!(all.iter().all(|p| !p.detail.is_empty() && !p.remedy.is_empty()));
    }
}
