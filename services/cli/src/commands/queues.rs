//! `tourbus queues`.

use super::more;
use crate::{
    Ended,
    args::{Dead, OneLane, QueuesAction},
    client,
    error::CliError,
    names::Servers,
    numbers::count,
    screen::{self, Screen},
    table::{Cell, Column, Paint, Table, Tone},
    view::{DeadLetter, Depth, LaneState, Page, Pause},
    when,
};
use serde_json::{Value, json};
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
        QueuesAction::Pause(asked) => {
            let body = json!({ "reason": asked.reason });
            lane(screen, &asked.lane, "pause", body).await?;
        }
        QueuesAction::Resume(one) => lane(screen, &one, "resume", Value::Null).await?,
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

async fn lane(screen: &Screen, one: &OneLane, what: &str, body: Value) -> Result<(), CliError> {
    let server = Servers::read(&screen.api).await?.find(&one.server)?.clone();
    // It becomes a part of a path; the master says which names are lanes.
    if one.lane.is_empty() || !one.lane.chars().all(|c| c.is_ascii_lowercase() || c == '-') {
        return Err(CliError::Usage(format!("{:?} is no lane", one.lane)));
    }
    let path = format!("/servers/{}/lanes/{}/{what}", server.id, one.lane);
    let value = screen.api.post(&path, &body).await?;
    screen.answer(value, |v| {
        let lane: LaneState = client::read(v)?;
        let name = format!("{} of {}", lane.lane, server.slug);
        Ok(match lane.paused {
            Some(pause) => format!("{name} is paused by {}. {}\n", pause.by, lane.pause_stops),
            None => format!("{name} goes on.\n"),
        })
    })
}

fn table(depths: &[Depth], paint: Paint) -> String {
    let mut table = Table::new(&[
        Column::Left("SERVER"),
        Column::Left("LANE"),
        Column::Right("WAIT"),
        Column::Right("AT WORK"),
        Column::Right("CONSUMERS"),
        Column::Left("PAUSED"),
    ]);
    for depth in depths {
        // Nobody takes from the dead queue; from every other somebody should.
        let alone =
            depth.consumers == 0 && depth.paused.is_none() && !depth.queue.ends_with("dead");
        let tone = if alone { Tone::Bad } else { Tone::Plain };
        table.row([
            depth.server_slug.as_deref().unwrap_or("(cluster)").into(),
            depth.lane.as_ref().unwrap_or(&depth.queue).into(),
            count(depth.ready).into(),
            count(depth.unacked).into(),
            Cell::toned(count(depth.consumers), tone),
            depth.paused.as_ref().map_or_else(String::new, Pause::told).into(),
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
