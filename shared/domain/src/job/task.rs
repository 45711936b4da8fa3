//! A task: one step on the artist's home server, with nothing to undo.

use super::{Context, Effect, Job, JobKind, Totals};
use crate::{
    ArtistId, IllegalTransition, JobError, JobId, JobState, Lane, ServerId, StepKey, StepRef,
    StepState, Trigger,
};
use std::{collections::BTreeMap, time::Duration};

impl Job {
    /// A queued task, and the effects that put it on a lane of its server. It is no move.
    pub fn task(
        id: JobId,
        kind: JobKind,
        artist_id: ArtistId,
        server_id: ServerId,
        lane: Lane,
        ctx: &Context,
    ) -> (Self, Vec<Effect>) {
        debug_assert!(kind != JobKind::Move, "a move has two servers");
        let mut job = Self {
            id,
            kind,
            artist_id,
            source_id: server_id,
            target_id: server_id,
            state: JobState::Queued,
            epoch: 0,
            floor: 0,
            round: 0,
            totals: Totals::default(),
            bytes_staged: 0,
            bytes_done: 0,
            cancel_requested: false,
            error: None,
            steps: BTreeMap::new(),
        };
        let mut effects = Vec::new();
        job.enqueue_task(lane, ctx, &mut effects);
        (job, effects)
    }

    const fn task_step(&self) -> StepKey {
        self.first_step()
    }

    fn enqueue_task(&mut self, lane: Lane, ctx: &Context, effects: &mut Vec<Effect>) {
        self.send_new(self.task_step(), self.target_id, lane, None, ctx, effects);
    }

    /// Goes on at another server, where the artist lives now. Whoever still works on it stops.
    pub(super) fn follow(
        &mut self,
        home: ServerId,
        ctx: &Context,
        effects: &mut Vec<Effect>,
    ) -> bool {
        if !self.kind.follows_artist() || self.state.is_final() || self.target_id == home {
            return false;
        }
        let (key, paused) = (self.task_step(), self.is_paused());
        let Some(step) = self.steps.get_mut(&key) else { return false };
        step.server_id = home;
        self.call_off(effects);
        (self.source_id, self.target_id) = (home, home);
        if !paused {
            self.send(key, Duration::ZERO, ctx, effects);
        }
        true
    }

    pub(super) fn task_done(
        &mut self,
        step: &StepRef,
        ctx: &Context,
        effects: &mut Vec<Effect>,
    ) -> bool {
        if self.live(step).is_none() {
            return false;
        }
        self.started(step, ctx, effects);
        let Some(live) = self.live(step) else { return false };
        live.state = StepState::Done;
        live.error = None;
        if self.step_to(Trigger::TaskDone, effects) {
            self.error = None;
            self.bytes_done = self.totals.bytes;
            self.let_go(effects);
        }
        true
    }

    pub(super) fn task_failed(
        &mut self,
        step: &StepRef,
        error: &JobError,
        ctx: &Context,
        effects: &mut Vec<Effect>,
    ) -> bool {
        if self.live(step).is_none() {
            return false;
        }
        self.started(step, ctx, effects);
        if error.is_retryable() {
            self.send_again(step.key, error, ctx, effects);
        } else {
            self.give_up(step.key, error.clone(), ctx, effects);
        }
        true
    }

    pub(super) fn task_given_up(&mut self, error: JobError, effects: &mut Vec<Effect>) {
        self.void_all();
        // A rescue may give up a step that was never heard of.
        if self.state == JobState::Queued {
            self.step_to(Trigger::TaskStarted, effects);
        }
        self.error = Some(error);
        if self.step_to(Trigger::TaskFailed, effects) {
            self.call_off(effects);
            self.let_go(effects);
        }
    }

    pub(super) fn task_cancel(
        &mut self,
        effects: &mut Vec<Effect>,
    ) -> Result<bool, IllegalTransition> {
        self.try_step_to(Trigger::TaskCancelled, effects)?;
        self.cancel_requested = true;
        self.void_all();
        self.call_off(effects);
        self.let_go(effects);
        Ok(true)
    }

    /// A task that waits among many goes to the lane of its kind's urgent ones.
    pub(super) fn task_express(
        &mut self,
        ctx: &Context,
        effects: &mut Vec<Effect>,
    ) -> Result<bool, IllegalTransition> {
        if self.state != JobState::Queued {
            let trigger = Trigger::TaskStarted;
            return Err(IllegalTransition { state: self.state, trigger });
        }
        let (key, paused) = (self.task_step(), self.is_paused());
        let urgent = key.kind.lane();
        let Some(step) = self.steps.get_mut(&key).filter(|s| paused || s.lane != urgent) else {
            return Ok(false);
        };
        step.lane = key.kind.lane();
        self.send(key, Duration::ZERO, ctx, effects);
        Ok(true)
    }

    pub(super) fn task_retry(
        &mut self,
        ctx: &Context,
        effects: &mut Vec<Effect>,
    ) -> Result<bool, IllegalTransition> {
        self.try_step_to(Trigger::Retry, effects)?;
        let key = self.task_step();
        let lane = self.steps.get(&key).map_or(key.kind.lane(), |s| s.lane);
        self.steps.clear();
        self.floor = self.epoch + 1;
        self.bytes_done = 0;
        self.cancel_requested = false;
        self.error = None;
        self.enqueue_task(lane, ctx, effects);
        Ok(true)
    }

    /// Whoever still works on it stops.
    fn call_off(&mut self, effects: &mut Vec<Effect>) {
        self.floor = self.epoch + 1;
        effects.push(Effect::Void { server_id: self.target_id, floor: self.floor });
    }

    fn let_go(&self, effects: &mut Vec<Effect>) {
        if self.kind.holds_artist() {
            effects.push(Effect::ReleaseArtist);
        }
    }

    /// Whether its step may still end well.
    #[cfg(test)]
    fn is_at_work(&self) -> bool {
        self.steps.values().any(|s| matches!(s.state, StepState::Sent | StepState::Running))
    }
}

#[cfg(test)]
mod tests;
