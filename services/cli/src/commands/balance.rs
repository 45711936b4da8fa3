//! `tourbus balance`.

use crate::{
    Ended,
    args::{BalanceAction, BalanceApply, BalanceShow, BalanceWatch},
    client,
    error::CliError,
    names::Servers,
    numbers::{bytes, count},
    screen::{self, Screen},
    table::{Cell, Column, Table},
    view::{self, Balance, BalanceMove},
    watch::Words,
    when,
};
use serde_json::{Value, json};

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
        BalanceAction::Watch(asked) => watch(screen, asked).await,
    }
}

async fn suggested(screen: &Screen, asked: BalanceShow) -> Result<Value, CliError> {
    let asked = [
        asked.tolerance.map(|share| format!("tolerance={share}")),
        asked.moves_max.map(|n| format!("moves_max={n}")),
        asked.rest_days.map(|days| format!("rest_days={days}")),
    ];
    let query: Vec<String> = asked.into_iter().flatten().collect();
    screen.api.get(&format!("/balance?{}", query.join("&"))).await
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
    if !balance.shortfall.is_empty() {
        said = format!("{said}{}\n", crate::text::line(&balance.shortfall));
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

/// Who looks while nobody does, and what was found last.
async fn watch(screen: &Screen, asked: BalanceWatch) -> Result<Ended, CliError> {
    let mut patch = serde_json::Map::new();
    if let Some(every) = asked.every {
        patch.insert("every".to_owned(), json!(every));
    }
    if let Some(tolerance) = asked.tolerance {
        patch.insert("tolerance".to_owned(), json!(tolerance));
    }
    if !patch.is_empty() {
        screen.api.patch("/balance/watch", &Value::Object(patch)).await?;
    }
    let value = if asked.now {
        screen.api.post("/balance/watch/run", &Value::Null).await?
    } else {
        screen.api.get("/balance/watch").await?
    };
    screen.answer(value, |v| Ok(watch_told(&client::read(v)?)))?;
    Ok(Ended::Well)
}

fn watch_told(watch: &view::BalanceWatch) -> String {
    let percent = watch.tolerance * 100.0;
    let looks = match watch.every.as_str() {
        "off" => "Nobody looks at the balance by themselves.".to_owned(),
        every => format!("Looked at {every}; alerts beyond {percent:.0} % of a share."),
    };
    let last = match watch.last_run_at {
        Some(at) => format!("Last look: {}.", when::ago(at)),
        None => "It has not looked yet.".to_owned(),
    };
    let worst = watch.worst_server.as_ref().zip(watch.worst_off).map(|(server, off)| {
        let side = if off < 0.0 { "below" } else { "above" };
        let server = crate::text::line(server);
        format!("{server} is {:.0} % {side} its share.", off.abs() * 100.0)
    });
    let alert = watch.alert_since.map(|at| format!("Out of balance since {}.", when::local(at)));
    let silent = watch.silent.then(|| {
        "It has not looked for longer than it should: does the coordinator run?".to_owned()
    });
    let said: Vec<String> =
        [Some(looks), Some(last), worst, alert, silent].into_iter().flatten().collect();
    format!("{}\n", said.join("\n"))
}

/// One batch, to as many servers as it takes.
async fn apply(screen: &Screen, asked: BalanceApply) -> Result<Ended, CliError> {
    let balance: Balance = client::read(suggested(screen, asked.show).await?)?;
    let servers = Servers::read(&screen.api).await?;
    screen.beside(&told(screen, &balance, &servers));
    if balance.moves.is_empty() {
        let nothing = json!({ "batch_id": null, "accepted": 0, "refused": [] });
        screen.answer(nothing, |_| Ok("Nobody was queued.\n".to_owned()))?;
        return Ok(Ended::Well);
    }
    let artists = i64::try_from(balance.moves.len()).unwrap_or(i64::MAX);
    let question = format!("Queue these moves of {}?", Words::of("move").counted(artists));
    screen::ask(&question, asked.sure.yes)?;
    let one = |m: &BalanceMove| json!({ "artist_id": m.artist_id, "to_server_id": m.to_server_id });
    let body = json!({
        "moves": balance.moves.iter().map(one).collect::<Vec<_>>(),
        "reason": asked.reason,
        "priority": if asked.express { "express" } else { "normal" },
    });
    // Asked for once only: a repetition would find its own moves under way.
    let value = screen.api.post("/balance", &body).await?;
    super::moves::told(screen, value, "their new servers", false, false).await
}
