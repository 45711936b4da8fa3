//! What servers tell of their artists' songs.

use super::{Refused, ack, reject};
use crate::{Coordinator, patience::Patience};
use tourbus_broker::Delivery;
use tourbus_domain::{Input, Slug};
use tourbus_protocol::Catalogue;
use tourbus_store::{CatalogueOutcome, StoreError, Teller, Told};

/// An artist's songs, and the server that tells them.
pub(super) struct CatalogueFrom {
    pub(super) server: Slug,
    pub(super) catalogue: Catalogue,
}

impl Coordinator {
    /// Takes over one after the other: they are rare. What cannot be taken over, because the
    /// process ends before the database is back, comes again.
    pub(super) async fn take_catalogues(&self, told: Vec<(CatalogueFrom, Delivery)>) {
        for (from, delivery) in told {
            let mut patience = Patience::new("catalogue");
            let error = loop {
                match self.apply_catalogue(&from).await {
                    Ok(()) => break Ok(()),
                    Err(error) if patience.after(&error, self).await => {}
                    Err(error) => break Err(error),
                }
            };
            match error {
                Ok(()) => ack(vec![delivery]).await,
                // The process is to end.
                Err(error) if error.is_transient() => return,
                Err(error) => reject(vec![(delivery, Refused::CatalogueNotApplied(error))]).await,
            }
        }
    }
}

impl Coordinator {
    /// Takes over one, with what follows from it.
    pub(super) async fn apply_catalogue(&self, from: &CatalogueFrom) -> Result<(), StoreError> {
        let outcome = self.store.apply_catalogue(&from.server, &from.catalogue).await?;
        note(from, &outcome);
        self.call_off_songs(outcome).await;
        Ok(())
    }

    /// What is to be made of songs that are no more, is not made. A hint only: a worker that finds
    /// the song gone says so.
    async fn call_off_songs(&self, outcome: CatalogueOutcome) {
        let CatalogueOutcome::Applied { gone } = outcome else { return };
        let cancel = |job_id| Told { job_id, input: Input::Cancel, by: Teller::Coordinator };
        let told: Vec<Told> = gone.into_iter().map(cancel).collect();
        if told.is_empty() {
            return;
        }
        if let Err(error) = self.store.apply_inputs(&told, &self.config.moves).await {
            tracing::warn!(%error, "catalogue.jobs_not_called_off");
        }
    }
}

fn note(from: &CatalogueFrom, outcome: &CatalogueOutcome) {
    let artist = from.catalogue.artist_id;
    let outcome = match outcome {
        CatalogueOutcome::Applied { .. } => "applied",
        CatalogueOutcome::Old => "old",
        CatalogueOutcome::Foreign => {
            tracing::warn!(server = %from.server, %artist, "catalogue.of_an_artist_who_lives_elsewhere");
            "foreign"
        }
    };
    metrics::counter!("tourbus_catalogues_total", "outcome" => outcome).increment(1);
}
