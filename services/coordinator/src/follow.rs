//! Jobs that follow their artist: what was sent to a server that is not the home any more, because
//! the artist has moved meanwhile, is sent to the home.

use crate::{Coordinator, CoordinatorError};
use std::time::Duration;
use tourbus_domain::Input;
use tourbus_store::{StoreError, Teller, Told};

/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Most jobs per look.
const JOBS_MAX: u32 = 500;

impl Coordinator {
    /// Looks for strayed jobs until the end.
    pub(crate) async fn follow(&self) -> Result<(), CoordinatorError> {
        while self.pause(LOOK_EVERY).await {
            if let Err(error) = self.follow_round().await {
                tracing::warn!(%error, "follow.database_away");
            }
        }
        Ok(())
    }

    async fn follow_round(&self) -> Result<(), StoreError> {
        let strayed = self.store.strayed_jobs(JOBS_MAX).await?;
        if strayed.is_empty() {
            return Ok(());
        }
        let follow =
            |(job_id, home)| Told { job_id, input: Input::Follow(home), by: Teller::Coordinator };
        let told: Vec<Told> = strayed.into_iter().map(follow).collect();
        let outcomes = self.store.apply_inputs(&told, &self.config.moves).await?;
        let followed = outcomes.iter().filter(|o| o.as_ref().is_ok_and(|o| !o.ignored)).count();
        metrics::counter!("tourbus_followed_total").increment(followed as u64);
        tracing::info!(jobs = followed, "follow.sent_to_the_new_home");
        Ok(())
    }
}
