//! Who may do what: the least that works.
//!
//! Consuming asks for `read` on the queue, publishing for `write` on the exchange; the topic
//! permission narrows the routing key. Looking at a queue's depth (a passive declare) asks for
//! nothing but access to the virtual host.

use crate::parts::{Permission, TopicPermission};
use tourbus_domain::{Lane, Slug};
use tourbus_protocol::names::{self, DEAD_QUEUE, EVENTS_EXCHANGE, EVENTS_QUEUE, WORK_EXCHANGE};

/// Matches no name: every expression of ours is anchored, and no name is empty. (The default
/// exchange is called `amq.default` here.)
const NOTHING: &str = "^$";

/// Writes work, reads events and dead letters.
pub(crate) fn coordinator(user: &str) -> Permission {
    Permission {
        user: user.to_owned(),
        configure: NOTHING.to_owned(),
        write: exactly(WORK_EXCHANGE),
        read: format!("^({}|{})$", escape(EVENTS_QUEUE), escape(DEAD_QUEUE)),
    }
}

/// Reads its own lanes, writes events.
///
/// `write` also covers the *queue* `tourbus.events`, for names are shared; alone that allows
/// nothing, because binding a queue asks for `read` on the exchange too.
pub(crate) fn server(slug: &Slug) -> Permission {
    let lanes: Vec<String> =
        Lane::ALL.iter().map(|lane| escape(&names::lane_queue(slug, *lane))).collect();
    Permission {
        user: names::broker_user(slug),
        configure: NOTHING.to_owned(),
        write: exactly(EVENTS_EXCHANGE),
        read: format!("^({})$", lanes.join("|")),
    }
}

/// Publishes events under its own slug only; the final dot keeps `server2` from `server22`.
pub(crate) fn server_topic(slug: &Slug) -> TopicPermission {
    TopicPermission {
        user: names::broker_user(slug),
        exchange: EVENTS_EXCHANGE.to_owned(),
        write: format!("^{}", escape(&names::event_key(slug, ""))),
        read: NOTHING.to_owned(),
    }
}

fn exactly(name: &str) -> String {
    format!("^{}$", escape(name))
}

/// Makes a name stand for itself in a regular expression (PCRE). A hyphen means something only
/// inside brackets, and these expressions have none.
fn escape(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 8);
    for c in name.chars() {
        if !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_')) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_anchored_and_escaped() {
        let slug: Slug = "server2".parse().unwrap();
        let permission = server(&slug);
        assert!(permission.read.starts_with(r"^(tourbus\.lane\.server2\.express|"));
        assert!(permission.read.ends_with(")$"));
        assert_eq!(server_topic(&slug).write, r"^server\.server2\.");
        assert_eq!(escape("a.b*c"), r"a\.b\*c");
    }
}
