//! Rescue: tries that no heartbeat names any more are sent again, with a new epoch.
//!
//! It follows missing heartbeats, never elapsed time: while heartbeats do not flow (the broker
//! or the database was away, or they wait in the events queue) nothing is concluded from silence.

use crate::{Coordinator, CoordinatorError};
use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
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
    /// Since when each lane that was asked for has been empty at every look.
    empty: BTreeMap<String, Instant>,
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

    /// What is known of these lanes now: whether each is empty. Returns those that have been for half
    /// of `silence`: what has just been taken from a lane is named by a heartbeat only a moment later.
    fn long_empty(
        &mut self,
        lanes: &BTreeMap<String, bool>,
        silence: Duration,
        now: Instant,
    ) -> BTreeSet<String> {
        self.empty.retain(|lane, _| lanes.get(lane) == Some(&true));
        for (lane, _) in lanes.iter().filter(|(_, empty)| **empty) {
            self.empty.entry(lane.clone()).or_insert(now);
        }
        let long = |(_, since): &(&String, &Instant)| now.duration_since(**since) >= silence / 2;
        self.empty.iter().filter(long).map(|(lane, _)| lane.clone()).collect()
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
        let lost = self.truly_lost(suspects, flow, silence).await;
        if lost.is_empty() {
            return Ok(());
        }
        let told: Vec<Told> = lost.iter().map(rescue).collect();
        let outcomes = self.store.apply_inputs(&told, &self.config.moves).await?;
        for (suspect, outcome) in lost.iter().zip(&outcomes) {
            if outcome.as_ref().is_ok_and(|o| !o.ignored) {
                let kind = suspect.step.key.kind.as_str();
                metrics::counter!("tourbus_rescues_total", "kind" => kind).increment(1);
            }
        }
        for suspect in &lost {
            let step = suspect.step;
            tracing::warn!(job = %step.job_id, step = %step.key.kind, seq = step.key.seq,
                epoch = step.epoch, server = %suspect.server, "rescue.sent_again");
        }
        Ok(())
    }

    /// A try that was only sent may still stand on its lane, or have been taken from it this moment: it
    /// is lost when the lane has been empty for a while.
    async fn truly_lost(
        &self,
        suspects: Vec<Suspect>,
        flow: &mut Flow,
        silence: Duration,
    ) -> Vec<Suspect> {
        let lane = |suspect: &Suspect| names::lane_queue(&suspect.server, suspect.lane);
        let mut lanes: BTreeMap<String, bool> = BTreeMap::new();
        for suspect in suspects.iter().filter(|s| !s.running) {
            if let Entry::Vacant(place) = lanes.entry(lane(suspect)) {
                // A lane that cannot be looked at is not known to be empty.
                let depth = self.broker.depth(place.key()).await;
                place.insert(depth.is_ok_and(|depth| depth == 0));
            }
        }
        let empty = flow.long_empty(&lanes, silence, Instant::now());
        suspects.into_iter().filter(|s| s.running || empty.contains(&lane(s))).collect()
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
    fn a_lane_counts_as_empty_when_it_has_been_for_a_while() {
        let mut flow = Flow::default();
        let (silence, start, s) = (Duration::from_mins(1), Instant::now(), Duration::from_secs);
        let mut look = |lanes: &[(&str, bool)], after| {
            let lanes = lanes.iter().map(|(lane, empty)| ((*lane).to_owned(), *empty)).collect();
            flow.long_empty(&lanes, silence, start + s(after)).into_iter().collect::<Vec<_>>()
        };
        assert!(look(&[("a", true), ("b", true)], 0).is_empty());
        assert!(look(&[("a", true), ("b", false)], 20).is_empty());
        assert_eq!(look(&[("a", true), ("b", true)], 30), ["a"]);
        assert_eq!(look(&[("b", true)], 49), Vec::<String>::new(), "a was not looked at");
        assert_eq!(look(&[("a", true), ("b", true)], 60), ["b"]);
    }

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
