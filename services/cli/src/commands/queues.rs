//! `tourbus queues`.

use super::{many, more};
use crate::{
    Ended,
    args::{Dead, LetterFilter, OneLane, QueuesAction, SomeLetters},
    client::{self, Query},
    error::CliError,
    names::Servers,
    numbers::count,
    screen::{self, Screen},
    table::{Cell, Column, Paint, Table, Tone},
    view::{DeadLetter, Depth, LaneState, LettersSettled, Page, Pause},
    when,
};
use serde_json::{Value, json};

/// Dead messages that are counted before all that fit are settled.
const COUNTED_MAX: u32 = 1000;

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
        QueuesAction::Requeue(some) => settle(screen, some, &REQUEUE).await?,
        QueuesAction::Discard(some) => settle(screen, some, &DISCARD).await?,
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

/// The filter as the API reads it.
async fn query(
    screen: &Screen,
    filter: LetterFilter,
) -> Result<[(&'static str, Option<String>); 3], CliError> {
    let server = match &filter.server {
        Some(named) => Some(Servers::read(&screen.api).await?.find(named)?.slug.clone()),
        None => None,
    };
    Ok([("server", server), ("fault", filter.fault), ("reason", filter.reason)])
}

async fn dead(screen: &Screen, asked: Dead) -> Result<(), CliError> {
    let query = query(screen, asked.filter).await?;
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

/// What is done to dead messages, in words.
struct Deed {
    /// In the address.
    verb: &'static str,
    /// `removed`.
    done: &'static str,
    /// Whether it is asked first, though the message is named.
    grave: bool,
}

const REQUEUE: Deed = Deed { verb: "requeue", done: "handed to the coordinator", grave: false };
const DISCARD: Deed = Deed { verb: "discard", done: "removed for good", grave: true };

async fn settle(screen: &Screen, some: SomeLetters, deed: &Deed) -> Result<(), CliError> {
    let Deed { verb, done, grave } = deed;
    let Some(id) = some.id else { return settle_all(screen, some, deed).await };
    if *grave {
        screen::ask(&format!("The dead message {id} is to be {done}. Go on?"), some.sure.yes)?;
    }
    // A requeue that the coordinator has yet to take up answers with 202, and no body either.
    let value = screen.api.post(&format!("/queues/dead/{id}/{verb}"), &Value::Null).await?;
    screen.answer(value, |_| Ok(format!("Message {id} is {done}.\n")))
}

async fn settle_all(screen: &Screen, some: SomeLetters, deed: &Deed) -> Result<(), CliError> {
    let query = query(screen, some.filter).await?;
    if !some.sure.yes && screen::somebody_is_there() {
        let Some(which) = waiting(screen, &query).await? else {
            return told(screen, deed, json!({ "letters": 0 }));
        };
        screen::ask(&format!("{which} to be {}. Go on?", deed.done), some.sure.yes)?;
    }
    let path = format!("/queues/dead/{}", deed.verb);
    let value = screen.api.post(&path, &many::filter(query)).await?;
    told(screen, deed, value)
}

/// How many wait, in words; none if none does. What is being requeued already is left alone.
async fn waiting(screen: &Screen, query: &Query<'_>) -> Result<Option<String>, CliError> {
    let value = screen.api.pages("/queues/dead", query, Some(COUNTED_MAX)).await?;
    let page: Page<DeadLetter> = client::read(value)?;
    let n = page.items.iter().filter(|l| l.state == "waiting").count() as i64;
    Ok(match (n, page.next_cursor) {
        (0, None) => None,
        (1, None) => Some("1 dead message is".to_owned()),
        (n, None) => Some(format!("{} dead messages are", count(n))),
        (n, Some(_)) => Some(format!("{} or more dead messages are", count(n))),
    })
}

fn told(screen: &Screen, deed: &Deed, value: Value) -> Result<(), CliError> {
    let LettersSettled { letters } = client::read(value.clone())?;
    screen.answer(value, |_| {
        Ok(match letters {
            0 => "No dead message fits.\n".to_owned(),
            n => format!("Messages {}: {}.\n", deed.done, count(n)),
        })
    })?;
    if letters > 0 && deed.verb == REQUEUE.verb {
        screen.beside("What cannot be requeued is in `tourbus queues dead` again.");
    }
    Ok(())
}
