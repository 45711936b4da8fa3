//! Messages on a real broker that is treated badly.

use crate::rabbit::{PATIENCE, Rabbit, connect, until_depth, until_state};
use futures_util::FutureExt;
use std::collections::BTreeSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tourbus_broker::{
    Broker, BrokerState, Deliveries, Delivery, DepthError, Lost, Publication, PublishError,
};
use tourbus_domain::Lane;
use tourbus_protocol::names::{self, DEAD_QUEUE};
use uuid::Uuid;

async fn next(deliveries: &mut Deliveries) -> Delivery {
    timeout(PATIENCE, deliveries.next()).await.expect("no delivery in time").expect("no more")
}

fn body(delivery: &Delivery) -> String {
    String::from_utf8(delivery.body.clone()).unwrap()
}

fn nothing_arrives(deliveries: &mut Deliveries) -> bool {
    deliveries.next().now_or_never().is_none()
}

/// Publishes until it stands, as a relay does.
async fn insist(broker: &Broker, publication: Publication) {
    let publisher = broker.publisher();
    let publish = async || publisher.publish(publication.clone()).await;
    drop(crate::rabbit::until("a confirm", publish, Result::is_ok).await);
}

#[tokio::test]
async fn a_confirmed_message_arrives_and_is_acknowledged() {
    let rabbit = Rabbit::start().await;
    let (master, worker) =
        (connect(&rabbit.coordinator()).await, connect(&rabbit.server(&rabbit.servers[0])).await);
    let sent = rabbit.work(Lane::Export, "one");
    master.publisher().publish(sent.clone()).await.unwrap();
    until_depth(&master, &rabbit.lane(Lane::Export), 1).await;

    let mut lane = worker.consume(rabbit.lane(Lane::Export), 2, "test");
    let delivery = next(&mut lane).await;
    assert_eq!(body(&delivery), "one");
    assert_eq!(delivery.routing_key, sent.routing_key);
    assert_eq!(delivery.message_id, Some(sent.message_id.to_string()));
    assert_eq!(delivery.user_id, Some(rabbit.coordinator().user));
    assert!(!delivery.redelivered);
    delivery.ack().await.unwrap();
    lane.stop().await;
    worker.close().await;
    until_depth(&master, &rabbit.lane(Lane::Export), 0).await;
    master.close().await;
    rabbit.finish().await;
}

#[tokio::test]
async fn of_a_batch_exactly_the_unroutable_are_named() {
    let rabbit = Rabbit::start().await;
    let master = connect(&rabbit.coordinator()).await;
    let publication = |n: u32| {
        let mut publication = rabbit.work(Lane::Import, &n.to_string());
        if n % 7 == 3 {
            publication.routing_key = format!("nobody.{n}");
        }
        publication
    };
    let batch: Vec<Publication> = (0..600).map(publication).collect();
    let results = master.publisher().publish_all(batch.clone()).await;
    assert_eq!(results.len(), batch.len());
    for (n, (publication, result)) in batch.iter().zip(&results).enumerate() {
        let expected = if n % 7 == 3 {
            Err(PublishError::Unroutable {
                exchange: publication.exchange.clone(),
                routing_key: publication.routing_key.clone(),
            })
        } else {
            Ok(())
        };
        assert_eq!(*result, expected, "publication {n}");
    }
    let routed = results.iter().filter(|r| r.is_ok()).count();
    until_depth(&master, &rabbit.lane(Lane::Import), routed as u32).await;
    master.close().await;
    rabbit.finish().await;
}

#[tokio::test]
async fn what_the_broker_forbids_is_refused_and_harms_no_other() {
    let rabbit = Rabbit::start().await;
    let [mine, other] = &rabbit.servers;
    let worker = connect(&rabbit.server(mine)).await;
    let event = |server| Publication {
        exchange: names::EVENTS_EXCHANGE.to_owned(),
        routing_key: names::event_key(server, "started"),
        body: b"{}".to_vec(),
        message_id: Uuid::now_v7(),
        kind: "started",
    };
    let publisher = worker.publisher();
    for _ in 0..3 {
        let forged = publisher.publish(event(other)).await;
        assert!(matches!(&forged, Err(PublishError::Refused { .. })), "{forged:?}");
        publisher.publish(event(mine)).await.unwrap();
    }
    let mut large = event(mine);
    large.body = vec![b' '; tourbus_broker::limits::BODY_BYTES_MAX + 1];
    let bytes = large.body.len();
    assert_eq!(publisher.publish(large).await, Err(PublishError::TooLarge { bytes }));
    worker.close().await;
    rabbit.finish().await;
}

#[tokio::test]
async fn publishing_and_consuming_go_on_over_closed_connections() {
    let rabbit = Rabbit::start().await;
    let server = rabbit.server(&rabbit.servers[0]);
    let (master, worker) = (connect(&rabbit.coordinator()).await, connect(&server).await);
    let mut lane = worker.consume(rabbit.lane(Lane::Upkeep), 4, "test");
    let mut seen = BTreeSet::new();
    for round in 0..3 {
        for n in 0..20 {
            insist(&master, rabbit.work(Lane::Upkeep, &format!("{round}-{n}"))).await;
            if n == 7 {
                rabbit.close_connections_of(&server.user).await;
                rabbit.close_connections_of(&rabbit.coordinator().user).await;
            }
        }
        while seen.len() < 20 * (round + 1) {
            let delivery = next(&mut lane).await;
            let what = body(&delivery);
            if delivery.ack().await.is_ok() {
                seen.insert(what);
            }
        }
    }
    until_depth(&master, &rabbit.lane(Lane::Upkeep), 0).await;
    until_state(&worker, |s| *s == BrokerState::Connected).await;
    lane.stop().await;
    worker.close().await;
    master.close().await;
    rabbit.finish().await;
}

#[tokio::test]
async fn a_delivery_of_a_lost_channel_cannot_be_acknowledged_and_comes_again() {
    let rabbit = Rabbit::start().await;
    let server = rabbit.server(&rabbit.servers[0]);
    let (master, worker) = (connect(&rabbit.coordinator()).await, connect(&server).await);
    let mut lane = worker.consume(rabbit.lane(Lane::Export), 1, "test");
    master.publisher().publish(rabbit.work(Lane::Export, "held")).await.unwrap();
    let held = next(&mut lane).await;
    rabbit.close_connections_of(&server.user).await;
    let again = next(&mut lane).await;
    assert_eq!(body(&again), "held");
    assert!(again.redelivered && again.delivery_count >= 1, "{again:?}");
    assert!(!held.is_live());
    assert_eq!(held.ack().await, Err(Lost));
    again.ack().await.unwrap();
    assert!(nothing_arrives(&mut lane));
    until_depth(&master, &rabbit.lane(Lane::Export), 0).await;
    worker.close().await;
    master.close().await;
    rabbit.finish().await;
}

#[tokio::test]
async fn a_consumer_outlives_its_queue_and_says_what_is_missing() {
    let rabbit = Rabbit::start().await;
    let queue = rabbit.lane(Lane::Express);
    let (master, worker) =
        (connect(&rabbit.coordinator()).await, connect(&rabbit.server(&rabbit.servers[0])).await);
    let mut lane = worker.consume(&queue, 1, "test");
    until_state(&worker, |s| *s == BrokerState::Connected).await;

    rabbit.api.delete_queue(rabbit.vhost(), &queue).await.unwrap();
    let missing = |s: &BrokerState| {
        matches!(s, BrokerState::Connecting { reason }
            if reason.contains(&queue) && reason.contains("tourbus topology declare"))
    };
    until_state(&worker, missing).await;
    assert_eq!(worker.depth(&queue).await, Err(DepthError::NoQueue { queue: queue.clone() }));
    let lost = master.publisher().publish(rabbit.work(Lane::Express, "x")).await;
    assert!(matches!(&lost, Err(PublishError::Unroutable { .. })), "{lost:?}");

    rabbit.topology.declare(&rabbit.api).await.unwrap();
    insist(&master, rabbit.work(Lane::Express, "after")).await;
    let delivery = next(&mut lane).await;
    assert_eq!(body(&delivery), "after");
    delivery.ack().await.unwrap();
    until_state(&worker, |s| *s == BrokerState::Connected).await;
    worker.close().await;
    master.close().await;
    rabbit.finish().await;
}

#[tokio::test]
async fn prefetch_bounds_what_is_in_hand() {
    let rabbit = Rabbit::start().await;
    let (master, worker) =
        (connect(&rabbit.coordinator()).await, connect(&rabbit.server(&rabbit.servers[0])).await);
    let batch = (0..10).map(|n| rabbit.work(Lane::Import, &n.to_string())).collect();
    assert!(master.publisher().publish_all(batch).await.iter().all(Result::is_ok));
    let mut lane = worker.consume(rabbit.lane(Lane::Import), 3, "test");
    let mut held = vec![next(&mut lane).await, next(&mut lane).await, next(&mut lane).await];
    until_depth(&master, &rabbit.lane(Lane::Import), 7).await;
    assert!(nothing_arrives(&mut lane));
    held.remove(0).ack().await.unwrap();
    assert_eq!(body(&next(&mut lane).await), "3");
    worker.close().await;
    master.close().await;
    rabbit.finish().await;
}

#[tokio::test]
async fn after_stop_deliveries_in_hand_are_acknowledged_and_the_rest_is_handed_back() {
    let rabbit = Rabbit::start().await;
    let queue = rabbit.lane(Lane::Export);
    let (master, worker) =
        (connect(&rabbit.coordinator()).await, connect(&rabbit.server(&rabbit.servers[0])).await);
    let batch = (0..5).map(|n| rabbit.work(Lane::Export, &n.to_string())).collect();
    assert!(master.publisher().publish_all(batch).await.iter().all(Result::is_ok));
    let mut lane = worker.consume(&queue, 4, "test");
    let in_hand = next(&mut lane).await;
    let dropped = next(&mut lane).await;
    lane.stop().await;
    assert!(lane.next().await.is_none());
    until_depth(&master, &queue, 3).await;
    assert!(in_hand.is_live());
    in_hand.ack().await.unwrap();
    drop(dropped);
    until_depth(&master, &queue, 4).await;
    worker.close().await;
    master.close().await;
    rabbit.finish().await;
}

#[tokio::test]
async fn refused_and_spent_messages_go_to_the_dead_letters() {
    let rabbit = Rabbit::start().await;
    let (master, worker) =
        (connect(&rabbit.coordinator()).await, connect(&rabbit.server(&rabbit.servers[0])).await);
    let mut lane = worker.consume(rabbit.lane(Lane::Export), 1, "test");
    insist(&master, rabbit.work(Lane::Export, "refused")).await;
    next(&mut lane).await.reject().await.unwrap();
    until_depth(&master, DEAD_QUEUE, 1).await;

    insist(&master, rabbit.work(Lane::Export, "spent")).await;
    for hand_back in 0..=u64::from(tourbus_topology::LANE_DELIVERY_LIMIT) {
        let delivery = next(&mut lane).await;
        assert_eq!(delivery.delivery_count, hand_back);
        delivery.requeue().await.unwrap();
    }
    until_depth(&master, DEAD_QUEUE, 2).await;
    let dead = rabbit.api.peek(rabbit.vhost(), DEAD_QUEUE, 10).await.unwrap();
    assert_eq!(dead, ["refused", "spent"]);
    assert!(nothing_arrives(&mut lane));
    worker.close().await;
    master.close().await;
    rabbit.finish().await;
}

#[tokio::test]
async fn a_wrong_password_is_told_and_mended_without_a_restart() {
    let rabbit = Rabbit::start().await;
    let mut config = rabbit.coordinator();
    config.password = "another-password".into();
    let broker = Broker::start(&config, "test", CancellationToken::new());
    let refused = |s: &BrokerState| matches!(s, BrokerState::Connecting { reason } if reason.contains("ACCESS_REFUSED"));
    until_state(&broker, refused).await;
    let mut other = rabbit.config.clone();
    other.coordinator.password = config.password.clone();
    let changes = tourbus_topology::Topology::new(&other).declare(&rabbit.api).await.unwrap();
    assert_eq!(changes.len(), 1, "{changes:?}");
    until_state(&broker, |s| *s == BrokerState::Connected).await;
    broker.close().await;
    rabbit.finish().await;
}

#[tokio::test]
async fn shutdown_ends_everything_and_hangs_nobody() {
    let rabbit = Rabbit::start().await;
    let shutdown = CancellationToken::new();
    let broker = Broker::start(&rabbit.server(&rabbit.servers[0]), "test", shutdown.clone());
    let mut lane = broker.consume(rabbit.lane(Lane::Export), 1, "test");
    let master = connect(&rabbit.coordinator()).await;
    insist(&master, rabbit.work(Lane::Export, "held")).await;
    let held = next(&mut lane).await;
    shutdown.cancel();
    assert!(timeout(PATIENCE, lane.next()).await.unwrap().is_none());
    broker.close().await;
    assert_eq!(held.ack().await, Err(Lost));
    let refused = broker.publisher().publish(rabbit.work(Lane::Export, "late")).await;
    assert!(matches!(&refused, Err(PublishError::Disconnected { .. })), "{refused:?}");
    assert!(broker.depth("any").await.is_err());
    until_depth(&master, &rabbit.lane(Lane::Export), 1).await;
    master.close().await;
    rabbit.finish().await;
}
