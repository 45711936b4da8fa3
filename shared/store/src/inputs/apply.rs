//! Applying inputs in memory. Nothing here touches the database.

use super::{InputError, Outcome, Outcomes, Teller, Told};
use crate::{
    Action, By, StoreError,
    jobs_core::{Ground, Held},
    orders,
    outbox::NewOrder,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use tourbus_domain::job::{Applied, Context};
use tourbus_domain::{
    Effect, ErrorClass, Input, JobId, JobState, MoveSettings, StepKey, StepRef, StepResult,
    VerifyReport,
};
use uuid::Uuid;

/// The inputs of one transaction, and what becomes of them. May be applied again after a
/// rollback: nothing is carried over.
pub(super) struct Work<'a> {
    pub(super) jobs: &'a [Uuid],
    settings: &'a MoveSettings,
    /// Per job, its inputs and their places in the request.
    inputs: HashMap<JobId, Vec<(usize, &'a Told)>>,
    outcomes: HashMap<usize, Result<Outcome, InputError>>,
    pub(super) touched: Vec<Touched>,
}

/// A job with what must be written for it.
pub(super) struct Touched {
    pub(super) held: Held,
    pub(super) orders: Vec<NewOrder>,
    pub(super) notes: Vec<Note>,
    pub(super) cut_over: bool,
    pub(super) release: bool,
    /// What its reading came to.
    pub(super) report: Option<VerifyReport>,
    /// Steps that these workers have begun.
    pub(super) began: BTreeMap<StepKey, String>,
}

impl Touched {
    /// A finished job that is to run again.
    pub(super) fn begins_anew(&self) -> bool {
        self.held.before.state.is_final() && !self.held.job.state.is_final()
    }

    /// It needs its artist back.
    pub(super) fn acquires(&self) -> bool {
        self.begins_anew() && self.held.job.kind.holds_artist()
    }
}

/// A line of a job's timeline.
pub(super) struct Note {
    pub(super) name: &'static str,
    pub(super) detail: Value,
    /// Who asked, when it was a person: goes to the audit log too.
    pub(super) audit: Option<(By, Action)>,
}

impl<'a> Work<'a> {
    /// Of all that was told, what concerns these jobs (sorted).
    pub(super) fn pick(told: &'a [Told], jobs: &'a [Uuid], settings: &'a MoveSettings) -> Self {
        let mut inputs: HashMap<JobId, Vec<(usize, &Told)>> = HashMap::new();
        for (place, one) in told.iter().enumerate() {
            if jobs.binary_search(&one.job_id.0).is_ok() {
                inputs.entry(one.job_id).or_default().push((place, one));
            }
        }
        Self { jobs, settings, inputs, outcomes: HashMap::new(), touched: Vec::new() }
    }

    pub(super) const fn settings(&self) -> &MoveSettings {
        self.settings
    }

    pub(super) fn apply(&mut self, held: Vec<Held>, ground: &Ground) -> Result<(), StoreError> {
        self.outcomes.clear();
        self.touched.clear();
        for one in held {
            let inputs = self.inputs.get(&one.job.id).map_or(&[][..], Vec::as_slice);
            let mut touched = Touched {
                held: one,
                orders: Vec::new(),
                notes: Vec::new(),
                cut_over: false,
                release: false,
                report: None,
                began: BTreeMap::new(),
            };
            for (place, told) in inputs {
                let outcome = touched.take(told, ground, self.settings)?;
                self.outcomes.insert(*place, outcome);
            }
            touched.drop_overtaken_orders();
            self.touched.push(touched);
        }
        Ok(())
    }

    /// Takes back everything of the jobs for which `why` gives a reason.
    pub(super) fn fail_where(&mut self, why: impl Fn(&Touched) -> Option<InputError>) {
        let (inputs, outcomes) = (&self.inputs, &mut self.outcomes);
        self.touched.retain(|touched| {
            let Some(error) = why(touched) else { return true };
            for (place, _) in inputs.get(&touched.held.job.id).into_iter().flatten() {
                outcomes.insert(*place, Err(error.clone()));
            }
            false
        });
    }

    pub(super) fn fail_all(&mut self, message: &str) {
        for (place, _) in self.inputs.values().flatten() {
            self.outcomes.insert(*place, Err(InputError::Broken(message.to_owned())));
        }
        self.touched.clear();
    }

    /// Puts the outcomes in their places. Inputs of unknown jobs keep what stands there.
    pub(super) fn report(self, outcomes: &mut Outcomes) {
        for (place, outcome) in self.outcomes {
            outcomes[place] = outcome;
        }
    }
}

impl Touched {
    fn take(
        &mut self,
        told: &Told,
        ground: &Ground,
        settings: &MoveSettings,
    ) -> Result<Result<Outcome, InputError>, StoreError> {
        if let Teller::Server { slug, .. } = &told.by
            && let Some(step) = step_of(&told.input)
            && let Some(known) = self.held.job.steps.get(&step.key)
            && ground.server(known.server_id)?.slug != *slug
            // An older try was that server's own, before the job followed its artist: old news.
            && step.epoch >= known.epoch
        {
            return Ok(Err(InputError::NotItsStep(slug.clone())));
        }
        // A batch may have been paused or resumed since it was decided to tell its jobs.
        let off = match told.input {
            Input::Pause => !self.held.batch_paused,
            Input::Resume => self.held.batch_paused,
            _ => false,
        };
        if off {
            return Ok(Ok(Outcome { ignored: true, state: self.held.job.state }));
        }
        let ctx = Context { now: ground.now, unit: rand::random(), settings: settings.clone() };
        let attempts = self.attempts(&told.input);
        let Applied { effects, ignored } = match self.held.job.apply(&told.input, &ctx) {
            Ok(applied) => applied,
            Err(illegal) => return Ok(Err(illegal.into())),
        };
        if !ignored {
            self.note_input(told, attempts);
            if let (Input::Started(step), Teller::Server { worker, .. }) = (&told.input, &told.by) {
                self.began.insert(step.key, worker.clone());
            }
        }
        for effect in effects {
            self.keep(&effect, ground, settings)?;
        }
        if matches!(told.input, Input::Retry) && self.held.batch_paused {
            self.hold_back(&ctx, ground)?;
        }
        Ok(Ok(Outcome { ignored, state: self.held.job.state }))
    }

    /// What is queued anew in a batch that is paused waits like the rest of it.
    fn hold_back(&mut self, ctx: &Context, ground: &Ground) -> Result<(), StoreError> {
        // Legal in every state, and without effect where nothing is queued.
        if let Ok(Applied { effects, .. }) = self.held.job.apply(&Input::Pause, ctx) {
            for effect in effects {
                self.keep(&effect, ground, &ctx.settings)?;
            }
        }
        Ok(())
    }

    fn keep(
        &mut self,
        effect: &Effect,
        ground: &Ground,
        settings: &MoveSettings,
    ) -> Result<(), StoreError> {
        match *effect {
            Effect::Send(key) => {
                if let Some(step) = self.held.job.steps.get(&key) {
                    let order = orders::of_step(&self.held, step, ground, settings)?;
                    self.orders.push(order);
                }
            }
            Effect::Void { server_id, floor } => {
                self.orders.push(orders::of_void(&self.held, server_id, floor, ground)?);
            }
            Effect::CutOver => self.cut_over = true,
            Effect::ReleaseArtist => self.release = true,
            Effect::StateChanged { from, to } => {
                if to == JobState::Stuck {
                    tracing::error!(job = %self.held.job.id, "move.stuck");
                }
                let detail = json!({ "from": from, "to": to });
                self.notes.push(Note { name: "state_changed", detail, audit: None });
            }
        }
        Ok(())
    }

    /// A try that a later input of the same transaction has made void need not be sent.
    fn drop_overtaken_orders(&mut self) {
        let job = &self.held.job;
        self.orders.retain(|order| {
            order.order == tourbus_protocol::Order::VoidV1
                || job.is_live(&StepRef { job_id: job.id, key: order.key, epoch: order.epoch })
        });
    }

    fn attempts(&self, input: &Input) -> u32 {
        step_of(input).and_then(|s| self.held.job.steps.get(&s.key)).map_or(0, |s| s.attempts + 1)
    }

    fn note_input(&mut self, told: &Told, attempts: u32) {
        let actor = match &told.by {
            Teller::Person(by) | Teller::OneOfMany(by) => Some(by.actor.as_str()),
            Teller::Server { .. } | Teller::Coordinator => None,
        };
        let (name, mut detail) = match &told.input {
            Input::Failed { step, error } => {
                if error.class == ErrorClass::Fatal {
                    tracing::error!(job = %step.job_id, step = %step.key.kind, %error, "move.fatal");
                }
                ("step_failed", json!({ "step": step, "attempt": attempts, "error": error }))
            }
            Input::Noticed { step, notice } => {
                tracing::warn!(job = %step.job_id, step = %step.key.kind, %notice, "move.noticed");
                ("noticed", json!({ "step": step, "notice": notice }))
            }
            Input::Rescue(step) => ("step_rescued", json!({ "step": step, "attempt": attempts })),
            Input::SendAgain(step) => ("sent_again", json!({ "step": step, "by": actor })),
            Input::Cancel => ("cancel_requested", json!({ "by": actor })),
            Input::Express => ("express_requested", json!({ "by": actor })),
            Input::Pause => ("paused", json!({ "by": actor })),
            Input::Resume => ("resumed", json!({ "by": actor })),
            Input::Retry => ("retry_requested", json!({ "by": actor })),
            Input::Follow(home) => ("followed", json!({ "home": home })),
            Input::Done { result: StepResult::Lofi { made, bytes, audio_ms, took_ms }, .. } => (
                "lofi_made",
                json!({ "made": made, "bytes": bytes, "audio_ms": audio_ms, "took_ms": took_ms }),
            ),
            Input::Done { result: StepResult::Verify(report), .. } => {
                self.report = Some(report.clone());
                ("verified", report_note(report))
            }
            Input::Started(_)
            | Input::Progress { .. }
            | Input::Staged { .. }
            | Input::Done { .. }
            | Input::Snoozed { .. }
            | Input::Yielded(_) => return,
        };
        if let Teller::Server { worker, .. } = &told.by {
            detail["worker"] = json!(worker);
        }
        self.notes.push(Note { name, detail, audit: told.audit() });
    }
}

/// A report without its findings.
fn report_note(report: &VerifyReport) -> Value {
    let VerifyReport { files, bytes, first_reading, placed, took_ms, .. } = report;
    json!({ "files": files, "bytes": bytes, "first_reading": first_reading, "placed": placed,
        "found": report.found(), "took_ms": took_ms })
}

const fn step_of(input: &Input) -> Option<&StepRef> {
    match input {
        Input::Started(step)
        | Input::Progress { step, .. }
        | Input::Staged { step, .. }
        | Input::Done { step, .. }
        | Input::Yielded(step)
        | Input::Snoozed { step, .. }
        | Input::Failed { step, .. }
        | Input::Noticed { step, .. }
        | Input::Rescue(step)
        | Input::SendAgain(step) => Some(step),
        Input::Cancel
        | Input::Express
        | Input::Pause
        | Input::Resume
        | Input::Retry
        | Input::Follow(_) => None,
    }
}
