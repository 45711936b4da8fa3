//! The differences between what should be and what is. Pure.
//!
//! Their order is the order of mending: policies before queues, so that no queue ever stands
//! without its limits; strays last, a queue's bindings before the queue.

use crate::{
    Topology,
    difference::{Difference, Mend},
    management::part,
    parts::{Binding, Exchange, Permission, Policy, Queue, TopicPermission, User},
    password,
    policies::POLICY_PRIORITY,
    seen::{Seen, SeenBinding},
};
use serde_json::{Value, json};

/// What is ours by its name, and a stray if it should not be.
const QUEUE_PREFIX: &str = "tourbus.";
const USER_PREFIX: &str = "tourbus-server-";

const DECLARE: &str = "run `tourbus topology declare`";

pub(crate) fn compare(topology: &Topology, seen: &Seen) -> Vec<Difference> {
    let v = part(&topology.vhost);
    let mut found = Vec::new();
    if !seen.vhost_exists {
        let path = format!("vhosts/{v}");
        let what = format!("virtual host {}", topology.vhost);
        found.push(put(what, "missing", "there", path, json!({})));
    }
    found.extend(topology.exchanges.iter().filter_map(|e| exchange(e, seen, &v)));
    found.extend(topology.policies.iter().filter_map(|p| policy(p, seen, &v)));
    found.extend(topology.queues.iter().filter_map(|q| queue(q, seen, &v)));
    found.extend(topology.bindings.iter().filter_map(|b| binding(b, seen, &v)));
    found.extend(topology.users.iter().filter_map(|u| user(u, seen)));
    found.extend(topology.permissions.iter().filter_map(|p| permission(p, seen, &v)));
    found.extend(topology.topic_permissions.iter().filter_map(|p| topic(p, seen, &v)));
    found.extend(strays(topology, seen, &v));
    found
}

fn difference(what: String, is: String, should: String, remedy: &str, mend: Mend) -> Difference {
    Difference { what, is, should, remedy: remedy.to_owned(), mend }
}

fn put(
    what: String,
    is: impl Into<String>,
    should: impl Into<String>,
    path: String,
    body: Value,
) -> Difference {
    difference(what, is.into(), should.into(), DECLARE, Mend::Put { path, body })
}

fn exchange(wanted: &Exchange, seen: &Seen, v: &str) -> Option<Difference> {
    let say = |e: &Exchange| {
        let durable = if e.durable { "durable" } else { "transient" };
        format!("{} {durable}{}", e.kind, if e.auto_delete { " auto-delete" } else { "" })
    };
    let what = format!("exchange {}", wanted.name);
    match seen.exchanges.iter().find(|e| e.name == wanted.name) {
        Some(is) if is == wanted => None,
        Some(is) => {
            let remedy = "delete it by hand, then run `tourbus topology declare`";
            Some(difference(what, say(is), say(wanted), remedy, Mend::ByHand))
        }
        None => {
            let path = format!("exchanges/{v}/{}", part(&wanted.name));
            let body = json!({
                "type": wanted.kind, "durable": wanted.durable,
                "auto_delete": wanted.auto_delete, "internal": false, "arguments": {},
            });
            Some(put(what, "missing", say(wanted), path, body))
        }
    }
}

fn policy(wanted: &Policy, seen: &Seen, v: &str) -> Option<Difference> {
    let say = |p: &Policy| {
        let keys = Value::Object(p.definition.clone());
        format!("{} on {} at priority {}: {keys}", p.pattern, p.apply_to, p.priority)
    };
    let is = seen.policies.iter().find(|p| p.name == wanted.name);
    if is == Some(wanted) {
        return None;
    }
    let path = format!("policies/{v}/{}", part(&wanted.name));
    let body = json!({
        "pattern": wanted.pattern, "apply-to": wanted.apply_to,
        "priority": wanted.priority, "definition": wanted.definition,
    });
    let what = format!("policy {}", wanted.name);
    Some(put(what, is.map_or("missing".to_owned(), say), say(wanted), path, body))
}

fn queue(wanted: &Queue, seen: &Seen, v: &str) -> Option<Difference> {
    let say = |q: &Queue| {
        let kind = q.arguments.get("x-queue-type").map_or("classic".to_owned(), crate::show::plain);
        let durable = if q.durable { "durable" } else { "transient" };
        format!("{kind} {durable} {}", Value::Object(q.arguments.clone()))
    };
    let what = format!("queue {}", wanted.name);
    match seen.queues.iter().find(|q| q.name == wanted.name) {
        Some(is) if is == wanted => None,
        Some(is) => {
            let remedy = "type and arguments of a queue cannot be changed: drain and delete it by \
                          hand, then run `tourbus topology declare`";
            Some(difference(what, say(is), say(wanted), remedy, Mend::ByHand))
        }
        None => {
            let path = format!("queues/{v}/{}", part(&wanted.name));
            let body = json!({
                "durable": wanted.durable, "auto_delete": wanted.auto_delete,
                "arguments": wanted.arguments,
            });
            Some(put(what, "missing", say(wanted), path, body))
        }
    }
}

fn binding(wanted: &Binding, seen: &Seen, v: &str) -> Option<Difference> {
    if seen.bindings.iter().any(|b| is_binding(b, wanted)) {
        return None;
    }
    let Binding { source, destination, routing_key } = wanted;
    let what = format!("binding {source} --{routing_key}--> {destination}");
    let path = format!("bindings/{v}/e/{}/q/{}", part(source), part(destination));
    let body = json!({ "routing_key": routing_key, "arguments": {} });
    let mend = Mend::Post { path, body };
    Some(difference(what, "missing".to_owned(), "there".to_owned(), DECLARE, mend))
}

fn is_binding(seen: &SeenBinding, wanted: &Binding) -> bool {
    seen.source == wanted.source
        && seen.destination == wanted.destination
        && seen.destination_type == "queue"
        && seen.routing_key == wanted.routing_key
        && seen.arguments.is_empty()
}

fn user(wanted: &User, seen: &Seen) -> Option<Difference> {
    let is = match seen.users.iter().find(|u| u.name == wanted.name) {
        None => "missing".to_owned(),
        Some(u) if !u.tags.is_empty() => format!("tagged {}", u.tags.join(", ")),
        Some(u) if password::matches(&wanted.password, &u.password_hash, &u.hashing_algorithm) => {
            return None;
        }
        Some(_) => "there with another password".to_owned(),
    };
    let what = format!("user {}", wanted.name);
    let should = "there with the configured password and no tags".to_owned();
    let mend = Mend::PutUser { user: wanted.name.clone(), password: wanted.password.clone() };
    Some(difference(what, is, should, DECLARE, mend))
}

fn permission(wanted: &Permission, seen: &Seen, v: &str) -> Option<Difference> {
    let Permission { user, configure, write, read } = wanted;
    let say =
        |p: &Permission| format!("configure {} write {} read {}", p.configure, p.write, p.read);
    let is = seen.permissions.iter().find(|p| p.user == *user);
    if is == Some(wanted) {
        return None;
    }
    let path = format!("permissions/{v}/{}", part(user));
    let body = json!({ "configure": configure, "write": write, "read": read });
    let what = format!("permission of {user}");
    Some(put(what, is.map_or("missing".to_owned(), say), say(wanted), path, body))
}

fn topic(wanted: &TopicPermission, seen: &Seen, v: &str) -> Option<Difference> {
    let TopicPermission { user, exchange, write, read } = wanted;
    let say = |p: &TopicPermission| format!("write {} read {}", p.write, p.read);
    let is = seen.topic_permissions.iter().find(|p| p.user == *user && p.exchange == *exchange);
    if is == Some(wanted) {
        return None;
    }
    // Missing means that every routing key is allowed.
    let path = format!("topic-permissions/{v}/{}", part(user));
    let body = json!({ "exchange": exchange, "write": write, "read": read });
    let what = format!("topic permission of {user} on {exchange}");
    Some(put(what, is.map_or("missing".to_owned(), say), say(wanted), path, body))
}

fn strays(topology: &Topology, seen: &Seen, v: &str) -> Vec<Difference> {
    let mut found = stray_bindings(topology, seen, v);
    found.extend(stray_queues(topology, seen));
    found.extend(stray_policies(topology, seen, v));
    found.extend(stray_users(topology, seen, v));
    found
}

fn stray(what: String, mend: Mend) -> Difference {
    difference(what, "there".to_owned(), "gone".to_owned(), DECLARE, mend)
}

/// Bindings between our exchanges and our queues; a tap that an operator has bound stays.
fn stray_bindings(topology: &Topology, seen: &Seen, v: &str) -> Vec<Difference> {
    let is_stray = |b: &&SeenBinding| {
        topology.exchanges.iter().any(|e| e.name == b.source)
            && b.destination_type == "queue"
            && b.destination.starts_with(QUEUE_PREFIX)
            && !topology.bindings.iter().any(|wanted| is_binding(b, wanted))
    };
    let describe = |b: &SeenBinding| {
        let (source, destination) = (part(&b.source), part(&b.destination));
        let key = part(&b.properties_key);
        let path = format!("bindings/{v}/e/{source}/q/{destination}/{key}");
        let what = format!("binding {} --{}--> {}", b.source, b.routing_key, b.destination);
        stray(what, Mend::Delete { path })
    };
    seen.bindings.iter().filter(is_stray).map(describe).collect()
}

fn stray_queues(topology: &Topology, seen: &Seen) -> Vec<Difference> {
    let is_stray = |q: &&Queue| {
        q.name.starts_with(QUEUE_PREFIX) && !topology.queues.iter().any(|w| w.name == q.name)
    };
    let describe = |q: &Queue| {
        let mend = Mend::DeleteQueue { vhost: topology.vhost.clone(), queue: q.name.clone() };
        stray(format!("queue {}", q.name), mend)
    };
    seen.queues.iter().filter(is_stray).map(describe).collect()
}

/// Ours that should not be, and foreign ones that may displace ours.
fn stray_policies(topology: &Topology, seen: &Seen, v: &str) -> Vec<Difference> {
    let foreign = |p: &&Policy| !topology.policies.iter().any(|w| w.name == p.name);
    let describe = |p: &Policy| {
        let what = format!("policy {}", p.name);
        if p.name.starts_with(QUEUE_PREFIX) {
            return Some(stray(
                what,
                Mend::Delete { path: format!("policies/{v}/{}", part(&p.name)) },
            ));
        }
        (p.priority >= POLICY_PRIORITY && p.apply_to != "exchanges").then(|| {
            let is = format!("at priority {}, and may displace ours", p.priority);
            let should = format!("below priority {POLICY_PRIORITY}");
            difference(what, is, should, "lower its priority by hand", Mend::ByHand)
        })
    };
    seen.policies.iter().filter(foreign).filter_map(describe).collect()
}

/// Users of servers that are no longer: first what they may do here, then the user.
fn stray_users(topology: &Topology, seen: &Seen, v: &str) -> Vec<Difference> {
    let unwanted = |name: &str| {
        name.starts_with(USER_PREFIX) && !topology.users.iter().any(|u| u.name == name)
    };
    let mut found = Vec::new();
    for name in seen.topic_permissions.iter().map(|p| &p.user).filter(|n| unwanted(n)) {
        let path = format!("topic-permissions/{v}/{}", part(name));
        found.push(stray(format!("topic permission of {name}"), Mend::Delete { path }));
    }
    for name in seen.permissions.iter().map(|p| &p.user).filter(|n| unwanted(n)) {
        let path = format!("permissions/{v}/{}", part(name));
        found.push(stray(format!("permission of {name}"), Mend::Delete { path }));
        // Users are shared by all virtual hosts: only one that was ours here is looked at.
        found.push(stray(format!("user {name}"), Mend::DeleteUser { user: name.clone() }));
    }
    found
}
