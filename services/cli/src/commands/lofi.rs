//! `tourbus lofi` on the cluster's songs.

use super::{failure, refused};
use crate::{
    Ended,
    args::{LofiAction, LofiFailures, LofiQueue},
    client,
    error::CliError,
    names::{self, Servers},
    numbers::{count, duration, percent},
    screen::Screen,
    table::{Cell, Column, Facts, Paint, Table, Tone},
    view::{LofiFailure, LofiOverview, LofiQueued, Page, TriedAgain},
    watch::{self, Words},
    when,
};
use serde_json::{Value, json};

/// Does it.
pub async fn run(action: LofiAction) -> Result<Ended, CliError> {
    match action {
        LofiAction::Status(asked) => status(&Screen::new(&asked.access)?).await,
        LofiAction::Queue(asked) => queue(&Screen::new(&asked.access)?, asked).await,
        LofiAction::Failures(asked) => failures(&Screen::new(&asked.access)?, asked).await,
        LofiAction::Retry(asked) => {
            let screen = Screen::new(&asked.access)?;
            let value = screen.api.post("/lofi/retry", &Value::Null).await?;
            let TriedAgain { retried, refused, .. } = client::read(value.clone())?;
            screen.answer(value, |_| {
                let again = Words::of("lofi").counted(retried);
                let not = match refused {
                    0 => String::new(),
                    n => format!(" {} not: another job converts them.", count(n)),
                };
                Ok(format!("{again} queued again.{not}\n"))
            })?;
            Ok(Ended::Well)
        }
    }
}

async fn status(screen: &Screen) -> Result<Ended, CliError> {
    let value = screen.api.get("/lofi").await?;
    let servers = Servers::read(&screen.api).await?;
    screen.answer(value, |v| {
        let all: LofiOverview = client::read(v)?;
        let failed = match all.failed {
            0 => String::new(),
            n => {
                let more = if all.failed_more { "+" } else { "" };
                let bare = count(all.failed_without_lofi);
                format!("{}{more}, {bare}{more} of them without any", count(n))
            }
        };
        let have = format!(
            "{} of {} songs ({} %)",
            count(all.lofis),
            count(all.songs),
            percent(all.lofis, all.songs)
        );
        let facts = Facts::default()
            .with("profile", &all.profile)
            .with("have one", have)
            .with("under way", count(all.open))
            .with("failed", Cell::toned(failed, Tone::Bad))
            .show(screen.paint);
        let mut table = Table::new(&[
            Column::Left("SERVER"),
            Column::Right("SONGS"),
            Column::Right("LOFIS"),
            Column::Right("WAIT"),
            Column::Right("AT WORK"),
            Column::Right("SLOTS"),
            Column::Right("LAST HOUR"),
            Column::Right("SPEED"),
        ]);
        for server in &all.servers {
            table.row([
                servers.slug(server.server_id).into(),
                count(server.songs).into(),
                count(server.lofis).into(),
                count(server.queued).into(),
                count(server.running).into(),
                count(server.slots).into(),
                count(server.made_1h).into(),
                server.speed.map_or_else(|| "-".to_owned(), |s| format!("{s:.0}×")).into(),
            ]);
        }
        Ok(format!("{facts}\n{}", table.show(screen.paint)))
    })?;
    Ok(Ended::Well)
}

async fn queue(screen: &Screen, asked: LofiQueue) -> Result<Ended, CliError> {
    let servers = Servers::read(&screen.api).await?;
    let mut body = json!({
        "only_missing": asked.only_missing,
        "only_outdated": asked.only_outdated,
        "priority": if asked.express { "express" } else { "normal" },
        "dry_run": asked.dry_run,
        "reason": asked.reason,
    });
    if let Some(profile) = &asked.profile {
        body["profile"] = json!(profile);
    }
    match &asked.server {
        Some(slug) => body["server_id"] = json!(servers.find(slug)?.id),
        None if asked.everything => body["everything"] = json!(true),
        None => body["artist_ids"] = json!(names::artist_ids(&screen.api, &asked.artist).await?),
    }
    let value = screen.api.post("/lofi", &body).await?;
    let answer: LofiQueued = client::read(value.clone())?;
    let batch = answer.batch_id.filter(|_| asked.watch);
    if batch.is_none() || !screen.json {
        screen.answer(value, |_| Ok(told(&answer, &servers)))?;
    }
    refused(screen, &answer.refused);
    match batch {
        Some(batch) => watch::to_its_end(screen, batch).await,
        // That nothing is missing is what was wanted.
        None => Ok(Ended::well_if(answer.accepted > 0 || answer.refused.is_empty())),
    }
}

fn told(answer: &LofiQueued, servers: &Servers) -> String {
    let songs = Words::of("lofi").counted(answer.accepted);
    let mut said = match answer.batch_id {
        Some(id) => format!("{songs} queued: batch {}\n", names::short(id)),
        None => format!("{songs} to convert.\n"),
    };
    for share in &answer.servers {
        let takes = share
            .estimate_ms
            .map_or_else(String::new, |ms| format!(", may take {}", duration(ms / 1000)));
        said = format!(
            "{said}  {}: {}, {} of music{takes}\n",
            servers.slug(share.server_id),
            Words::of("lofi").counted(share.songs),
            duration(share.audio_ms / 1000)
        );
    }
    said
}

async fn failures(screen: &Screen, asked: LofiFailures) -> Result<Ended, CliError> {
    let value = screen.api.get(&format!("/lofi/failures?limit={}", asked.limit)).await?;
    let servers = Servers::read(&screen.api).await?;
    screen.answer(value, |v| {
        let failed = client::read::<Page<LofiFailure>>(v)?.items;
        if failed.is_empty() {
            return Ok("No song's last conversion failed.\n".to_owned());
        }
        let mut table = Table::new(&[
            Column::Left("ARTIST"),
            Column::Left("SONG"),
            Column::Left("FILE"),
            Column::Left("SERVER"),
            Column::Left("FAILED"),
            Column::Left("HEARD"),
            Column::Left("JOB"),
            Column::Left("WHY"),
        ]);
        for song in failed {
            table.row([
                Cell::from(&song.artist_name),
                Cell::from(&song.title),
                Cell::from(&song.path),
                servers.slug(song.server_id).into(),
                song.failed_at.map_or_else(|| "-".to_owned(), when::ago).into(),
                if song.has_lofi { "older LOFI" } else { "original" }.into(),
                song.job_id.to_string().into(),
                failure(song.error.as_ref()).into(),
            ]);
        }
        Ok(table.show(Paint { cut: false, ..screen.paint }))
    })?;
    Ok(Ended::Well)
}
