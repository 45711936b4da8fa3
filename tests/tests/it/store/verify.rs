//! Queuing readings of artists' files, what they find, and whose turn it is.

use super::fixture::{Db, MIB, step_of, told};
use tourbus_domain::{
    Accepted, ArtistId, Finding, FindingKind, Input, JobId, StepResult, VerifyReport,
};
use tourbus_protocol::Order;
use tourbus_store::{
    By, FindingQuery, FindingRow, InputError, Resolution, Resolved, Teller, Told, VerifyAnswer,
    VerifyOnce, VerifyRefusal, VerifyRequest, VerifyWhich,
};
use uuid::Uuid;

fn request(which: VerifyWhich) -> VerifyRequest {
    let by = By::named("admin@test");
    VerifyRequest { by, which, rate_bytes_s: None, reason: String::new(), dry_run: false }
}

async fn ask(db: &Db, request: &VerifyRequest) -> VerifyAnswer {
    match db.store.enqueue_verify(request, None).await.unwrap() {
        VerifyOnce::Answer(answer) => answer,
        VerifyOnce::Conflict => panic!("there is no key"),
    }
}

async fn count(db: &Db, sql: &str) -> i64 {
    db.sql(sql).await.unwrap().parse().unwrap()
}

fn finding(path: &str, kind: FindingKind, state: &str) -> Finding {
    Finding {
        path: path.to_owned(),
        kind,
        bytes_expected: Some(3),
        bytes_actual: Some(4),
        offset: None,
        blake3_expected: Some("00".repeat(32)),
        blake3_actual: None,
        state: state.to_owned(),
        detail: None,
    }
}

/// Queues a reading of one artist, and plays the worker that finds this. What the order said.
async fn read(db: &Db, artist: ArtistId, findings: Vec<Finding>) -> (JobId, Vec<Accepted>) {
    let answer = ask(db, &request(VerifyWhich::Artists(vec![artist]))).await;
    assert_eq!(answer.accepted, 1, "{answer:?}");
    let order = db.relay().await.remove(0);
    let Order::VerifyV1 { accepted, .. } = &order.order else { panic!("{order:?}") };
    let accepted = accepted.clone();
    let mut report = VerifyReport { files: 5, bytes: MIB, findings, ..VerifyReport::default() };
    for kind in report.findings.iter().map(|f| f.kind).collect::<Vec<_>>() {
        report.count(kind);
    }
    let step = step_of(&order);
    let done = told(&order, Input::Done { step, result: StepResult::Verify(report) });
    // Told twice, as events may be.
    for _ in 0..2 {
        db.tell(&[told(&order, Input::Started(step)), done.clone()]).await;
    }
    assert_eq!(db.state(order.job_id).await, "succeeded");
    (order.job_id, accepted)
}

async fn open(db: &Db, artist: ArtistId) -> Vec<FindingRow> {
    let query = FindingQuery { artist: Some(artist), limit: 100, ..FindingQuery::default() };
    let mut rows = db.store.findings(&query).await.unwrap();
    rows.sort_by(|a, b| a.path.cmp(&b.path));
    rows
}

#[tokio::test]
async fn artists_are_queued_once_whoever_asks_and_with_a_key_the_answer_is_the_same() {
    let db = Db::start("verify_once").await;
    let artists = db.artists(1, 5, 100 * MIB).await;
    let dry = VerifyRequest { dry_run: true, ..request(VerifyWhich::All) };
    let answer = ask(&db, &dry).await;
    assert_eq!((answer.accepted, answer.batch_id, answer.rate_bytes_s), (5, None, 50_000_000));
    assert_eq!((answer.shares[0].artists, answer.shares[0].estimate_s), (5, 11));
    assert_eq!(count(&db, "SELECT count(*) FROM jobs").await, 0);

    let stranger = ArtistId::new();
    let named = request(VerifyWhich::Artists(vec![artists[0], stranger]));
    let answer = ask(&db, &named).await;
    assert_eq!(answer.accepted, 1);
    assert_eq!(answer.refused, [(stranger, VerifyRefusal::Unknown)]);
    let all = request(VerifyWhich::Server(db.servers[1]));
    let asked = (0..6).map(|_| ask(&db, &all));
    let accepted: u64 =
        futures_util::future::join_all(asked).await.into_iter().map(|a| a.accepted).sum();
    assert_eq!(accepted, 4, "each is queued by one of them");
    assert_eq!(count(&db, "SELECT count(DISTINCT artist_id) FROM jobs").await, 5);
    assert_eq!(count(&db, "SELECT count(*) FROM steps WHERE lane = 'verify'").await, 5);
    let busy = ask(&db, &all).await;
    assert_eq!((busy.accepted, busy.batch_id, busy.refused.len()), (0, None, 5));

    // A verify holds nobody: all may move meanwhile.
    let moves = db.store.enqueue_moves(&db.request(&artists, 2)).await.unwrap();
    assert_eq!(moves.accepted, 5, "{moves:?}");
    db.work_off().await;
    assert_eq!(count(&db, "SELECT count(*) FROM jobs WHERE state = 'succeeded'").await, 10);
    assert_eq!(count(&db, "SELECT count(*) FROM artists WHERE verified_at IS NULL").await, 0);
    assert_eq!(count(&db, "SELECT count(*) FROM verify_results").await, 5);
    db.finish().await;
}

#[tokio::test]
async fn findings_are_open_until_a_reading_or_a_person_says_otherwise() {
    let db = Db::start("verify_findings").await;
    let artist = db.artists(1, 1, MIB).await[0];
    let a = || finding("songs/a.mp3", FindingKind::Corrupt, "1");
    let b = || finding("songs/b.mp3", FindingKind::Untracked, "2");
    let long = "x".repeat(4000);
    let c = || finding(&long, FindingKind::Missing, "");
    let (first, _) = read(&db, artist, vec![a(), b(), c()]).await;
    let found = open(&db, artist).await;
    assert_eq!(found.len(), 3);
    read(&db, artist, vec![a(), b(), c()]).await;
    let again = open(&db, artist).await;
    let ids = |rows: &[FindingRow]| rows.iter().map(|r| r.id).collect::<Vec<_>>();
    assert_eq!(ids(&found), ids(&again), "found again, not twice");
    assert!(again.iter().all(|f| f.job_id != first.0 && f.seen_at > f.found_at));
    let totals = db.store.open_findings().await.unwrap();
    assert_eq!(totals.len(), 1);
    assert_eq!((totals[0].artists, totals[0].findings, totals[0].damaged), (1, 3, 2));

    // The disk has its file back; one is accepted; one was not mended.
    let by = By::named("op@test");
    let resolve = async |n: usize, how, seen| {
        db.store.resolve_finding(&by, found[n].id, how, seen).await.unwrap()
    };
    assert_eq!(resolve(1, Resolution::Accepted, Some("other")).await, Resolved::Changed);
    let seen = found[1].state.clone();
    assert_eq!(resolve(1, Resolution::Accepted, Some(&seen)).await, Resolved::These(1));
    assert_eq!(resolve(1, Resolution::Mended, None).await, Resolved::None);
    assert_eq!(resolve(2, Resolution::Mended, None).await, Resolved::These(1));
    let (_, accepted) = read(&db, artist, vec![c()]).await;
    assert_eq!(accepted, [Accepted { path: "songs/b.mp3".to_owned(), state: "2".to_owned() }]);
    let left = open(&db, artist).await;
    assert_eq!(left.len(), 1);
    assert_ne!(left[0].id, found[2].id, "found anew");
    let clean = "SELECT resolution FROM verify_findings WHERE path = 'songs/a.mp3'";
    assert_eq!(db.sql(clean).await.unwrap(), "clean");
    let (_, accepted) = read(&db, artist, vec![c()]).await;
    assert_eq!(accepted, [], "told once");
    let audited = "SELECT count(*) FROM audit_log WHERE action = 'finding.resolve'";
    assert_eq!(count(&db, audited).await, 2);
    db.finish().await;
}

#[tokio::test]
async fn a_move_resolves_no_finding() {
    let db = Db::start("verify_moved").await;
    let artist = db.artists(1, 1, MIB).await[0];
    read(&db, artist, vec![finding("songs/a.mp3", FindingKind::Corrupt, "1")]).await;
    db.queue_one(artist, 2).await;
    db.work_off().await;
    read(&db, artist, Vec::new()).await;
    let left = open(&db, artist).await;
    assert_eq!(left.len(), 1, "the move took the damaged file along");
    assert_eq!(left[0].home_id, db.servers[2].0);
    assert_eq!(left[0].server_id, db.servers[1].0);
    db.finish().await;
}

#[tokio::test]
async fn turns_are_given_out_once_by_however_many_and_never_in_a_flood() {
    let db = Db::start("verify_turns").await;
    let artists = db.artists(1, 300, MIB).await;
    let give = async |db: &Db| {
        let all = (0..4).map(|_| db.store.queue_due_verifies());
        let given = futures_util::future::join_all(all).await;
        given.into_iter().map(Result::unwrap).sum::<u64>()
    };
    assert_eq!(give(&db).await, 1, "the first of many");
    assert_eq!(give(&db).await, 0);
    // Each has a turn in 6.3 days: one in about half an hour.
    let past = |s: &str| format!("UPDATE servers SET verify_given_at = now() - interval '{s}'");
    db.sql(&past("31 minutes")).await.unwrap();
    assert_eq!(give(&db).await, 1);
    db.sql(&past("5 days")).await.unwrap();
    assert_eq!(give(&db).await, 20, "no flood after an outage");
    assert_eq!(give(&db).await, 0);
    db.work_off().await;
    assert_eq!(count(&db, "SELECT count(*) FROM artists WHERE verified_at IS NOT NULL").await, 22);
    assert_eq!(count(&db, "SELECT count(*) FROM batches").await, 0);

    // Who was verified in these days waits; nobody else is left.
    db.sql("UPDATE artists SET verify_queued_at = now()").await.unwrap();
    db.sql(&past("5 days")).await.unwrap();
    assert_eq!(give(&db).await, 0);
    let old = "UPDATE artists SET verify_queued_at = now() - interval '8 days' WHERE id = ";
    db.sql(&format!("{old}'{}'", artists[7])).await.unwrap();
    db.sql(&past("5 days")).await.unwrap();
    assert_eq!(give(&db).await, 1);
    assert!(db.store.open_verify(artists[7]).await.unwrap().is_some());

    db.sql("UPDATE artists SET verify_queued_at = NULL").await.unwrap();
    db.store
        .change_cluster_settings(&By::named("op@test"), |s| s.verify_every_days = 0)
        .await
        .unwrap();
    db.sql(&past("5 days")).await.unwrap();
    assert_eq!(give(&db).await, 0, "never by itself");
    db.finish().await;
}

#[tokio::test]
async fn a_verify_follows_its_artist_and_is_retried_only_alone() {
    let db = Db::start("verify_follows").await;
    let artist = db.artists(1, 1, MIB).await[0];
    let which = request(VerifyWhich::Artists(vec![artist]));
    ask(&db, &which).await;
    db.sql(&format!("UPDATE artists SET server_id = '{}'", db.servers[2])).await.unwrap();
    let strayed = db.store.strayed_jobs(10).await.unwrap();
    assert_eq!(strayed.len(), 1);
    let (job_id, home) = strayed[0];
    assert_eq!(home, db.servers[2]);
    let person = |input| Told { job_id, input, by: Teller::Person(By::named("op@test")) };
    db.tell(&[person(Input::Cancel)]).await;
    assert_eq!(db.state(job_id).await, "cancelled");
    assert_eq!(ask(&db, &which).await.accepted, 1);
    let refused = db.tell(&[person(Input::Retry)]).await;
    assert_eq!(refused[0], Err(InputError::VerifyHeld));
    db.finish().await;
}

#[tokio::test]
async fn a_key_counts_once_and_for_one_request() {
    let db = Db::start("verify_key").await;
    db.artists(1, 3, MIB).await;
    let account = Uuid::new_v4();
    db.sql(&format!(
        "INSERT INTO accounts (id, email, password_hash, role) \
         VALUES ('{account}', 'op@test', 'x', 'operator')"
    ))
    .await
    .unwrap();
    let by = By { account_id: Some(account), ..By::named("op@test") };
    let all = VerifyRequest { by, ..request(VerifyWhich::All) };
    let first = db.store.enqueue_verify(&all, Some(("k", b"hash"))).await.unwrap();
    assert!(matches!(&first, VerifyOnce::Answer(a) if a.accepted == 3), "{first:?}");
    let again = db.store.enqueue_verify(&all, Some(("k", b"hash"))).await.unwrap();
    assert_eq!(again, first);
    let other = db.store.enqueue_verify(&all, Some(("k", b"other"))).await.unwrap();
    assert_eq!(other, VerifyOnce::Conflict);
    assert_eq!(count(&db, "SELECT count(*) FROM batches").await, 1);
    db.finish().await;
}
