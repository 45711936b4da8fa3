//! Doctor, declare, and what the users of a declared broker may do.

use crate::rabbit::{Rabbit, connect, until_depth};
use tourbus_broker::testing::{Attempt, Raw};
use tourbus_domain::Lane;
use tourbus_protocol::names::{
    self, DEAD_EXCHANGE, DEAD_QUEUE, EVENTS_EXCHANGE, EVENTS_QUEUE, WORK_EXCHANGE,
};
use tourbus_topology::{
    Change, Password, Topology, add_server, password_hash, remove_server, server_user,
};

/// A request to the management API as its administrator, for doing damage.
async fn damage(rabbit: &Rabbit, method: &str, path: &str, body: &str) {
    use secrecy::ExposeSecret;
    let management = &rabbit.config.management;
    let response = tourbus_http::plain()
        .unwrap()
        .build()
        .unwrap()
        .request(method.parse().unwrap(), format!("{}/api/{path}", management.url))
        .basic_auth(&management.user, Some(management.password.expose_secret()))
        .header("content-type", "application/json")
        .body(body.to_owned())
        .send()
        .await
        .unwrap();
    assert!(response.status().is_success(), "{method} {path}: {}", response.status());
}

async fn whats(rabbit: &Rabbit, topology: &Topology) -> Vec<String> {
    let differences = topology.doctor(&rabbit.api).await.unwrap();
    for difference in &differences {
        assert!(!difference.remedy.is_empty(), "{difference}");
    }
    differences.into_iter().map(|d| d.what).collect()
}

#[tokio::test]
async fn declare_builds_everything_and_doctor_finds_nothing() {
    let rabbit = Rabbit::bare();
    let missing = whats(&rabbit, &rabbit.topology).await;
    assert!(missing.contains(&format!("virtual host {}", rabbit.vhost())), "{missing:?}");
    let changes = rabbit.topology.declare(&rabbit.api).await.unwrap();
    assert!(changes.iter().all(|c| !c.is_left()), "{changes:?}");
    assert_eq!(whats(&rabbit, &rabbit.topology).await, [""; 0]);
    assert_eq!(rabbit.topology.declare(&rabbit.api).await.unwrap(), []);
    rabbit.finish().await;
}

#[tokio::test]
async fn each_damage_is_named_and_mended() {
    let rabbit = Rabbit::start().await;
    let v = rabbit.vhost().to_owned();
    let server = rabbit.servers[0].clone();
    let (user, lane) = (server_user(&server), rabbit.lane(Lane::Export));
    let key = names::work_key(&server, Lane::Export);
    let policy = r#"{"pattern": "^tourbus", "definition": {"delivery-limit": 3}}"#;
    let all = r#"{"configure": ".*", "write": ".*", "read": ".*"}"#;
    let damages = [
        (
            "DELETE",
            format!("exchanges/{v}/{DEAD_EXCHANGE}"),
            "",
            "exchange tourbus.dead".to_owned(),
        ),
        ("DELETE", format!("queues/{v}/{lane}"), "", format!("queue {lane}")),
        (
            "DELETE",
            format!("bindings/{v}/e/{WORK_EXCHANGE}/q/{lane}/{key}"),
            "",
            format!("binding {WORK_EXCHANGE} --{key}--> {lane}"),
        ),
        ("DELETE", format!("policies/{v}/tourbus.lanes"), "", "policy tourbus.lanes".to_owned()),
        ("PUT", format!("policies/{v}/tourbus.lanes"), policy, "policy tourbus.lanes".to_owned()),
        ("PUT", format!("policies/{v}/tourbus.old"), policy, "policy tourbus.old".to_owned()),
        ("DELETE", format!("permissions/{v}/{user}"), "", format!("permission of {user}")),
        ("PUT", format!("permissions/{v}/{user}"), all, format!("permission of {user}")),
        (
            "DELETE",
            format!("topic-permissions/{v}/{user}"),
            "",
            format!("topic permission of {user} on {EVENTS_EXCHANGE}"),
        ),
        (
            "PUT",
            format!("users/{user}"),
            r#"{"password": "x", "tags": ""}"#,
            format!("user {user}"),
        ),
        ("DELETE", format!("users/{user}"), "", format!("user {user}")),
        (
            "POST",
            format!("bindings/{v}/e/{EVENTS_EXCHANGE}/q/{DEAD_QUEUE}"),
            r##"{"routing_key": "#", "arguments": {}}"##,
            format!("binding {EVENTS_EXCHANGE} --#--> {DEAD_QUEUE}"),
        ),
    ];
    for (method, path, body, what) in damages {
        damage(&rabbit, method, &path, body).await;
        let found = whats(&rabbit, &rabbit.topology).await;
        assert!(found.contains(&what), "after {method} {path}: {found:?}");
        let changes = rabbit.topology.declare(&rabbit.api).await.unwrap();
        assert!(changes.iter().all(|c| !c.is_left()), "{changes:?}");
        assert_eq!(whats(&rabbit, &rabbit.topology).await, [""; 0], "after {method} {path}");
    }
    rabbit.finish().await;
}

#[tokio::test]
async fn a_queue_of_the_wrong_type_is_left_to_a_person() {
    let rabbit = Rabbit::start().await;
    let (v, lane) = (rabbit.vhost(), rabbit.lane(Lane::Lofi));
    damage(&rabbit, "DELETE", &format!("queues/{v}/{lane}"), "").await;
    damage(&rabbit, "PUT", &format!("queues/{v}/{lane}"), r#"{"durable": true}"#).await;
    let changes = rabbit.topology.declare(&rabbit.api).await.unwrap();
    let left: Vec<&Change> = changes.iter().filter(|c| c.is_left()).collect();
    assert_eq!(left.len(), 1, "{changes:?}");
    let text = left[0].difference().to_string();
    assert!(text.contains(&lane) && text.contains("classic") && text.contains("by hand"), "{text}");
    let differences = rabbit.topology.doctor(&rabbit.api).await.unwrap();
    assert!(differences.len() == 1 && differences[0].is_by_hand(), "{differences:?}");
    rabbit.finish().await;
}

#[tokio::test]
async fn a_server_that_has_gone_leaves_nothing_but_its_messages() {
    let rabbit = Rabbit::start().await;
    let [first, second] = &rabbit.servers;
    let master = connect(&rabbit.coordinator()).await;
    master.publisher().publish(rabbit.work(Lane::Export, "kept")).await.unwrap();
    let without = rabbit.topology.clone().without_server(first).without_server(second);

    let changes = without.declare(&rabbit.api).await.unwrap();
    let left: Vec<String> =
        changes.iter().filter(|c| c.is_left()).map(|c| c.difference().what.clone()).collect();
    let lane = rabbit.lane(Lane::Export);
    assert_eq!(left, [format!("queue {lane}")]);
    assert_eq!(whats(&rabbit, &without).await, [format!("queue {lane}")]);
    let queues = rabbit.api.queues(rabbit.vhost()).await.unwrap();
    assert_eq!(queues.len(), 3, "{queues:?}");
    until_depth(&master, &lane, 1).await;
    let refused = Raw::connect(&rabbit.server(first)).await.map(drop).unwrap_err();
    assert!(refused.contains("ACCESS_REFUSED"), "{refused}");

    rabbit.topology.declare(&rabbit.api).await.unwrap();
    assert_eq!(whats(&rabbit, &rabbit.topology).await, [""; 0]);
    until_depth(&master, &lane, 1).await;
    master.close().await;
    rabbit.finish().await;
}

#[tokio::test]
async fn one_server_comes_and_goes_while_the_others_stay() {
    let rabbit = Rabbit::start().await;
    let (vhost, slug) = (rabbit.vhost(), format!("{}x", rabbit.servers[0]).parse().unwrap());
    let hash = password_hash(&crate::rabbit::password());
    for _ in 0..2 {
        add_server(&rabbit.api, vhost, &slug, Password::Hash(hash.clone())).await.unwrap();
        let with = rabbit.topology.clone().with_server(&slug, Password::Hash(hash.clone()));
        assert_eq!(whats(&rabbit, &with).await, [""; 0]);
    }
    let raw = Raw::connect(&rabbit.server(&slug)).await.unwrap();
    let own = names::lane_queue(&slug, Lane::Upkeep);
    assert_eq!(raw.attempt(Attempt::Get(&own)).await, Ok(()));
    for _ in 0..2 {
        remove_server(&rabbit.api, vhost, &slug).await.unwrap();
        assert_eq!(whats(&rabbit, &rabbit.topology).await, [""; 0]);
    }
    let refused = async || Raw::connect(&rabbit.server(&slug)).await.map(drop);
    assert!(refused().await.unwrap_err().contains("ACCESS_REFUSED"));
    let closed = async || raw.attempt(Attempt::Look(EVENTS_QUEUE)).await.is_err();
    crate::rabbit::until("the server's connection to close", closed, |closed| *closed).await;
    rabbit.finish().await;
}

#[tokio::test]
async fn a_server_reaches_its_own_lanes_and_nothing_else() {
    let rabbit = Rabbit::start().await;
    let [mine, other] = &rabbit.servers;
    let raw = Raw::connect(&rabbit.server(mine)).await.unwrap();
    let (me, you) = (server_user(mine), server_user(other));
    let (own, foreign) = (rabbit.lane(Lane::Export), names::lane_queue(other, Lane::Export));
    let my_event = names::event_key(mine, "started");
    let your_event = names::event_key(other, "started");
    let bare_event = format!("server.{mine}");
    let work = names::work_key(mine, Lane::Export);

    let allowed = [
        Attempt::Get(&own),
        Attempt::Consume(&own),
        Attempt::Publish(EVENTS_EXCHANGE, &my_event, &me),
        // Known and harmless: how full a queue is, anybody in the virtual host may see.
        Attempt::Look(&foreign),
    ];
    for attempt in allowed {
        assert_eq!(raw.attempt(attempt).await, Ok(()), "{attempt:?}");
    }
    let denied = [
        (403, Attempt::Get(&foreign)),
        (403, Attempt::Consume(&foreign)),
        (403, Attempt::Get(EVENTS_QUEUE)),
        (403, Attempt::Consume(DEAD_QUEUE)),
        (403, Attempt::Purge(&foreign)),
        (403, Attempt::Purge(EVENTS_QUEUE)),
        (403, Attempt::Declare("tourbus.lane.mine.export")),
        (403, Attempt::Declare("anything")),
        (403, Attempt::Delete(&own)),
        (403, Attempt::Delete(&foreign)),
        (403, Attempt::Delete(EVENTS_QUEUE)),
        (403, Attempt::Bind(&own, WORK_EXCHANGE, &work)),
        (403, Attempt::Bind(&own, EVENTS_EXCHANGE, "server.#")),
        (403, Attempt::Bind(EVENTS_QUEUE, EVENTS_EXCHANGE, "#")),
        (403, Attempt::Bind(EVENTS_QUEUE, WORK_EXCHANGE, &work)),
        (403, Attempt::Publish(WORK_EXCHANGE, &work, &me)),
        (403, Attempt::Publish(DEAD_EXCHANGE, "", &me)),
        (403, Attempt::Publish("", EVENTS_QUEUE, &me)),
        (403, Attempt::Publish("", &foreign, &me)),
        (403, Attempt::Publish(EVENTS_EXCHANGE, &your_event, &me)),
        (403, Attempt::Publish(EVENTS_EXCHANGE, &bare_event, &me)),
        (406, Attempt::Publish(EVENTS_EXCHANGE, &my_event, &you)),
    ];
    for (code, attempt) in denied {
        let answer = raw.attempt(attempt).await;
        assert_eq!(answer.as_ref().map_err(|d| d.code), Err(code), "{attempt:?}: {answer:?}");
    }
    raw.close().await;
    rabbit.finish().await;
}

#[tokio::test]
async fn the_coordinator_writes_work_reads_events_and_declares_nothing() {
    let rabbit = Rabbit::start().await;
    let raw = Raw::connect(&rabbit.coordinator()).await.unwrap();
    let me = rabbit.coordinator().user;
    let (lane, work) =
        (rabbit.lane(Lane::Export), names::work_key(&rabbit.servers[0], Lane::Export));
    let event = names::event_key(&rabbit.servers[0], "done");
    let allowed = [
        Attempt::Publish(WORK_EXCHANGE, &work, &me),
        Attempt::Get(EVENTS_QUEUE),
        Attempt::Look(&lane),
    ];
    for attempt in allowed {
        assert_eq!(raw.attempt(attempt).await, Ok(()), "{attempt:?}");
    }
    let denied = [
        Attempt::Declare("anything"),
        Attempt::Delete(EVENTS_QUEUE),
        Attempt::Get(&lane),
        Attempt::Purge(&lane),
        Attempt::Bind(EVENTS_QUEUE, WORK_EXCHANGE, &work),
        Attempt::Publish(EVENTS_EXCHANGE, &event, &me),
    ];
    for attempt in denied {
        let answer = raw.attempt(attempt).await;
        assert_eq!(answer.as_ref().map_err(|d| d.code), Err(403), "{attempt:?}: {answer:?}");
    }
    raw.close().await;
    rabbit.finish().await;
}
