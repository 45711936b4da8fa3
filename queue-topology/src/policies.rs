//! What the broker does with messages that cannot be dealt with: one policy per kind of queue.

use crate::parts::Policy;
use serde_json::{Value, json};
use tourbus_protocol::names::{DEAD_EXCHANGE, DEAD_QUEUE, EVENTS_QUEUE};

/// How often a work message may be handed back before it goes to the dead letters.
///
/// `RabbitMQ` 3.10 counts every hand-back: also that of a graceful stop, of a killed worker and of
/// a lost connection, which are nobody's fault. Retries of a failing step are counted by the
/// database, in fresh messages. So this limit must only catch a message that kills its worker
/// each time, and 20 leaves room for a rolling restart or two.
pub const LANE_DELIVERY_LIMIT: u32 = 20;

/// The same for events. The coordinator acknowledges after its transaction, and hands events back
/// whenever it is restarted or its database is away; an event must survive a long outage.
pub const EVENTS_DELIVERY_LIMIT: u32 = 1_000;

/// Dead letters are kept up to this many. Then the queues they come from keep them, for dead
/// letters are handed over at least once.
pub const DEAD_MESSAGES_MAX: u32 = 100_000;

/// Reading a dead letter in the management page hands it back, which counts; over the limit it
/// would be dropped. 3.10 has no limit by default but 4.0 has one of 20, and 3.10 knows no "none".
const DEAD_DELIVERY_LIMIT: u32 = 1_000_000;

/// Above the customary 0, so that an operator's catch-all policy does not displace ours.
pub const POLICY_PRIORITY: i64 = 100;

/// `RabbitMQ` 3.10 has no `quorum_queues` here yet.
const APPLY_TO: &str = "queues";

pub(crate) fn all() -> Vec<Policy> {
    vec![
        policy("tourbus.lanes", r"^tourbus\.lane\.", &dead_lettered(LANE_DELIVERY_LIMIT)),
        policy(EVENTS_QUEUE, r"^tourbus\.events$", &dead_lettered(EVENTS_DELIVERY_LIMIT)),
        policy(
            DEAD_QUEUE,
            r"^tourbus\.dead$",
            &json!({
                "delivery-limit": DEAD_DELIVERY_LIMIT,
                "max-length": DEAD_MESSAGES_MAX,
                "overflow": "reject-publish",
            }),
        ),
    ]
}

/// At-least-once needs `reject-publish`; without it a dead letter can be lost on its way.
fn dead_lettered(delivery_limit: u32) -> Value {
    json!({
        "delivery-limit": delivery_limit,
        "dead-letter-exchange": DEAD_EXCHANGE,
        "dead-letter-strategy": "at-least-once",
        "overflow": "reject-publish",
    })
}

fn policy(name: &str, pattern: &str, definition: &Value) -> Policy {
    Policy {
        name: name.to_owned(),
        pattern: pattern.to_owned(),
        apply_to: APPLY_TO.to_owned(),
        priority: POLICY_PRIORITY,
        definition: definition.as_object().cloned().unwrap_or_default(),
    }
}
