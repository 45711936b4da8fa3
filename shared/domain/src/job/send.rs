//! Sending steps: every try of every step is made here, so epochs are given out in one place.

use super::{Context, Effect, Job};
use crate::{
    Backoff, JobError, JobState, Lane, SegmentRef, ServerId, Step, StepKey, StepKind, StepState,
};
use std::time::Duration;

impl Job {
    pub(super) fn enqueue_export(
        &mut self,
        express: bool,
        ctx: &Context,
        effects: &mut Vec<Effect>,
    ) {
        let lane = if express { Lane::Express } else { Lane::Export };
        let key = StepKey { kind: StepKind::Export, seq: 0 };
        self.send_new(key, self.source_id, lane, None, ctx, effects);
    }

    /// Makes a step and its first try.
    pub(super) fn send_new(
        &mut self,
        key: StepKey,
        server_id: ServerId,
        lane: Lane,
        input: Option<SegmentRef>,
        ctx: &Context,
        effects: &mut Vec<Effect>,
    ) {
        let step = Step {
            key,
            state: StepState::Waiting,
            epoch: 0,
            attempts: 0,
            server_id,
            lane,
            input,
            run_after: ctx.now,
            sent_at: None,
            seen_at: None,
            error: None,
        };
        self.steps.insert(key, step);
        self.send(key, Duration::ZERO, ctx, effects);
    }

    /// Gives a step its next try: a new epoch, voiding the one before.
    pub(super) fn send(
        &mut self,
        key: StepKey,
        after: Duration,
        ctx: &Context,
        effects: &mut Vec<Effect>,
    ) {
        let Some(step) = self.steps.get_mut(&key) else { return };
        self.epoch += 1;
        step.epoch = self.epoch;
        step.state = StepState::Sent;
        step.run_after = ctx.now + after;
        step.sent_at = Some(step.run_after);
        step.seen_at = None;
        effects.push(Effect::Send(key));
    }

    /// Sends a step again after a failure or a lost worker, or gives up when its tries are spent.
    pub(super) fn send_again(
        &mut self,
        key: StepKey,
        error: &JobError,
        ctx: &Context,
        effects: &mut Vec<Effect>,
    ) {
        let rollback = key.kind.is_rollback();
        let forward_only = self.state == JobState::Retiring;
        let attempts_max = if rollback {
            ctx.settings.rollback_attempts_max
        } else {
            ctx.settings.step_attempts_max
        };
        let Some(step) = self.steps.get_mut(&key) else { return };
        step.attempts += 1;
        step.error = Some(error.clone());
        let attempts = step.attempts;
        if attempts >= attempts_max && !forward_only {
            self.give_up(key, error.clone(), ctx, effects);
            return;
        }
        let backoff = Backoff {
            base: Duration::from_millis(ctx.settings.retry_base_ms),
            max: Duration::from_millis(ctx.settings.retry_max_ms),
        };
        let delay = match error.class {
            crate::ErrorClass::RateLimited { after_s } => Duration::from_secs(after_s.into()),
            _ => backoff.delay(attempts, ctx.unit),
        };
        self.send(key, delay, ctx, effects);
    }

    /// Sends every segment whose turn it is: those of a round wait until all earlier rounds are
    /// imported, because a later round may write the same file again.
    pub(super) fn release_imports(&mut self, ctx: &Context, effects: &mut Vec<Effect>) {
        let open_round = self
            .steps
            .values()
            .filter(|s| s.key.kind == StepKind::Import)
            .filter(|s| s.state != StepState::Done)
            .filter_map(|s| s.input.as_ref().map(|i| i.round))
            .min();
        let Some(open_round) = open_round else { return };
        let due: Vec<StepKey> = self
            .steps
            .values()
            .filter(|s| s.key.kind == StepKind::Import && s.state == StepState::Waiting)
            .filter(|s| s.input.as_ref().is_some_and(|i| i.round == open_round))
            .map(|s| s.key)
            .collect();
        for key in due {
            self.send(key, Duration::ZERO, ctx, effects);
        }
    }

    /// Takes note of a staged segment; a repeated one changes nothing.
    pub(super) fn add_segment(&mut self, segment: &SegmentRef) -> bool {
        let key = StepKey { kind: StepKind::Import, seq: segment.number };
        if self.steps.contains_key(&key) {
            return false;
        }
        let step = Step {
            key,
            state: StepState::Waiting,
            epoch: 0,
            attempts: 0,
            server_id: self.target_id,
            lane: Lane::Import,
            input: Some(segment.clone()),
            run_after: chrono::DateTime::UNIX_EPOCH,
            sent_at: None,
            seen_at: None,
            error: None,
        };
        self.steps.insert(key, step);
        // An export's progress counts the same bytes, chunk by chunk, ahead of its segments.
        let segments: u64 = self
            .steps
            .values()
            .filter(|s| s.key.kind == StepKind::Import)
            .filter_map(|s| s.input.as_ref().map(|i| i.bytes))
            .sum();
        self.bytes_staged = self.bytes_staged.max(segments);
        true
    }

    pub(super) fn imports_all_done(&self) -> bool {
        self.steps
            .values()
            .filter(|s| s.key.kind == StepKind::Import)
            .all(|s| s.state == StepState::Done)
    }
}
