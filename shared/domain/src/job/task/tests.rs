use super::*;
use crate::{ErrorClass, Input, MoveSettings, StepResult};
use chrono::DateTime;
use proptest::prelude::*;

fn context() -> Context {
    Context { now: DateTime::UNIX_EPOCH, unit: 0.5, settings: MoveSettings::default() }
}

fn task(kind: JobKind, lane: Lane) -> Job {
    Job::task(JobId::new(), kind, ArtistId::new(), ServerId::new(), lane, &context()).0
}

fn provision() -> Job {
    task(JobKind::Provision, Lane::Upkeep)
}

fn current(job: &Job) -> StepRef {
    let key = job.task_step();
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
    Snooze,
    Follow(bool),
    Express,
    Pause,
    Resume,
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
        Just(Op::Snooze),
        any::<bool>().prop_map(Op::Follow),
        Just(Op::Express),
        Just(Op::Pause),
        Just(Op::Resume),
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
fn a_songs_job_follows_its_artist_and_voids_what_was_begun() {
    let mut job = task(JobKind::Lofi, Lane::LofiBulk);
    let (old_home, home) = (job.target_id, ServerId::new());
    let begun = current(&job);
    job.apply(&Input::Started(begun), &context()).unwrap();
    let applied = job.apply(&Input::Follow(home), &context()).unwrap();
    assert_eq!((job.source_id, job.target_id), (home, home));
    let floor = job.floor;
    assert!(applied.effects.contains(&Effect::Void { server_id: old_home, floor }));
    assert!(applied.effects.contains(&Effect::Send(begun.key)));
    assert_eq!(job.steps[&begun.key].lane, Lane::LofiBulk);
    assert!(!job.is_live(&begun) && job.is_live(&current(&job)));
    assert!(job.apply(&Input::Follow(home), &context()).unwrap().ignored, "it is there");
}

#[test]
fn a_snooze_costs_no_attempt_and_waits() {
    let mut job = task(JobKind::Lofi, Lane::Lofi);
    for n in 1..100 {
        let step = current(&job);
        job.apply(&Input::Snoozed { step, after_s: 7 }, &context()).unwrap();
        let next = &job.steps[&step.key];
        assert_eq!((next.attempts, next.epoch), (0, step.epoch + 1));
        assert_eq!((next.run_after - context().now).num_seconds(), 7, "{n}");
    }
}

#[test]
fn one_of_many_songs_overtakes_them_when_asked_to() {
    let mut job = task(JobKind::Lofi, Lane::LofiBulk);
    job.apply(&Input::Express, &context()).unwrap();
    assert_eq!(job.steps[&job.task_step()].lane, Lane::Lofi);
    assert!(job.apply(&Input::Express, &context()).unwrap().ignored, "it is on the fast lane");
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
    fn it_is_open_with_a_step_or_ended_without(
        lofi in any::<bool>(),
        ops in prop::collection::vec(op(), 1..60),
    ) {
        let mut job = if lofi { task(JobKind::Lofi, Lane::LofiBulk) } else { provision() };
        let homes = [ServerId::new(), job.target_id];
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
                Op::Snooze => Input::Snoozed { step, after_s: 5 },
                Op::Follow(back) => Input::Follow(homes[usize::from(back)]),
                Op::Express => Input::Express,
                Op::Pause => Input::Pause,
                Op::Resume => Input::Resume,
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
                    prop_assert_eq!(released, !lofi && !before.is_final() && job.state.is_final());
            } else {
                prop_assert_eq!(job.state, before);
            }
            prop_assert_eq!(job.is_at_work() || job.is_paused(), !job.state.is_final());
            prop_assert_eq!(job.steps[&job.task_step()].server_id, job.target_id);
            prop_assert!(lofi || job.target_id == homes[1], "only a song's job follows");
            prop_assert_eq!(job.state == JobState::Failed, job.error.is_some() && job.state.is_final());
        }
    }
}
