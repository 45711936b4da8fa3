//! `tourbus verify`.

use super::{more, queued, refused};
use crate::{
    Ended,
    args::{VerifyAction, VerifyFindings, VerifyQueue},
    client,
    error::CliError,
    names,
    screen::Screen,
    table::{Cell, Column, Table, Tone},
    view::{Finding, Page},
    watch::{self, Words},
    when,
};
use serde_json::json;

/// Does it.
pub async fn run(screen: &Screen, action: VerifyAction) -> Result<Ended, CliError> {
    match action {
        VerifyAction::Queue(asked) => queue(screen, asked).await,
        VerifyAction::Findings(list) => findings(screen, list).await,
    }
}

/// What is not as it should be.
async fn findings(screen: &Screen, list: VerifyFindings) -> Result<Ended, CliError> {
    let value = screen.api.list("/verify/findings", &[], list.extent).await?;
    more(screen, &value);
    screen.answer(value, |v| {
        let mut table = Table::new(&[
            Column::Left("FOUND"),
            Column::Left("ARTIST"),
            Column::Left("FILE"),
            Column::Left("IS"),
            Column::Left("MEANING"),
        ]);
        for found in client::read::<Page<Finding>>(v)?.items {
            table.row([
                when::local(found.found_at).into(),
                Cell::from(&found.artist_name),
                Cell::from(&found.path),
                Cell::toned(&found.kind, Tone::Bad),
                Cell::from(&found.meaning),
            ]);
        }
        Ok(table.show(screen.paint))
    })?;
    Ok(Ended::Well)
}

/// Queues verifications, and follows them if that is wanted.
async fn queue(screen: &Screen, asked: VerifyQueue) -> Result<Ended, CliError> {
    let mut body = match names::server_id(&screen.api, asked.server.as_ref()).await? {
        Some(id) => json!({ "server_id": id }),
        None if asked.everything => json!({ "everything": true }),
        None => json!({ "artist_ids": names::artist_ids(&screen.api, &asked.artist).await? }),
    };
    if let Some(rate) = asked.rate {
        body["rate_bytes_s"] = json!(rate);
    }
    let value = screen.api.post_once("/verify", &body).await?;
    let answer = queued(&value)?;
    let batch = answer.batch_id.filter(|_| asked.watch);
    if batch.is_none() || !screen.json {
        let artists = Words::of("verify").counted(answer.accepted);
        let said = match answer.batch_id {
            Some(id) => format!("{artists} to be verified: batch {}\n", names::short(id)),
            None => "Nobody was queued.\n".to_owned(),
        };
        screen.answer(value, |_| Ok(said))?;
    }
    refused(screen, &answer.refused);
    match batch {
        Some(batch) => watch::to_its_end(screen, batch).await,
        None => Ok(Ended::well_if(answer.accepted > 0)),
    }
}
