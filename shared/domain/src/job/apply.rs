//! What inputs do to a job of any kind. What only one kind does stands in its own file.

use super::{Context, Effect, Input, Job, JobKind, Totals};
use crate::{
    ErrorClass, IllegalTransition, JobError, JobState, StepKey, StepKind, StepRef, StepState,
    Trigger,
};
use std::time::Duration;

/// Longest pause that a worker may ask for, in seconds.
const SNOOZE_MAX_S: u32 = 3600;

impl Job {
    /// Returns whether anything changed.
    pub(super) fn dispatch_input(
        &mut self,
        input: &Input,
        ctx: &Context,
        effects: &mut Vec<Effect>,
    ) -> Result<bool, IllegalTransition> {
        let moves = self.kind == JobKind::Move;
        match input {
            Input::Started(step) => Ok(self.started(step, ctx, effects)),
            Input::Progress { step, bytes, totals } => {
                Ok(self.progress(step, *bytes, *totals, ctx, effects))
            }
            Input::Staged { step, segment } => {
                Ok(moves && self.move_staged(step, segment, ctx, effects))
            }
            Input::Done { step, result } if moves => Ok(self.move_done(step, result, ctx, effects)),
            Input::Done { step, .. } => Ok(self.task_done(step, ctx, effects)),
            Input::Yielded(step) => Ok(self.yielded(step, Duration::ZERO, ctx, effects)),
            Input::Snoozed { step, after_s } => {
                let after = Duration::from_secs((*after_s).min(SNOOZE_MAX_S).into());
                if !(moves && self.state == JobState::Queued) {
                    return Ok(self.yielded(step, after, ctx, effects));
                }
                // It waits for a place, and has not begun.
                let live = self.live(step).is_some();
                if live {
                    self.send(step.key, after, ctx, effects);
                }
                Ok(live)
            }
            Input::Follow(home) => Ok(self.follow(*home, ctx, effects)),
            Input::Failed { step, error } if moves => {
                Ok(self.move_failed(step, error, ctx, effects))
            }
            Input::Failed { step, error } => Ok(self.task_failed(step, error, ctx, effects)),
            Input::Noticed { step, .. } => Ok(self.live(step).is_some()),
            Input::Rescue(step) => Ok(self.rescue(step, ctx, effects)),
            Input::SendAgain(step) => Ok(self.sent_again(step, ctx, effects)),
            Input::Cancel if moves => self.move_cancel(ctx, effects),
            Input::Cancel => self.task_cancel(effects),
            Input::Express if moves => self.move_express(ctx, effects),
            Input::Express => self.task_express(ctx, effects),
            Input::Pause => Ok(self.pause(effects)),
            Input::Resume => Ok(self.resume(ctx, effects)),
            Input::Retry if moves => self.move_retry(ctx, effects),
            Input::Retry => self.task_retry(ctx, effects),
        }
    }

    /// Takes a transition that the caller knows to be legal here.
    pub(super) fn step_to(&mut self, trigger: Trigger, effects: &mut Vec<Effect>) -> bool {
        self.try_step_to(trigger, effects).is_ok()
    }

    pub(super) fn try_step_to(
        &mut self,
        trigger: Trigger,
        effects: &mut Vec<Effect>,
    ) -> Result<(), IllegalTransition> {
        let from = self.state;
        let to = from.next(trigger)?;
        self.state = to;
        effects.push(Effect::StateChanged { from, to });
        Ok(())
    }

    /// A lost or overtaken `started` must not lose the transition: any word of a live first step
    /// means that it has begun.
    pub(super) fn started(
        &mut self,
        step: &StepRef,
        ctx: &Context,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let first = self.kind.first_step();
        let begins =
            if self.kind == JobKind::Move { Trigger::Started } else { Trigger::TaskStarted };
        let Some(live) = self.live(step) else { return false };
        if live.state == StepState::Running {
            return false;
        }
        live.seen_at = Some(ctx.now);
        live.state = StepState::Running;
        if step.key.kind == first && self.state == JobState::Queued {
            self.step_to(begins, effects);
        }
        true
    }

    fn progress(
        &mut self,
        step: &StepRef,
        bytes: u64,
        totals: Option<Totals>,
        ctx: &Context,
        effects: &mut Vec<Effect>,
    ) -> bool {
        if self.live(step).is_none() {
            return false;
        }
        self.started(step, ctx, effects);
        let Some(live) = self.live(step) else { return false };
        live.seen_at = Some(ctx.now);
        if let Some(totals) = totals {
            self.totals = totals;
        }
        match step.key.kind {
            StepKind::Export => self.bytes_staged = self.bytes_staged.max(bytes),
            _ if self.kind != JobKind::Move => self.bytes_done = bytes,
            _ => {}
        }
        true
    }

    fn yielded(
        &mut self,
        step: &StepRef,
        after: Duration,
        ctx: &Context,
        effects: &mut Vec<Effect>,
    ) -> bool {
        if self.live(step).is_none() {
            return false;
        }
        self.started(step, ctx, effects);
        self.send(step.key, after, ctx, effects);
        true
    }

    fn rescue(&mut self, step: &StepRef, ctx: &Context, effects: &mut Vec<Effect>) -> bool {
        if self.live(step).is_none() {
            return false;
        }
        let error = JobError::new(
            ErrorClass::Transient,
            "worker_lost",
            format!("no worker has reported on the {} step for too long", step.key.kind),
            "Look at the log of that server's workers: one may be crashing on this artist",
        );
        self.send_again(step.key, &error, ctx, effects);
        true
    }

    /// Takes a queued job off its lane: the message there is void, and no other is sent.
    fn pause(&mut self, effects: &mut Vec<Effect>) -> bool {
        let key = self.first_step();
        if self.state != JobState::Queued || self.is_paused() {
            return false;
        }
        let Some(step) = self.steps.get_mut(&key) else { return false };
        step.state = StepState::Waiting;
        step.sent_at = None;
        let server_id = step.server_id;
        self.floor = self.epoch + 1;
        effects.push(Effect::Void { server_id, floor: self.floor });
        true
    }

    fn resume(&mut self, ctx: &Context, effects: &mut Vec<Effect>) -> bool {
        if !self.is_paused() {
            return false;
        }
        self.send(self.first_step(), Duration::ZERO, ctx, effects);
        true
    }

    fn sent_again(&mut self, step: &StepRef, ctx: &Context, effects: &mut Vec<Effect>) -> bool {
        if self.live(step).is_none() {
            return false;
        }
        self.send(step.key, Duration::ZERO, ctx, effects);
        true
    }

    /// A step is spent.
    pub(super) fn give_up(
        &mut self,
        key: StepKey,
        error: JobError,
        ctx: &Context,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(step) = self.steps.get_mut(&key) {
            step.error = Some(error.clone());
        }
        match self.kind {
            JobKind::Move => self.move_given_up(key, error, ctx, effects),
            JobKind::Provision | JobKind::Lofi | JobKind::Verify => {
                self.task_given_up(error, effects);
            }
        }
    }

    pub(super) fn void_all(&mut self) {
        for step in self.steps.values_mut().filter(|s| s.state != StepState::Done) {
            step.state = StepState::Void;
        }
    }
}
