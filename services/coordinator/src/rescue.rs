//! Rescue: tries that no heartbeat names any more are sent again, with a new epoch.
//!
//! It follows missing heartbeats, never elapsed time: while heartbeats do not flow (the broker
//! or the database was away, or they wait in the events queue) nothing is concluded from silence.

use crate::{Coordinator, CoordinatorError};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use tourbus_domain::Input;
use tourbus_protocol::names;
use tourbus_store::{StoreError, Suspect, Teller, Told};

/// Most tries sent again per look.
const RESCUES_MAX: u32 = 500;
/// Events waiting on their queue beyond which heartbeats count as late.
const EVENTS_BEHIND_MAX: u32 = 200;

/// Whether silence means anything at this time.
#[derive(Default)]
struct Flow {
    /// Since when heartbeats have been flowing without a gap.
    since: Option<Instant>,
}

impl Flow {
    /// `newest` is the age of the newest heartbeat of all. Heartbeats flow when it is never
    /// older than a quarter of `silence`; they must have done so for half of it.
    fn is_steady(&mut self, newest: Option<Duration>, silence: Duration, now: Instant) -> bool {
        if newest.is_none_or(|age| age > silence / 4) {
            self.since = None;
            return false;
        }
        now.duration_since(*self.since.get_or_insert(now)) >= silence / 2
    }
}

impl Coordinator {
    /// Looks for lost tries until the end.
    pub(crate) async fn rescue(&self) -> Result<(), CoordinatorError> {
        let every = Duration::from_millis(self.config.rescue_every_ms);
        let mut flow = Flow::default();
        while self.pause(every).await {
            if let Err(error) = self.rescue_round(&mut flow).await {
                flow = Flow::default();
                tracing::warn!(%error, "rescue.database_away");
            }
        }
        Ok(())
    }

    async fn rescue_round(&self, flow: &mut Flow) -> Result<(), StoreError> {
        let silence = Duration::from_millis(self.config.rescue_after_ms);
        let newest = self.store.newest_heartbeat_age().await?;
        match self.broker.depth(names::EVENTS_QUEUE).await {
            Ok(waiting) if waiting <= EVENTS_BEHIND_MAX => {}
            Ok(_) | Err(_) => {
                *flow = Flow::default();
                return Ok(());
            }
        }
        if !flow.is_steady(newest, silence, Instant::now()) {
            return Ok(());
        }
        let suspects = self.store.suspects(silence, RESCUES_MAX).await?;
        let lost = self.truly_lost(suspects).await;
        if lost.is_empty() {
            return Ok(());
        }
        let told: Vec<Told> = lost.iter().map(rescue).collect();
        let outcomes = self.store.apply_inputs(&told, &self.config.moves).await?;
        let rescued = outcomes.iter().filter(|o| o.as_ref().is_ok_and(|o| !o.ignored)).count();
        metrics::counter!("tourbus_rescues_total").increment(rescued as u64);
        for suspect in &lost {
            let step = suspect.step;
            tracing::warn!(job = %step.job_id, step = %step.key.kind, seq = step.key.seq,
                epoch = step.epoch, server = %suspect.server, "rescue.sent_again");
        }
        Ok(())
    }

    /// A try that was only sent may still stand on its lane: it is lost when the lane is empty.
    async fn truly_lost(&self, suspects: Vec<Suspect>) -> Vec<Suspect> {
        let mut depths: BTreeMap<String, bool> = BTreeMap::new();
        let mut lost = Vec::new();
        for suspect in suspects {
            if suspect.running {
                lost.push(suspect);
                continue;
            }
            let queue = names::lane_queue(&suspect.server, suspect.lane);
            let empty = if let Some(empty) = depths.get(&queue) {
                *empty
            } else {
                // A lane that cannot be looked at is not known to be empty.
                let empty = self.broker.depth(&queue).await.is_ok_and(|depth| depth == 0);
                depths.insert(queue, empty);
                empty
            };
            if empty {
                lost.push(suspect);
            }
        }
        lost
    }
}

fn rescue(suspect: &Suspect) -> Told {
    Told {
        job_id: suspect.step.job_id,
        input: Input::Rescue(suspect.step),
        by: Teller::Coordinator,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_means_nothing_until_heartbeats_have_flowed_for_a_while() {
        let mut flow = Flow::default();
        let silence = Duration::from_mins(1);
        let (start, s) = (Instant::now(), Duration::from_secs);
        assert!(!flow.is_steady(None, silence, start));
        assert!(!flow.is_steady(Some(s(1)), silence, start));
        assert!(!flow.is_steady(Some(s(1)), silence, start + s(29)));
        assert!(flow.is_steady(Some(s(5)), silence, start + s(30)));
        assert!(!flow.is_steady(Some(s(16)), silence, start + s(35)), "a gap");
        assert!(!flow.is_steady(Some(s(1)), silence, start + s(40)));
        assert!(flow.is_steady(Some(s(1)), silence, start + s(70)));
    }
}
