//! `tourbus queues`.

use super::more;
use crate::{
    Ended,
    args::{Dead, QueuesAction},
    client,
    error::CliError,
    names::Servers,
    numbers::count,
    screen::{self, Screen},
    table::{Cell, Column, Paint, Table, Tone},
    view::{DeadLetter, Depth, Page},
    when,
};
use serde_json::Value;
use uuid::Uuid;

/// Does it.
pub async fn run(screen: &Screen, action: QueuesAction) -> Result<Ended, CliError> {
    match action {
        QueuesAction::List(_) => {
            let value = screen.api.get("/queues").await?;
            screen.answer(value, |v| {
                Ok(table(&client::read::<Page<Depth>>(v)?.items, screen.paint))
            })?;
        }
        QueuesAction::Dead(asked) => dead(screen, asked).await?,
        QueuesAction::Requeue(letter) => {
            // A requeue that the coordinator has yet to take up answers with 202, and no body either.
            steer(screen, letter.id, "requeue", "handed to the coordinator").await?;
        }
        QueuesAction::Discard(asked) => {
            let id = asked.letter.id;
            screen::ask(&format!("Remove the dead message {id} for good?"), asked.sure.yes)?;
            steer(screen, id, "discard", "removed").await?;
        }
    }
    Ok(Ended::Well)
}

fn table(depths: &[Depth], paint: Paint) -> String {
    let mut table = Table::new(&[
        Column::Left("SERVER"),
        Column::Left("LANE"),
        Column::Right("WAIT"),
        Column::Right("AT WORK"),
        Column::Right("CONSUMERS"),
    ]);
    for depth in depths {
        // Nobody takes from the dead queue; from every other somebody should.
        let alone = depth.consumers == 0 && !depth.queue.ends_with("dead");
        let tone = if alone { Tone::Bad } else { Tone::Plain };
        table.row([
            depth.server_slug.as_deref().unwrap_or("(cluster)").into(),
            depth.lane.as_ref().unwrap_or(&depth.queue).into(),
            count(depth.ready).into(),
            count(depth.unacked).into(),
            Cell::toned(count(depth.consumers), tone),
        ]);
    }
    table.show(paint)
}

async fn dead(screen: &Screen, asked: Dead) -> Result<(), CliError> {
    let server = match &asked.server {
        Some(named) => Some(Servers::read(&screen.api).await?.find(named)?.slug.clone()),
        None => None,
    };
    let query = [("server", server), ("fault", asked.fault), ("reason", asked.reason)];
    let value = screen.api.list("/queues/dead", &query, asked.extent).await?;
    more(screen, &value);
    screen.answer(value, |v| {
        let mut table = Table::new(&[
            Column::Left("ID"),
            Column::Left("DIED"),
            Column::Left("QUEUE"),
            Column::Left("FAULT"),
            Column::Left("KIND"),
            Column::Left("ARTIST"),
        ]);
        for letter in client::read::<Page<DeadLetter>>(v)?.items {
            table.row([
                letter.id.to_string().into(),
                when::ago(letter.died_at).into(),
                Cell::from(&letter.queue),
                Cell::from(&letter.fault),
                letter.kind.as_deref().unwrap_or("-").into(),
                letter.artist_name.as_deref().unwrap_or("-").into(),
            ]);
        }
        Ok(table.show(screen.paint))
    })
}

async fn steer(screen: &Screen, id: Uuid, what: &str, done: &str) -> Result<(), CliError> {
    let value = screen.api.post(&format!("/queues/dead/{id}/{what}"), &Value::Null).await?;
    screen.answer(value, |_| Ok(format!("Message {id} is {done}.\n")))
}
