//! What somebody with one server's whole disk can do to the others: the keys used here are those
//! in the configuration files of real processes.

use chrono::{TimeDelta, Utc};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::{path::Path, time::Duration};
use tokio_util::sync::CancellationToken;
use tourbus_broker::{
    Broker, Publication,
    testing::{Attempt, Raw},
};
use tourbus_config::{CoordinatorConfig, WorkerConfig};
use tourbus_domain::{
    ErrorClass, JobError, JobId, Lane, Slug, StepKey, StepKind, StepRef, StepResult,
};
use tourbus_protocol::{
    Event, EventBody, SignedWork, Signer, Work,
    names::{self, DEAD_EXCHANGE, DEAD_QUEUE, EVENTS_EXCHANGE, EVENTS_QUEUE, WORK_EXCHANGE},
};
use tourbus_tests::{support::Cluster, tree, wait};
use uuid::Uuid;

const MINUTE: Duration = Duration::from_secs(60);

fn small(root: &Path) -> std::io::Result<()> {
    tree::plain(root, 4, 2, 30_000)
}

fn slug(text: &str) -> Slug {
    text.parse().unwrap()
}

/// The master's first private key.
pub fn signer(cluster: &Cluster) -> Signer {
    let config: CoordinatorConfig = cluster.config_of("coordinator");
    signer_of(config.signing_key.expose_secret())
}

/// A private key in hex.
pub fn signer_of(hex: &str) -> Signer {
    let mut key = [0; 32];
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap();
    }
    Signer::from_bytes(&key)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_credentials_of_one_server_open_nothing_of_another() {
    let cluster = Cluster::start("one_key").await;
    let mine: WorkerConfig = cluster.config_of("worker-server2-1");
    let raw = Raw::connect(&mine.broker).await.unwrap();
    let me = names::broker_user(&mine.server);
    let master = slug("master");
    let foreign = |lane| names::lane_queue(&master, lane);
    let master_user = names::broker_user(&master);
    let event_of_master = names::event_key(&master, "done");
    let my_event = names::event_key(&mine.server, "done");
    let (work, upkeep) = (names::work_key(&mine.server, Lane::Export), "master.upkeep");
    let mut denied = vec![
        (403, Attempt::Publish(EVENTS_EXCHANGE, &event_of_master, &me)),
        (403, Attempt::Publish(EVENTS_EXCHANGE, "server.server22.done", &me)),
        (403, Attempt::Publish(EVENTS_EXCHANGE, "done", &me)),
        (406, Attempt::Publish(EVENTS_EXCHANGE, &my_event, &master_user)),
        (403, Attempt::Publish(WORK_EXCHANGE, &work, &me)),
        (403, Attempt::Publish(WORK_EXCHANGE, upkeep, &me)),
        (403, Attempt::Publish(DEAD_EXCHANGE, "", &me)),
        (403, Attempt::Publish("", EVENTS_QUEUE, &me)),
        (403, Attempt::Publish("amq.topic", "anything", &me)),
        (403, Attempt::Declare("mine")),
        (403, Attempt::DeclareExchange("mine")),
        (403, Attempt::BindExchange(EVENTS_EXCHANGE, WORK_EXCHANGE)),
        (403, Attempt::BindExchange("amq.topic", EVENTS_EXCHANGE)),
    ];
    for exchange in [WORK_EXCHANGE, EVENTS_EXCHANGE, DEAD_EXCHANGE] {
        denied.push((403, Attempt::DeclareExchange(exchange)));
        denied.push((403, Attempt::DeleteExchange(exchange)));
    }
    let own: Vec<String> = Lane::ALL.map(|l| names::lane_queue(&mine.server, l)).into();
    let others: Vec<String> = Lane::ALL.map(foreign).into();
    for queue in others.iter().map(String::as_str).chain([EVENTS_QUEUE, DEAD_QUEUE]) {
        denied.push((403, Attempt::Get(queue)));
        denied.push((403, Attempt::Consume(queue)));
        denied.push((403, Attempt::Purge(queue)));
    }
    for queue in own.iter().chain(&others).map(String::as_str).chain([EVENTS_QUEUE, DEAD_QUEUE]) {
        denied.push((403, Attempt::Declare(queue)));
        denied.push((403, Attempt::Delete(queue)));
        denied.push((403, Attempt::Bind(queue, WORK_EXCHANGE, "master.export")));
        denied.push((403, Attempt::Bind(queue, EVENTS_EXCHANGE, "#")));
        denied.push((403, Attempt::Publish("", queue, &me)));
    }
    for (code, attempt) in denied {
        let answer = raw.attempt(attempt).await;
        assert_eq!(answer.as_ref().map_err(|d| d.code), Err(code), "{attempt:?}: {answer:?}");
    }
    raw.close().await;
    let mut foreign_vhost = mine.broker.clone();
    foreign_vhost.vhost = "/".to_owned();
    let refused = Raw::connect(&foreign_vhost).await.map(drop).unwrap_err();
    assert!(refused.contains("refused") || refused.contains("NOT_ALLOWED"), "{refused}");
    the_management_api_is_closed(&cluster, &mine).await;
    cluster.finish().await;
}

async fn the_management_api_is_closed(cluster: &Cluster, mine: &WorkerConfig) {
    let http = tourbus_http::plain().unwrap().build().unwrap();
    for path in ["whoami", "queues", "users", "definitions", "connections"] {
        let url = format!("{}/api/{path}", cluster.management_url());
        let password = mine.broker.password.expose_secret();
        let request = http.get(url).basic_auth(&mine.broker.user, Some(password));
        assert_eq!(request.send().await.unwrap().status(), 401, "{path}");
    }
}

/// Publishes as a server's worker does.
async fn tell(broker: &Broker, as_server: &Slug, event: &Event) {
    let publication = Publication {
        exchange: EVENTS_EXCHANGE.to_owned(),
        routing_key: names::event_key(as_server, event.body.name()),
        body: serde_json::to_vec(event).unwrap(),
        message_id: event.id,
        kind: "event",
    };
    broker.publisher().publish(publication).await.unwrap();
}

fn event(server: &Slug, body: EventBody) -> Event {
    let worker = format!("{server}-1");
    Event { id: Uuid::now_v7(), server: server.clone(), worker, at: Utc::now(), trace: None, body }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_speaks_for_itself_only() {
    let cluster = Cluster::start("speaks").await;
    let mine: WorkerConfig = cluster.config_of("worker-server3-1");
    let broker = Broker::start(&mine.broker, "intruder", CancellationToken::new());
    let artist = cluster.add_artist("master", small).await;
    let hold = cluster.hold("export.walked");
    let batch = cluster.move_all(std::slice::from_ref(&artist), "server2").await;
    hold.reached().await;

    let id: JobId = cluster.jobs(&batch).await[0]["id"].as_str().unwrap().parse().unwrap();
    let key = StepKey { kind: StepKind::Export, seq: 0 };
    // Every epoch that the step may have: the intruder need not guess.
    for epoch in 1..=3 {
        let step = StepRef { job_id: id, key, epoch };
        let error = JobError::new(ErrorClass::Permanent, "made_up", "made up", "none");
        let failed = EventBody::Failed { step, error };
        let done = EventBody::Done { step, result: StepResult::Export { segments: Vec::new() } };
        for body in [failed, done] {
            // In its own name about another's step, and in the other's name.
            tell(&broker, &mine.server, &event(&mine.server, body.clone())).await;
            tell(&broker, &mine.server, &event(&slug("master"), body)).await;
        }
    }
    wait::until("refused events", MINUTE, || cluster.dead_letters(), |n| *n == 12).await;
    let job = cluster.jobs(&batch).await.remove(0);
    assert_eq!((&job["state"], &job["error"]), (&json!("copying"), &Value::Null), "{job}");
    hold.release();
    cluster.wait_batch(&batch, MINUTE).await;
    assert_eq!(cluster.jobs(&batch).await[0]["state"], "succeeded");
    assert_eq!(cluster.home(&artist).await, "server2");
    broker.close().await;
    cluster.finish().await;
}

/// The work inside a message.
fn work_in(message: &str) -> (SignedWork, Work) {
    let signed: SignedWork = serde_json::from_str(message).unwrap();
    let work = serde_json::from_str(&signed.work).unwrap();
    (signed, work)
}

/// Messages that a worker must not obey, each made from an honest one.
fn forgeries(message: &str, master: &Signer) -> Vec<(&'static str, String)> {
    let (signed, work) = work_in(message);
    let text = |body: Vec<u8>| String::from_utf8(body).unwrap();
    let sign = |signer: &Signer, change: &dyn Fn(&mut Work)| {
        let mut changed = work.clone();
        // A job of its own, so that obeying it could be seen.
        changed.job_id = JobId::new();
        change(&mut changed);
        text(signer.sign(&changed).unwrap())
    };
    let with = |change: &dyn Fn(&mut SignedWork)| {
        let mut changed = signed.clone();
        change(&mut changed);
        serde_json::to_string(&changed).unwrap()
    };
    let own_words = |work: &Work| serde_json::to_string(work).unwrap();
    let other_job = {
        let mut changed = work.clone();
        changed.job_id = JobId::new();
        own_words(&changed)
    };
    let foreign = Signer::from_bytes(&[9; 32]);
    let impostor = {
        let foreign: SignedWork = serde_json::from_str(&sign(&foreign, &|_| ())).unwrap();
        with(&|s| (s.work, s.signature) = (foreign.work.clone(), foreign.signature.clone()))
    };
    vec![
        ("bare work", own_words(&work)),
        ("no signature", with(&|s| s.signature = String::new())),
        ("altered text", with(&|s| s.work.clone_from(&other_job))),
        ("one more space", with(&|s| s.work.push(' '))),
        ("a foreign key", sign(&foreign, &|_| ())),
        ("a foreign key under the master's name", impostor),
        ("another server's", sign(master, &|w| w.server = slug("server3"))),
        ("expired", sign(master, &|w| w.expires_at = Utc::now() - TimeDelta::seconds(1))),
        (
            "from the future",
            sign(master, &|w| {
                w.issued_at = Utc::now() + TimeDelta::hours(1);
                w.expires_at = Utc::now() + TimeDelta::hours(2);
            }),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_obeys_the_masters_fresh_word_and_nothing_else() {
    let cluster = Cluster::start("obeys").await;
    let master = signer(&cluster);
    // Nobody takes the export: its message can be seen on its lane.
    cluster.set_export_slots("worker-server2-1", 0).await;
    let artist = cluster.add_artist("server2", small).await;
    let before = cluster.snapshot("server2", &artist);
    let batch = cluster.move_all(std::slice::from_ref(&artist), "server3").await;
    let depth = || cluster.messages_on("server2", "export");
    wait::until("the export on its lane", MINUTE, depth, |n| *n == 1).await;
    let message = cluster.first_message_on("server2", "export").await;

    // On the lane where they might be obeyed, on the lane that is consumed at this moment, and,
    // for the message of another server, in the wrong place.
    let mut dead = 0;
    for (what, forged) in forgeries(&message, &master) {
        cluster.publish_raw("server2.upkeep", &forged).await;
        dead += 1;
        wait::until(what, MINUTE, || cluster.dead_letters(), |n| *n == dead).await;
        cluster.publish_raw("server2.export", &forged).await;
    }
    cluster.publish_raw("server3.export", &message).await;
    cluster.set_export_slots("worker-server2-1", 2).await;
    cluster.wait_batch(&batch, MINUTE).await;
    assert_eq!(cluster.jobs(&batch).await[0]["state"], "succeeded");
    tree::assert_equal(&before, &cluster.snapshot("server3", &artist), "the moved tree");
    let all = 2 * dead + 1;
    wait::until("every forgery refused", MINUTE, || cluster.dead_letters(), |n| *n == all).await;

    // What has been obeyed once is stale: acknowledged, not refused, and without effect.
    let (_, work) = work_in(&message);
    let older = Work { id: Uuid::now_v7(), epoch: 0, ..work.clone() };
    let again = Work { id: Uuid::now_v7(), issued_at: Utc::now(), ..work.clone() };
    let stale = [older, again].map(|w| String::from_utf8(master.sign(&w).unwrap()).unwrap());
    for stale in stale.iter().chain([&message]) {
        cluster.publish_raw("server2.export", stale).await;
    }
    cluster.no_leftovers().await;
    assert_eq!(cluster.dead_letters().await, all);
    assert_eq!(cluster.home(&artist).await, "server3");
    assert!(!cluster.tree("server2", &artist).exists(), "the old copy came back");
    let jobs = std::fs::read_dir(cluster.hidden("server2", "jobs")).unwrap().count();
    assert_eq!(jobs, 0, "a forged or stale message left a job behind");

    let next = cluster.add_artist("server2", small).await;
    let batch = cluster.move_all(std::slice::from_ref(&next), "master").await;
    cluster.wait_batch(&batch, MINUTE).await;
    assert_eq!(cluster.home(&next).await, "master");
    cluster.finish().await;
}
