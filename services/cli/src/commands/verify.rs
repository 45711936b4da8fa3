//! `tourbus verify`.

use super::{queued, refused};
use crate::{
    Ended,
    args::VerifyQueue,
    error::CliError,
    names,
    screen::Screen,
    watch::{self, Words},
};
use serde_json::json;

/// Queues verifications, and follows them if that is wanted.
pub async fn queue(screen: &Screen, asked: VerifyQueue) -> Result<Ended, CliError> {
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
