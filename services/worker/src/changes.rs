//! Tells the master what this server's artists have changed.
//!
//! Each event is the whole of what an artist has, with a number that grows: one that is lost is
//! told again, one that is repeated changes nothing.

use crate::{events::Events, plays::Undelivered};
use tourbus_domain::ArtistId;
use tourbus_mediaroot::{MediaRoot, RootError, Unreadable};
use tourbus_protocol::{Catalogue, EventBody};

/// Tells of every artist who has changed something. One who cannot be read now is told of in the next
/// round, and keeps nobody else waiting.
pub(crate) async fn round(root: &MediaRoot, events: &Events) -> Result<(), Undelivered> {
    let here = root.clone();
    let mut unread = None;
    for artist in crate::plays::blocking(move || here.changed_artists()).await? {
        let here = root.clone();
        let told = match crate::plays::blocking(move || read(&here, artist)).await {
            Ok(told) => told,
            Err(error) => {
                tracing::warn!(%artist, %error, "changes.unread");
                unread = Some(error);
                continue;
            }
        };
        if let Some(catalogue) = told {
            events.publish(EventBody::Catalogue(catalogue)).await?;
            metrics::counter!("tourbus_worker_catalogues_told_total").increment(1);
        }
        let here = root.clone();
        crate::plays::blocking(move || here.told_changed(artist)).await?;
    }
    unread.map_or(Ok(()), |error| Err(error.into()))
}

/// What is to be told; nothing of an artist whose tree a person must mend first: the next change
/// is told then.
fn read(root: &MediaRoot, artist: ArtistId) -> Result<Option<Catalogue>, RootError> {
    match root.tell_changed(artist) {
        Ok(told) => Ok(told),
        Err(Unreadable::Root(error)) => Err(error),
        Err(error) => {
            tracing::error!(%artist, %error, "changes.not_told: mend the artist's tree");
            Ok(None)
        }
    }
}
