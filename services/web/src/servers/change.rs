//! Creating and changing.

use super::{limits::LimitsBody, refused, site};
use crate::{
    app::App,
    auth::{Actor, Right},
    problem::Problem,
};
use serde::Deserialize;
use std::net::IpAddr;
use tourbus_domain::{
    ServerFault, ServerId, Site, server_ip, server_name, server_slugs, server_url,
};
use tourbus_store::{ServerChange, ServerCreation};
use utoipa::ToSchema;

/// A server to be created.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerBody {
    /// What people know it by; unique.
    pub name: String,
    /// Where the cluster's own processes reach it.
    pub ip: String,
    /// Where browsers reach it: whole, https outside loopback, the main domain or a subdomain of
    /// it; unique.
    pub url: String,
    /// Whether artists can be moved to it.
    #[serde(default = "yes")]
    pub active: bool,
    /// Whether new artists go there; takes it off the server that is the default now.
    #[serde(default)]
    pub is_default: bool,
}

const fn yes() -> bool {
    true
}

/// What becomes different; what is left out stays.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServerPatch {
    /// What people know it by.
    pub name: Option<String>,
    /// Where the cluster's own processes reach it.
    pub ip: Option<String>,
    /// Where browsers reach it.
    pub url: Option<String>,
    /// Whether artists can be moved to it; it serves those it has in any case.
    pub active: Option<bool>,
    /// Whether new artists go there. `false` is refused for the server that is the default: make
    /// another one the default.
    pub is_default: Option<bool>,
    /// What its moves may take of it: all of it, in the place of what was.
    pub limits: Option<LimitsBody>,
}

/// A fault as a problem document.
fn problem(fault: &ServerFault, site: &Site) -> Problem {
    let code = match fault {
        ServerFault::NoName | ServerFault::BadName => "bad_name",
        ServerFault::NoIp(_) | ServerFault::NoMachine(_) => "bad_ip",
        ServerFault::PlainHttp(_) => "plain_http",
        ServerFault::OutsideDomain { .. } => "outside_domain",
        _ => "bad_url",
    };
    Problem::unprocessable(code, fault.to_string()).remedy(fault.remedy(site)).field(fault.field())
}

/// Name, address and URL as they are kept, or every fault of them.
fn checked(
    site: &Site,
    (name, ip, url): (&str, &str, &str),
) -> Result<(String, IpAddr, String), Vec<ServerFault>> {
    match (server_name(name), server_ip(ip), server_url(url, site, false)) {
        (Ok(name), Ok(ip), Ok(url)) => Ok((name, ip, url)),
        (name, ip, url) => Err([name.err(), ip.err(), url.err()].into_iter().flatten().collect()),
    }
}

/// Creates a server, or says everything that is wrong.
pub async fn create_or_all(
    app: &App,
    actor: &Actor,
    body: &ServerBody,
) -> Result<ServerId, Vec<Problem>> {
    actor.require(Right::Servers).map_err(|p| vec![p])?;
    let site = site(&app.config);
    let (name, ip, url) = checked(&site, (&body.name, &body.ip, &body.url))
        .map_err(|faults| faults.iter().map(|f| problem(f, &site)).collect::<Vec<_>>())?;
    let slugs = server_slugs(&name, &url, &site);
    let new = ServerCreation { name, ip, url, active: body.active, is_default: body.is_default };
    let created = app.store.create_server(&actor.by(), &new, slugs).await;
    let created = created.map_err(|e| vec![Problem::from(e)])?;
    created.map_err(|e| vec![refused(e, None)])
}

/// Creates a server.
pub async fn create(app: &App, actor: &Actor, body: &ServerBody) -> Result<ServerId, Problem> {
    create_or_all(app, actor, body).await.map_err(first)
}

fn first(problems: Vec<Problem>) -> Problem {
    let none = || Problem::unprocessable("refused", "The server was left as it was.");
    problems.into_iter().next().unwrap_or_else(none)
}

/// The change that is asked for, or everything that is wrong with it. What is as it was is not
/// looked at again: a URL from before a rule stays.
pub async fn looked_at(
    app: &App,
    actor: &Actor,
    id: ServerId,
    patch: &ServerPatch,
) -> Result<ServerChange, Vec<Problem>> {
    let one = |problem: Problem| vec![problem];
    actor.require(Right::Servers).map_err(one)?;
    let row = app.store.server(id).await.map_err(|e| one(e.into()))?;
    let row = row.ok_or_else(|| one(Problem::not_found("server", id)))?;
    let site = site(&app.config);
    let new = |asked: &Option<String>, now: &str| {
        asked.as_deref().map(str::trim).filter(|text| *text != now).map(str::to_owned)
    };
    let name = new(&patch.name, &row.name).map(|t| server_name(&t)).transpose();
    let ip = new(&patch.ip, &row.ip).map(|t| server_ip(&t)).transpose();
    let url = new(&patch.url, &row.url).map(|t| server_url(&t, &site, row.is_master)).transpose();
    let limits = patch.limits.as_ref().map(LimitsBody::checked).transpose();
    let (active, is_default) = (patch.active, patch.is_default);
    match (name, ip, url, limits) {
        (Ok(name), Ok(ip), Ok(url), Ok(limits)) => {
            Ok(ServerChange { name, ip, url, active, is_default, limits })
        }
        (name, ip, url, limits) => {
            let faults = [name.err(), ip.err(), url.err()];
            let faults = faults.iter().flatten().map(|f| problem(f, &site));
            Err(faults.chain(limits.err().into_iter().flatten()).collect())
        }
    }
}

/// Changes a server, or says everything that is wrong.
pub async fn modify_or_all(
    app: &App,
    actor: &Actor,
    id: ServerId,
    patch: &ServerPatch,
) -> Result<(), Vec<Problem>> {
    let one = |problem: Problem| vec![problem];
    let change = looked_at(app, actor, id, patch).await?;
    let changed = app.store.modify_server(&actor.by(), id, &change).await;
    changed.map_err(|e| one(e.into()))?.map_err(|e| one(refused(e, Some(id))))
}

/// Changes a server.
pub async fn modify(
    app: &App,
    actor: &Actor,
    id: ServerId,
    patch: &ServerPatch,
) -> Result<(), Problem> {
    modify_or_all(app, actor, id, patch).await.map_err(first)
}
