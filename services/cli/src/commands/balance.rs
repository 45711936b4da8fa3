//! `tourbus balance`.

use crate::{
    Ended,
    args::{BalanceAction, BalanceApply, BalanceShow},
    client,
    error::CliError,
    names::Servers,
    numbers::{bytes, count},
    screen::{self, Screen},
    table::{Cell, Column, Table},
    view::Balance,
    watch::Words,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Without one that is named.
const TOLERANCE: f64 = 0.1;

/// Does it.
pub async fn run(screen: &Screen, action: BalanceAction) -> Result<Ended, CliError> {
    match action {
        BalanceAction::Show(asked) => {
            let value = suggested(screen, asked).await?;
            let servers = Servers::read(&screen.api).await?;
            screen.answer(value, |v| Ok(told(screen, &client::read(v)?, &servers)))?;
            Ok(Ended::Well)
        }
        BalanceAction::Apply(asked) => apply(screen, asked).await,
    }
}

async fn suggested(screen: &Screen, asked: BalanceShow) -> Result<Value, CliError> {
    let tolerance = asked.tolerance.unwrap_or(TOLERANCE);
    screen.api.get(&format!("/balance?tolerance={tolerance}")).await
}

fn told(screen: &Screen, balance: &Balance, servers: &Servers) -> String {
    let mut said = String::new();
    if balance.moves.is_empty() {
        said.push_str(if balance.reached {
            "The servers are in balance: nothing is to be moved.\n"
        } else {
            "The servers are not in balance, and no move would help.\n"
        });
    } else {
        let mut table = Table::new(&[
            Column::Left("ARTIST"),
            Column::Left("FROM"),
            Column::Left("TO"),
            Column::Right("SIZE"),
            Column::Right("PLAYS 30D"),
            Column::Left("WHY"),
        ]);
        for one in &balance.moves {
            table.row([
                Cell::from(&one.artist_name),
                servers.slug(one.from_server_id).into(),
                servers.slug(one.to_server_id).into(),
                bytes(one.bytes).into(),
                count(one.plays_30d).into(),
                Cell::from(&one.why),
            ]);
        }
        said.push_str(&table.show(screen.paint));
        if !balance.reached {
            said.push_str("These moves come nearer to the balance, but do not reach it.\n");
        }
    }
    let mut table = Table::new(&[
        Column::Left("SERVER"),
        Column::Right("PLAYS 30D NOW"),
        Column::Right("THEN"),
        Column::Right("SIZE NOW"),
        Column::Right("THEN"),
    ]);
    for server in &balance.servers {
        table.row([
            Cell::from(&server.name),
            count(server.plays_30d_before).into(),
            count(server.plays_30d_after).into(),
            bytes(server.bytes_before).into(),
            bytes(server.bytes_after).into(),
        ]);
    }
    format!("{said}\n{}", table.show(screen.paint))
}

/// One batch for each target. What was queued before a refusal stays queued, and was told.
async fn apply(screen: &Screen, asked: BalanceApply) -> Result<Ended, CliError> {
    let balance: Balance = client::read(suggested(screen, asked.show).await?)?;
    let servers = Servers::read(&screen.api).await?;
    screen.beside(&told(screen, &balance, &servers));
    let mut targets: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
    for one in &balance.moves {
        targets.entry(one.to_server_id).or_default().push(one.artist_id);
    }
    let artists = i64::try_from(balance.moves.len()).unwrap_or(i64::MAX);
    if artists > 0 {
        let question = format!("Queue these moves of {}?", Words::of("move").counted(artists));
        screen::ask(&question, asked.sure.yes)?;
    }
    let mut answers = Vec::new();
    let mut well = true;
    for (target, artist_ids) in targets {
        let body = json!({
            "artist_ids": artist_ids,
            "target_server_id": target,
            "reason": asked.reason,
            "priority": if asked.express { "express" } else { "normal" },
        });
        let value = screen.api.post_once("/moves", &body).await?;
        if screen.json {
            let queued = super::queued(&value)?;
            well &= queued.accepted > 0;
            answers.push(value);
        } else {
            let target = servers.slug(target);
            let ended = super::moves::told(screen, value, &target, false, false).await?;
            well &= ended == Ended::Well;
        }
    }
    if screen.json {
        screen::print_json(&Value::Array(answers))?;
    }
    Ok(Ended::well_if(well))
}
