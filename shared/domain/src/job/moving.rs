//! A move: what each input does to it.

use super::{Context, Effect, Job, Totals};
use crate::{
    IllegalTransition, JobError, JobState, Lane, SegmentRef, StepKey, StepKind, StepRef,
    StepResult, StepState, Trigger,
};
use std::time::Duration;

const EXPORT: StepKey = StepKey { kind: StepKind::Export, seq: 0 };

impl Job {
    pub(super) fn move_staged(
        &mut self,
        step: &StepRef,
        segment: &SegmentRef,
        ctx: &Context,
        effects: &mut Vec<Effect>,
    ) -> bool {
        if self.live(step).is_none() {
            return false;
        }
        let started = self.started(step, ctx, effects);
        let added = self.add_segment(segment);
        self.release_imports(ctx, effects);
        started || added
    }

    pub(super) fn move_done(
        &mut self,
        step: &StepRef,
        result: &StepResult,
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
        match result {
            StepResult::Export { segments } => self.settle(segments, ctx, effects),
            StepResult::Import => {
                let bytes = live.input.as_ref().map_or(0, |i| i.bytes);
                self.bytes_done += bytes;
                self.settle(&[], ctx, effects);
            }
            StepResult::Sync { segments, manifest, files, bytes } => {
                self.totals = Totals { files: *files, bytes: *bytes };
                let key = StepKey { kind: StepKind::Promote, seq: self.round };
                self.hold_promote(key, manifest);
                self.settle(segments, ctx, effects);
            }
            StepResult::Promote => self.promoted(ctx, effects),
            StepResult::Retire { .. } => {
                if self.step_to(Trigger::Retired, effects) {
                    self.error = None;
                    effects.push(Effect::ReleaseArtist);
                }
            }
            StepResult::AbandonImport | StepResult::AbandonExport { .. } => self.undone(effects),
            // No step of a move tells this.
            StepResult::Provision | StepResult::Lofi { .. } | StepResult::Verify(_) => {}
        }
        true
    }

    /// After an export, an import or a sync: goes on as far as what is finished allows.
    fn settle(&mut self, segments: &[SegmentRef], ctx: &Context, effects: &mut Vec<Effect>) {
        for segment in segments {
            self.add_segment(segment);
        }
        self.release_imports(ctx, effects);
        if !self.imports_all_done() {
            return;
        }
        let sync = StepKey { kind: StepKind::Sync, seq: self.round };
        if self.state == JobState::Copying && self.is_done(EXPORT) {
            if self.step_to(Trigger::Copied, effects) {
                self.begin_sync(ctx, effects);
            }
        } else if self.state == JobState::Syncing
            && self.is_done(sync)
            && self.step_to(Trigger::Synced, effects)
        {
            let promote = StepKey { kind: StepKind::Promote, seq: self.round };
            self.send(promote, Duration::ZERO, ctx, effects);
        }
    }

    fn is_done(&self, key: StepKey) -> bool {
        self.steps.get(&key).is_some_and(|s| s.state == StepState::Done)
    }

    fn begin_sync(&mut self, ctx: &Context, effects: &mut Vec<Effect>) {
        self.round += 1;
        let key = StepKey { kind: StepKind::Sync, seq: self.round };
        self.send_new(key, self.source_id, Lane::Upkeep, None, ctx, effects);
    }

    /// Keeps the final manifest until the last imports are done.
    fn hold_promote(&mut self, key: StepKey, manifest: &SegmentRef) {
        let step = crate::Step {
            key,
            state: StepState::Waiting,
            epoch: 0,
            attempts: 0,
            server_id: self.target_id,
            lane: Lane::Upkeep,
            input: Some(manifest.clone()),
            run_after: chrono::DateTime::UNIX_EPOCH,
            sent_at: None,
            seen_at: None,
            error: None,
        };
        self.steps.insert(key, step);
    }

    /// The pivot, if the freeze surely still holds. The lease began at the source no earlier
    /// than its message was sent, so no two clocks are compared.
    fn promoted(&mut self, ctx: &Context, effects: &mut Vec<Effect>) {
        let sync = StepKey { kind: StepKind::Sync, seq: self.round };
        let lease = chrono::Duration::seconds(i64::from(ctx.settings.freeze_lease_s));
        let margin = chrono::Duration::seconds(i64::from(ctx.settings.freeze_margin_s));
        let frozen = self
            .steps
            .get(&sync)
            .and_then(|s| s.sent_at)
            .is_some_and(|sent_at| ctx.now + margin < sent_at + lease);
        if !frozen {
            if self.step_to(Trigger::FreezeExpired, effects) {
                self.begin_sync(ctx, effects);
            }
            return;
        }
        if self.step_to(Trigger::CutOver, effects) {
            effects.push(Effect::CutOver);
            self.bytes_done = self.totals.bytes;
            let key = StepKey { kind: StepKind::Retire, seq: 0 };
            self.send_new(key, self.source_id, Lane::Upkeep, None, ctx, effects);
        }
    }

    pub(super) fn move_failed(
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
        if self.state == JobState::Retiring {
            self.error = Some(error.clone());
        }
        if error.is_retryable() || self.state == JobState::Retiring {
            self.send_again(step.key, error, ctx, effects);
        } else {
            self.give_up(step.key, error.clone(), ctx, effects);
        }
        true
    }

    /// A step is spent: undo the move, or report that the undoing is spent.
    pub(super) fn move_given_up(
        &mut self,
        key: StepKey,
        error: JobError,
        ctx: &Context,
        effects: &mut Vec<Effect>,
    ) {
        if key.kind.is_rollback() {
            self.void_all();
            if self.step_to(Trigger::RollbackFailed, effects) {
                self.error = Some(error);
                effects.push(Effect::ReleaseArtist);
            }
            return;
        }
        self.error = Some(error);
        self.roll_back(ctx, effects);
    }

    fn roll_back(&mut self, ctx: &Context, effects: &mut Vec<Effect>) -> bool {
        if !self.step_to(Trigger::Abort, effects) {
            return false;
        }
        self.begin_rollback(ctx, effects);
        true
    }

    fn begin_rollback(&mut self, ctx: &Context, effects: &mut Vec<Effect>) {
        self.void_all();
        self.floor = self.epoch + 1;
        for server_id in [self.source_id, self.target_id] {
            effects.push(Effect::Void { server_id, floor: self.floor });
        }
        let import = StepKey { kind: StepKind::AbandonImport, seq: 0 };
        let export = StepKey { kind: StepKind::AbandonExport, seq: 0 };
        self.send_new(import, self.target_id, Lane::Upkeep, None, ctx, effects);
        self.send_new(export, self.source_id, Lane::Upkeep, None, ctx, effects);
    }

    fn undone(&mut self, effects: &mut Vec<Effect>) {
        let all = self
            .steps
            .values()
            .filter(|s| s.key.kind.is_rollback())
            .all(|s| s.state == StepState::Done);
        let rolled_back = Trigger::RolledBack { cancelled: self.cancel_requested };
        if all && self.step_to(rolled_back, effects) {
            effects.push(Effect::ReleaseArtist);
        }
    }

    pub(super) fn move_cancel(
        &mut self,
        ctx: &Context,
        effects: &mut Vec<Effect>,
    ) -> Result<bool, IllegalTransition> {
        if self.state == JobState::RollingBack {
            return Ok(false);
        }
        if !self.state.is_cancellable() {
            return Err(IllegalTransition { state: self.state, trigger: Trigger::Abort });
        }
        self.cancel_requested = true;
        Ok(self.roll_back(ctx, effects))
    }

    pub(super) fn move_express(
        &mut self,
        ctx: &Context,
        effects: &mut Vec<Effect>,
    ) -> Result<bool, IllegalTransition> {
        if self.state != JobState::Queued {
            return Err(IllegalTransition { state: self.state, trigger: Trigger::Started });
        }
        let paused = self.is_paused();
        let Some(step) = self.steps.get_mut(&EXPORT) else { return Ok(false) };
        if step.lane == Lane::Express && !paused {
            return Ok(false);
        }
        step.lane = Lane::Express;
        self.send(EXPORT, Duration::ZERO, ctx, effects);
        Ok(true)
    }

    pub(super) fn move_retry(
        &mut self,
        ctx: &Context,
        effects: &mut Vec<Effect>,
    ) -> Result<bool, IllegalTransition> {
        if self.state == JobState::Stuck {
            self.try_step_to(Trigger::RollbackRetried, effects)?;
            self.begin_rollback(ctx, effects);
            return Ok(true);
        }
        self.try_step_to(Trigger::Retry, effects)?;
        self.steps.clear();
        self.floor = self.epoch + 1;
        self.round = 0;
        self.bytes_staged = 0;
        self.bytes_done = 0;
        self.cancel_requested = false;
        self.error = None;
        self.enqueue_export(false, ctx, effects);
        Ok(true)
    }
}
