//! `tourbus servers`.

mod limits;

use super::{queued, refusals};
use crate::{
    Ended,
    args::{Drain, OneServer, ServersAction},
    client,
    error::CliError,
    names::{self, Servers},
    numbers::{bytes, count, percent},
    screen::{self, Screen},
    table::{Cell, Column, Facts, Paint, Table, Tone},
    view::{Cancelled, Checks, Page, Queued, Server},
    watch, when,
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

/// How long checks are waited for.
const CHECKS_WAIT: Duration = Duration::from_secs(60);
/// How often they are looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Does it.
pub async fn run(screen: &Screen, action: ServersAction) -> Result<Ended, CliError> {
    match action {
        ServersAction::List(_) => {
            let value = screen.api.get("/servers").await?;
            screen.answer(value, |v| {
                Ok(table(&client::read::<Page<Server>>(v)?.items, screen.paint))
            })?;
        }
        ServersAction::Show(one) => {
            let id = id(screen, &one).await?;
            let value = screen.api.get(&format!("/servers/{id}")).await?;
            screen.answer(value, |v| Ok(facts(&client::read(v)?, screen.paint)))?;
        }
        ServersAction::Drain(asked) => return drain(screen, asked).await,
        ServersAction::Undrain(one) => {
            let id = id(screen, &one).await?;
            let value = screen.api.post(&format!("/servers/{id}/undrain"), &Value::Null).await?;
            screen.answer(value, |v| {
                let Cancelled { cancelled, too_late } = client::read(v)?;
                Ok(format!(
                    "{} takes artists again. {} called off, {} too late: these have left.\n",
                    one.server,
                    moves(cancelled),
                    count(too_late)
                ))
            })?;
        }
        ServersAction::Limits(asked) => limits::run(screen, asked).await?,
        ServersAction::Check(one) => return check(screen, &one).await,
        ServersAction::Release(one) => {
            let id = id(screen, &one).await?;
            let value = screen.api.post(&format!("/servers/{id}/release"), &Value::Null).await?;
            screen.answer(value, |_| {
                Ok(format!("{} is released: its workers go on within seconds.\n", one.server))
            })?;
        }
    }
    Ok(Ended::Well)
}

fn moves(n: i64) -> String {
    format!("{} move{}", count(n), if n == 1 { "" } else { "s" })
}

async fn id(screen: &Screen, one: &OneServer) -> Result<String, CliError> {
    Ok(Servers::read(&screen.api).await?.find(&one.server)?.id.to_string())
}

/// What is to be known of a server besides its state.
fn noted(server: &Server) -> Cell {
    let said = [
        (server.is_master, "master"),
        (server.is_default, "default"),
        (server.draining, "draining"),
        (!server.active, "inactive"),
    ];
    let said: Vec<&str> = said.iter().filter(|(is, _)| *is).map(|(_, what)| *what).collect();
    let closed = server.draining || !server.active;
    Cell::toned(said.join(", "), if closed { Tone::Busy } else { Tone::Plain })
}

fn table(servers: &[Server], paint: Paint) -> String {
    let mut table = Table::new(&[
        Column::Left("SERVER"),
        Column::Left("NAME"),
        Column::Left("STATE"),
        Column::Right("ARTISTS"),
        Column::Right("PLAYS 30D"),
        Column::Right("SIZE"),
        Column::Right("FREE"),
        Column::Right("WORKERS"),
        Column::Left("SEEN"),
        Column::Left(""),
    ]);
    for server in servers {
        table.row([
            Cell::from(&server.slug),
            Cell::from(&server.name),
            Cell::state(&server.state),
            count(server.artists).into(),
            count(server.plays_30d).into(),
            bytes(server.bytes).into(),
            server.free_bytes.map_or_else(|| "-".to_owned(), bytes).into(),
            count(server.workers).into(),
            server.last_seen_at.map_or_else(|| "never".to_owned(), when::ago).into(),
            noted(server),
        ]);
    }
    table.show(paint)
}

fn facts(server: &Server, paint: Paint) -> String {
    let disk = match (server.free_bytes, server.total_bytes) {
        (Some(free), Some(total)) => {
            format!("{} free of {} ({} %)", bytes(free), bytes(total), percent(free, total))
        }
        _ => "not reported".to_owned(),
    };
    let quarantine = server.quarantine.as_ref().map_or_else(String::new, |q| {
        format!("since {}: {}. {}", when::local(q.since), q.message.trim_end_matches('.'), q.remedy)
    });
    Facts::default()
        .with("server", format!("{} ({})", server.slug, server.name))
        .with("id", server.id.to_string())
        .with("state", Cell::state(&server.state))
        .with("quarantine", Cell::toned(quarantine, Tone::Bad))
        .with("role", noted(server))
        .with("url", &server.url)
        .with("ip", &server.ip)
        .with("artists", format!("{}, {}", count(server.artists), bytes(server.bytes)))
        .with(
            "plays",
            format!("{} ({} in 30 days)", count(server.plays_total), count(server.plays_30d)),
        )
        .with("disk", disk)
        .with(
            "arriving",
            if server.arriving_bytes > 0 { bytes(server.arriving_bytes) } else { String::new() },
        )
        .with("workers", count(server.workers))
        .with("version", server.version.clone().unwrap_or_default())
        .with("joined", server.joined_at.map_or_else(String::new, when::local))
        .with("seen", server.last_seen_at.map_or_else(|| "never".to_owned(), when::ago))
        .show(paint)
}

async fn drain(screen: &Screen, asked: Drain) -> Result<Ended, CliError> {
    let servers = Servers::read(&screen.api).await?;
    let server = servers.find(&asked.server.server)?;
    let mut targets = Vec::new();
    for slug in &asked.to {
        targets.push(servers.find(slug)?.id);
    }
    let body = |dry_run: bool| json!({ "target_server_ids": targets, "reason": asked.reason, "dry_run": dry_run });
    let path = format!("/servers/{}/drain", server.id);
    if !asked.dry_run && !asked.sure.yes && screen::somebody_is_there() {
        let plan = queued(&screen.api.post(&path, &body(true)).await?)?;
        screen.beside(&told(&plan, &servers));
        let question = format!("Move everybody off {}, which takes no artists then?", server.name);
        screen::ask(&question, asked.sure.yes)?;
    }
    let value = screen.api.post(&path, &body(asked.dry_run)).await?;
    let answer = queued(&value)?;
    let batch = answer.batch_id.filter(|_| asked.watch);
    if batch.is_none() || !screen.json {
        screen.answer(value, |_| Ok(told(&answer, &servers)))?;
    }
    refusals(screen, &answer);
    if let Some(batch) = answer.batch_id {
        screen.beside(&format!("Batch {}", names::short(batch)));
    }
    match batch {
        Some(batch) => watch::to_its_end(screen, batch).await,
        // An empty server is drained well.
        None => Ok(Ended::well_if(answer.accepted > 0 || answer.refused.is_empty())),
    }
}

fn told(answer: &Queued, servers: &Servers) -> String {
    let mut said = format!("{} off this server.\n", moves(answer.accepted));
    for share in answer.plan.iter().filter(|s| s.artists > 0) {
        said = format!(
            "{said}  to {}: {} artists, {}, {} plays in 30 days\n",
            servers.slug(share.server_id),
            count(share.artists),
            bytes(share.bytes),
            count(share.plays_30d)
        );
    }
    if answer.cancelled > 0 {
        said = format!("{said}  {} to this server called off\n", moves(answer.cancelled));
    }
    said
}

async fn check(screen: &Screen, one: &OneServer) -> Result<Ended, CliError> {
    let path = format!("/servers/{}/checks", id(screen, one).await?);
    let mut value = screen.api.post(&path, &Value::Null).await?;
    let until = Instant::now() + CHECKS_WAIT;
    let checks: Checks = loop {
        let seen: Checks = client::read(value.clone())?;
        let pending = seen.checks.iter().any(|c| c.state == "pending");
        // Where no agent runs, nobody looks: to wait would change nothing.
        if !pending || seen.agent_seen_at.is_none() || Instant::now() >= until {
            break seen;
        }
        tokio::time::sleep(LOOK_EVERY).await;
        value = screen.api.get(&path).await?;
    };
    screen.answer(value, |_| Ok(checked(&checks, screen.paint)))?;
    if checks.agent_seen_at.is_none() {
        screen.beside(&format!(
            "No agent has ever reported from {}: its checks stay pending. `tourbus server run` on \
             that machine starts one.",
            one.server
        ));
    }
    Ok(Ended::well_if(checks.checks.iter().all(|c| c.state == "green")))
}

fn checked(checks: &Checks, paint: Paint) -> String {
    let mut table =
        Table::new(&[Column::Left("CHECK"), Column::Left("STATE"), Column::Left("FOUND")]);
    for check in &checks.checks {
        table.row([(&check.title).into(), Cell::state(&check.state), (&check.cause).into()]);
        if !check.remedy.is_empty() {
            table.row(["".into(), "".into(), Cell::toned(&check.remedy, Tone::Busy)]);
        }
    }
    // A remedy is a command to be typed, as a whole.
    table.show(Paint { cut: false, ..paint })
}
