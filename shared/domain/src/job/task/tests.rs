use super::*;
use crate::{ErrorClass, Input, MoveSettings, StepKind, StepResult};
use chrono::DateTime;
use proptest::prelude::*;

fn context() -> Context {
    Context { now: DateTime::UNIX_EPOCH, unit: 0.5, settings: MoveSettings::default() }
}

fn provision() -> Job {
    Job::task(JobId::new(), JobKind::Provision, ArtistId::new(), ServerId::new(), &context()).0
}

fn current(job: &Job) -> StepRef {
    let key = StepKey { kind: StepKind::Provision, seq: 0 };
    StepRef { job_id: job.id, key, epoch: job.steps[&key].epoch }
}

fn error(class: ErrorClass) -> JobError {
    JobError::new(class, "disk_error", "no", "Mend it")
}

#[derive(Debug, Clone, Copy)]
enum Op {
    Start,
    Finish,
    Fail(bool),
    Yield,
    Rescue,
    Cancel,
    Retry,
    Late,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        Just(Op::Start),
        Just(Op::Finish),
        any::<bool>().prop_map(Op::Fail),
        Just(Op::Yield),
        Just(Op::Rescue),
        Just(Op::Cancel),
        Just(Op::Retry),
        Just(Op::Late),
    ]
}

#[test]
fn a_task_begins_ends_and_lets_go_once() {
    let mut job = provision();
    let step = current(&job);
    let done = Input::Done { step, result: StepResult::Provision };
    let first = job.apply(&done, &context()).unwrap();
    assert_eq!(job.state, JobState::Succeeded);
    assert!(first.effects.contains(&Effect::ReleaseArtist));
    let again = job.apply(&done, &context()).unwrap();
    assert!(again.ignored && again.effects.is_empty());
    assert!(job.apply(&Input::Cancel, &context()).is_err());
}

#[test]
fn a_permanent_failure_ends_it_and_a_retry_begins_anew() {
    let mut job = provision();
    let failed = Input::Failed { step: current(&job), error: error(ErrorClass::Permanent) };
    let applied = job.apply(&failed, &context()).unwrap();
    assert_eq!(job.state, JobState::Failed);
    assert!(job.error.is_some() && applied.effects.contains(&Effect::ReleaseArtist));
    let old = job.epoch;
    job.apply(&Input::Retry, &context()).unwrap();
    assert_eq!(job.state, JobState::Queued);
    assert!(job.epoch > old && job.floor > old && job.is_at_work());
}

proptest! {
    /// Whatever happens in whatever order: an open task has exactly one live step, an ended one
    /// has none, and an artist is let go exactly when the task ends.
    #[test]
    fn it_is_open_with_a_step_or_ended_without(ops in prop::collection::vec(op(), 1..60)) {
        let mut job = provision();
        let mut seen = vec![current(&job)];
        let ctx = context();
        for op in ops {
            let before = job.state;
            let step = current(&job);
            seen.push(step);
            let input = match op {
                Op::Start => Input::Started(step),
                Op::Finish => Input::Done { step, result: StepResult::Provision },
                Op::Fail(for_good) => {
                    let class = if for_good { ErrorClass::Permanent } else { ErrorClass::Transient };
                    Input::Failed { step, error: error(class) }
                }
                Op::Yield => Input::Yielded(step),
                Op::Rescue => Input::Rescue(step),
                Op::Cancel => Input::Cancel,
                Op::Retry => Input::Retry,
                Op::Late => {
                    let late = seen[0];
                    Input::Done { step: late, result: StepResult::Provision }
                }
            };
            let late = matches!(op, Op::Late) && seen[0] != step;
            if let Ok(applied) = job.apply(&input, &ctx) {
                    prop_assert!(!late || applied.ignored, "a late word changed something");
                    let released = applied.effects.contains(&Effect::ReleaseArtist);
                    prop_assert_eq!(released, !before.is_final() && job.state.is_final());
            } else {
                prop_assert_eq!(job.state, before);
            }
            prop_assert_eq!(job.is_at_work(), !job.state.is_final());
            prop_assert_eq!(job.state == JobState::Failed, job.error.is_some() && job.state.is_final());
        }
    }
}
