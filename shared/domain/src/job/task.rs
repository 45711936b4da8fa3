//! A task: one step on the artist's home server, with nothing to undo.

use super::{Context, Effect, Job, JobKind, Totals};
use crate::{
    ArtistId, IllegalTransition, JobError, JobId, JobState, ServerId, StepKey, StepRef, StepState,
    Trigger,
};
use std::collections::BTreeMap;

impl Job {
    /// A queued task, and the effects that put it on its server's lane. It is no move.
    pub fn task(
        id: JobId,
        kind: JobKind,
        artist_id: ArtistId,
        server_id: ServerId,
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
        job.enqueue_task(ctx, &mut effects);
        (job, effects)
    }

    fn enqueue_task(&mut self, ctx: &Context, effects: &mut Vec<Effect>) {
        let kind = self.kind.first_step();
        let key = StepKey { kind, seq: 0 };
        self.send_new(key, self.target_id, kind.lane(), None, ctx, effects);
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

    /// A task waits on the lane of its urgency already.
    pub(super) const fn task_express(&self) -> Result<bool, IllegalTransition> {
        match self.state {
            JobState::Queued => Ok(false),
            state => Err(IllegalTransition { state, trigger: Trigger::TaskStarted }),
        }
    }

    pub(super) fn task_retry(
        &mut self,
        ctx: &Context,
        effects: &mut Vec<Effect>,
    ) -> Result<bool, IllegalTransition> {
        self.try_step_to(Trigger::Retry, effects)?;
        self.steps.clear();
        self.floor = self.epoch + 1;
        self.bytes_done = 0;
        self.cancel_requested = false;
        self.error = None;
        self.enqueue_task(ctx, effects);
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
