//! A small world around one move: a broker that loses, repeats and reorders, workers that crash
//! and fail, people who cancel, clocks that jump. Whatever happens, the move must end well.

use super::{Applied, Context, Effect, Input, Job, Totals};
use crate::{
    ArtistId, Epoch, ErrorClass, JobError, JobId, JobState, Lane, MoveSettings, SegmentRef,
    ServerId, StepKey, StepKind, StepRef, StepResult, StepState,
};
use chrono::{DateTime, Duration, Utc};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// One order on its way to a server.
#[derive(Debug, Clone)]
struct Order {
    step: StepRef,
    floor: Epoch,
    input: Option<SegmentRef>,
}

/// What happens next. Indexes are taken modulo what there is.
#[derive(Debug, Clone)]
enum Op {
    Work { pick: usize, outcome: Outcome },
    LoseOrder(usize),
    RepeatOrder(usize),
    Event(usize),
    LoseEvent(usize),
    RepeatEvent(usize),
    Rescue(usize),
    Cancel,
    Express,
    Pause,
    Resume,
    Retry,
    Jump,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome {
    Finish,
    CrashAfter(u8),
    Yield,
    Transient,
    Permanent,
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        8 => Just(Outcome::Finish),
        2 => (0..4u8).prop_map(Outcome::CrashAfter),
        1 => Just(Outcome::Yield),
        1 => Just(Outcome::Transient),
        1 => Just(Outcome::Permanent),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let n = 0..64usize;
    prop_oneof![
        10 => (n.clone(), outcome()).prop_map(|(pick, outcome)| Op::Work { pick, outcome }),
        1 => n.clone().prop_map(Op::LoseOrder),
        1 => n.clone().prop_map(Op::RepeatOrder),
        14 => n.clone().prop_map(Op::Event),
        1 => n.clone().prop_map(Op::LoseEvent),
        2 => n.clone().prop_map(Op::RepeatEvent),
        2 => n.prop_map(Op::Rescue),
        1 => Just(Op::Cancel),
        1 => Just(Op::Express),
        1 => Just(Op::Pause),
        1 => Just(Op::Resume),
        1 => Just(Op::Retry),
        1 => Just(Op::Jump),
    ]
}

struct World {
    job: Job,
    now: DateTime<Utc>,
    orders: Vec<Order>,
    events: Vec<Input>,
    fences: BTreeMap<ServerId, (Epoch, BTreeMap<StepKey, Epoch>)>,
    journal: Vec<SegmentRef>,
    imported: BTreeSet<u32>,
    promoted: Option<u32>,
    home: ServerId,
    cut_overs: u32,
    held: bool,
    retries: u32,
}

const SEGMENTS: u32 = 3;

impl World {
    fn new() -> Self {
        let now = DateTime::UNIX_EPOCH;
        let (source, target) = (ServerId::new(), ServerId::new());
        let ctx = Self::context(now);
        let totals = Totals { files: 3, bytes: 30 };
        let (job, effects) =
            Job::new(JobId::new(), ArtistId::new(), source, target, totals, false, &ctx);
        let mut world = Self {
            job,
            now,
            orders: vec![],
            events: vec![],
            fences: BTreeMap::new(),
            journal: vec![],
            imported: BTreeSet::new(),
            promoted: None,
            home: source,
            cut_overs: 0,
            held: true,
            retries: 0,
        };
        world.obey(&effects);
        world
    }

    fn context(now: DateTime<Utc>) -> Context {
        Context { now, unit: 0.5, settings: MoveSettings::default() }
    }

    /// Applies an input and checks everything that must hold whatever the input was.
    fn apply(&mut self, input: &Input) {
        self.now += Duration::seconds(1);
        let before = self.job.clone();
        let Ok(Applied { effects, ignored }) = self.job.apply(input, &Self::context(self.now))
        else {
            assert_eq!(self.job, before, "a refused input changed the job");
            return;
        };
        assert!(self.job.epoch >= before.epoch && self.job.floor >= before.floor);
        if ignored && effects.is_empty() {
            assert_eq!(self.job, before, "an ignored input changed the job: {input:?}");
        }
        self.obey(&effects);
        if self.job.state.is_final() {
            let live = |s: &&crate::Step| matches!(s.state, StepState::Sent | StepState::Running);
            assert_eq!(self.job.steps.values().find(live), None, "a final job has a live step");
            assert!(!self.held, "a final job holds its artist");
        } else {
            assert!(self.held, "an open job has lost its artist");
        }
    }

    fn obey(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Send(key) => self.send(*key),
                Effect::Void { server_id, floor } => {
                    // Told by an order of its own; may be as late as any other.
                    let fence = self.fences.entry(*server_id).or_default();
                    fence.0 = fence.0.max(*floor);
                }
                Effect::CutOver => {
                    self.cut_overs += 1;
                    assert_eq!(self.promoted, Some(self.job.round), "cutover without a promotion");
                    assert_eq!(self.home, self.job.source_id);
                    self.home = self.job.target_id;
                }
                Effect::ReleaseArtist => {
                    assert!(self.held, "released twice");
                    self.held = false;
                }
                Effect::StateChanged { from, to } => {
                    if *from != JobState::Queued && *to == JobState::Queued {
                        self.held = true;
                    }
                    if (*from, *to) == (JobState::Stuck, JobState::RollingBack) {
                        self.held = true;
                    }
                }
            }
        }
    }

    fn send(&mut self, key: StepKey) {
        let step = &self.job.steps[&key];
        assert_eq!(step.state, StepState::Sent);
        if key.kind == StepKind::Import {
            let round = step.input.as_ref().unwrap().round;
            let earlier_open = self.job.steps.values().any(|s| {
                s.key.kind == StepKind::Import
                    && s.input.as_ref().unwrap().round < round
                    && s.state != StepState::Done
            });
            assert!(!earlier_open, "an import overtook an earlier round");
        }
        let step_ref = StepRef { job_id: self.job.id, key, epoch: step.epoch };
        let order = Order { step: step_ref, floor: self.job.floor, input: step.input.clone() };
        self.orders.push(order);
    }

    /// A worker takes an order: checks its fence, works as far as `outcome` lets it.
    fn work(&mut self, order: &Order, outcome: Outcome) {
        let key = order.step.key;
        let at_source = matches!(
            key.kind,
            StepKind::Export | StepKind::Sync | StepKind::Retire | StepKind::AbandonExport
        );
        let server = if at_source { self.job.source_id } else { self.job.target_id };
        let (floor, seen) = self.fences.entry(server).or_default();
        *floor = (*floor).max(order.floor);
        let newest = seen.entry(key).or_default();
        if order.step.epoch < *floor || order.step.epoch < *newest {
            return;
        }
        *newest = order.step.epoch;
        // Whatever came before these is over: a late repetition of it must not touch the tree.
        if matches!(
            key.kind,
            StepKind::Promote
                | StepKind::Retire
                | StepKind::AbandonImport
                | StepKind::AbandonExport
        ) {
            *floor = (*floor).max(order.step.epoch);
        }
        let mut said = vec![Input::Started(order.step)];
        match outcome {
            Outcome::Transient | Outcome::Permanent => {
                let class = if outcome == Outcome::Transient {
                    ErrorClass::Transient
                } else {
                    ErrorClass::Permanent
                };
                let error = JobError::new(class, "test", "it failed", "nothing");
                said.push(Input::Failed { step: order.step, error });
            }
            Outcome::Yield => said.push(Input::Yielded(order.step)),
            Outcome::Finish | Outcome::CrashAfter(_) => said.extend(self.finish(order)),
        }
        if let Outcome::CrashAfter(n) = outcome {
            said.truncate(n.into());
        }
        self.events.extend(said);
    }

    fn stage(&mut self, round: u32) -> SegmentRef {
        let number = self.journal.len() as u32 + 1;
        let segment = SegmentRef {
            number,
            round,
            key: format!("segment {number}"),
            blake3: String::new(),
            bytes: 10,
        };
        self.journal.push(segment.clone());
        segment
    }

    fn finish(&mut self, order: &Order) -> Vec<Input> {
        let step = order.step;
        let result = match step.key.kind {
            StepKind::Export => {
                while self.journal.len() < SEGMENTS as usize {
                    self.stage(0);
                }
                StepResult::Export { segments: self.journal.clone() }
            }
            StepKind::Import => {
                self.imported.insert(order.input.as_ref().unwrap().number);
                StepResult::Import
            }
            StepKind::Sync => self.finish_sync(step.key.seq),
            StepKind::Promote => {
                let round = order.input.as_ref().unwrap().round;
                let mut needed = self.journal.iter().filter(|s| s.round <= round);
                let all = needed.all(|s| self.imported.contains(&s.number));
                assert!(all, "promoted before everything was imported");
                self.promoted = Some(round);
                StepResult::Promote
            }
            StepKind::Retire => {
                assert_eq!(self.home, self.job.target_id, "retired the home");
                self.journal.clear();
                StepResult::Retire { leftovers: None }
            }
            StepKind::AbandonImport => {
                assert_eq!(self.home, self.job.source_id, "abandoned the home");
                self.imported.clear();
                self.promoted = None;
                StepResult::AbandonImport
            }
            StepKind::AbandonExport => {
                self.journal.clear();
                StepResult::AbandonExport { leftovers: None }
            }
            StepKind::Provision | StepKind::Lofi | StepKind::Verify => {
                unreachable!("no step of a move")
            }
        };
        let staged = |s: &SegmentRef| Input::Staged { step, segment: s.clone() };
        let mut said: Vec<Input> = match &result {
            StepResult::Export { segments } => segments.iter().map(staged).collect(),
            _ => vec![],
        };
        said.push(Input::Done { step, result });
        said
    }

    fn finish_sync(&mut self, round: u32) -> StepResult {
        if self.journal.iter().all(|s| s.round != round) {
            self.stage(round);
        }
        let segments = self.journal.iter().filter(|s| s.round > 0).cloned().collect();
        let manifest = SegmentRef {
            number: round,
            round,
            key: format!("manifest {round}"),
            blake3: String::new(),
            bytes: 40,
        };
        StepResult::Sync { segments, manifest, files: 4, bytes: 40 }
    }

    fn live(&self) -> Vec<StepRef> {
        self.job
            .steps
            .values()
            .map(|s| StepRef { job_id: self.job.id, key: s.key, epoch: s.epoch })
            .filter(|s| self.job.is_live(s))
            .collect()
    }

    fn run(&mut self, op: &Op) {
        let at = |n: usize, len: usize| if len == 0 { None } else { Some(n % len) };
        match op {
            Op::Work { pick, outcome } => {
                if let Some(i) = at(*pick, self.orders.len()) {
                    let order = self.orders.remove(i);
                    self.work(&order, *outcome);
                }
            }
            Op::LoseOrder(n) => drop(at(*n, self.orders.len()).map(|i| self.orders.remove(i))),
            Op::RepeatOrder(n) => {
                let again = at(*n, self.orders.len()).map(|i| self.orders[i].clone());
                self.orders.extend(again);
            }
            Op::Event(n) => {
                if let Some(i) = at(*n, self.events.len()) {
                    let event = self.events.remove(i);
                    self.apply(&event);
                }
            }
            Op::LoseEvent(n) => drop(at(*n, self.events.len()).map(|i| self.events.remove(i))),
            Op::RepeatEvent(n) => {
                let again = at(*n, self.events.len()).map(|i| self.events[i].clone());
                self.events.extend(again);
            }
            Op::Rescue(n) => {
                let live = self.live();
                if let Some(i) = at(*n, live.len()) {
                    self.apply(&Input::Rescue(live[i]));
                }
            }
            Op::Cancel => self.apply(&Input::Cancel),
            Op::Express => self.apply(&Input::Express),
            Op::Pause => self.apply(&Input::Pause),
            Op::Resume => self.apply(&Input::Resume),
            // A person who retries for ever is not what ends a move.
            Op::Retry if self.retries < 3 && self.home == self.job.source_id => {
                self.retries += 1;
                self.apply(&Input::Retry);
            }
            Op::Retry => {}
            Op::Jump => self.now += Duration::minutes(11),
        }
    }

    /// No more faults: everything is delivered, rescue finds what was lost.
    fn settle(&mut self) {
        self.apply(&Input::Resume);
        for _ in 0..200 {
            if self.job.state.is_final() {
                return;
            }
            while !self.orders.is_empty() || !self.events.is_empty() {
                for order in std::mem::take(&mut self.orders) {
                    self.work(&order, Outcome::Finish);
                }
                for event in std::mem::take(&mut self.events) {
                    self.apply(&event);
                }
            }
            for step in self.live() {
                self.apply(&Input::Rescue(step));
            }
        }
        panic!("the move never ended: {:#?}", self.job);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn whatever_happens_a_move_ends_well(ops in proptest::collection::vec(op(), 0..120)) {
        let mut world = World::new();
        for op in &ops {
            world.run(op);
        }
        world.settle();
        prop_assert!(world.cut_overs <= 1);
        let moved = world.job.state == JobState::Succeeded;
        prop_assert_eq!(moved, world.home == world.job.target_id);
        if world.job.state == JobState::Failed {
            prop_assert!(world.job.error.is_some());
        }
        if world.job.state == JobState::Cancelled {
            prop_assert!(world.job.cancel_requested && world.imported.is_empty());
        }
        if moved {
            prop_assert_eq!(world.job.bytes_done, world.job.totals.bytes);
        }
    }

    #[test]
    fn every_event_twice_is_every_event_once(ops in proptest::collection::vec(op(), 0..60)) {
        let mut world = World::new();
        for op in &ops {
            world.run(op);
        }
        for event in std::mem::take(&mut world.events) {
            world.apply(&event);
            let once = world.job.clone();
            world.apply(&event);
            prop_assert_eq!(&world.job.steps, &once.steps);
            prop_assert_eq!(world.job.state, once.state);
        }
    }
}

#[test]
fn a_move_without_faults_takes_each_state_once() {
    let mut world = World::new();
    world.settle();
    assert_eq!(world.job.state, JobState::Succeeded);
    assert_eq!((world.cut_overs, world.job.round), (1, 1));
}

#[test]
fn an_expired_freeze_means_another_round_not_a_cutover() {
    let mut world = World::new();
    while world.job.state != JobState::Cutover {
        for order in std::mem::take(&mut world.orders) {
            world.work(&order, Outcome::Finish);
        }
        for event in std::mem::take(&mut world.events) {
            world.apply(&event);
        }
    }
    world.run(&Op::Jump);
    world.settle();
    assert_eq!(world.job.state, JobState::Succeeded);
    assert_eq!((world.cut_overs, world.job.round), (1, 2));
}

#[test]
fn express_voids_the_try_in_the_backlog() {
    let mut world = World::new();
    let waiting = world.live()[0];
    world.apply(&Input::Express);
    assert!(!world.job.is_live(&waiting));
    let export = &world.job.steps[&StepKey { kind: StepKind::Export, seq: 0 }];
    assert_eq!((export.lane, export.epoch), (Lane::Express, 2));
}

#[test]
fn a_paused_move_is_on_no_lane_until_it_is_resumed_or_wanted_now() {
    let mut world = World::new();
    let waiting = world.live()[0];
    world.apply(&Input::Pause);
    assert!(world.job.is_paused() && world.live().is_empty() && !world.job.is_live(&waiting));
    world.apply(&Input::Resume);
    let again = world.live()[0];
    assert!(again.epoch > waiting.epoch && again.epoch >= world.job.floor);
    world.apply(&Input::Pause);
    world.apply(&Input::Express);
    assert!(!world.job.is_paused());
    world.apply(&Input::Started(world.live()[0]));
    world.apply(&Input::Pause);
    assert!(!world.job.is_paused(), "what has begun goes on");
}

#[test]
fn a_dead_letter_is_sent_again_at_no_cost_unless_the_job_has_gone_on() {
    let mut world = World::new();
    let dead = world.live()[0];
    world.apply(&Input::SendAgain(dead));
    let again = world.live()[0];
    assert_eq!((again.epoch, world.job.steps[&again.key].attempts), (dead.epoch + 1, 0));
    let context = World::context(world.now);
    assert!(world.job.apply(&Input::SendAgain(dead), &context).unwrap().ignored);
}

#[test]
fn a_spent_rollback_is_stuck_and_frees_the_artist() {
    let mut world = World::new();
    world.apply(&Input::Cancel);
    for _ in 0..MoveSettings::default().rollback_attempts_max {
        let import = world.live().into_iter().find(|s| s.key.kind == StepKind::AbandonImport);
        if let Some(step) = import {
            world.apply(&Input::Rescue(step));
        }
    }
    assert_eq!(world.job.state, JobState::Stuck);
    assert!(world.job.error.is_some() && !world.held);
}
