//! What the broker notes on a message that it takes off a queue for good (`x-death`).

use lapin::types::{AMQPValue, FieldTable};

/// How a message died: once for each queue and reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    /// The queue that it was taken off.
    pub queue: String,
    /// The broker's word for it: `rejected`, `delivery_limit`, `expired` or `maxlen`.
    pub reason: String,
    /// How often.
    pub count: u64,
    /// When first, in seconds since 1970; 0 if the broker does not say.
    pub at_s: u64,
}

/// Every death, the latest first, as the broker orders them.
pub(crate) fn all(headers: &FieldTable) -> Vec<Death> {
    let Some(AMQPValue::FieldArray(deaths)) = headers.inner().get("x-death") else {
        return Vec::new();
    };
    let tables = deaths.as_slice().iter().filter_map(|d| match d {
        AMQPValue::FieldTable(table) => Some(table),
        _ => None,
    });
    tables.map(one).collect()
}

fn one(table: &FieldTable) -> Death {
    let get = |key: &str| table.inner().get(key);
    let text = |key: &str| get(key).map(text).unwrap_or_default();
    let at_s = match get("time") {
        Some(AMQPValue::Timestamp(at)) => *at,
        _ => 0,
    };
    let count = get("count").and_then(AMQPValue::as_long_long_int);
    Death {
        queue: text("queue"),
        reason: text("reason"),
        count: count.and_then(|c| u64::try_from(c).ok()).unwrap_or(1),
        at_s,
    }
}

fn text(value: &AMQPValue) -> String {
    match value {
        AMQPValue::LongString(text) => String::from_utf8_lossy(text.as_bytes()).into_owned(),
        AMQPValue::ShortString(text) => text.to_string(),
        _ => String::new(),
    }
}
