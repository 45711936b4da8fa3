//! A topology as text, for `tourbus topology show`.

use crate::Topology;
use std::fmt::{self, Display, Formatter};

impl Topology {
    /// A readable table of everything, without secrets.
    pub fn show(&self) -> String {
        self.to_string()
    }
}

impl Display for Topology {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "virtual host {}", self.vhost)?;
        table(f, "exchanges", self.exchanges.iter().map(|e| vec![e.name.clone(), e.kind.clone()]))?;
        table(
            f,
            "policies",
            self.policies.iter().map(|p| {
                let keys: Vec<String> =
                    p.definition.iter().map(|(k, v)| format!("{k}={}", plain(v))).collect();
                vec![p.name.clone(), p.pattern.clone(), keys.join(" ")]
            }),
        )?;
        table(f, "queues", self.queues.iter().map(|q| vec![q.name.clone(), arguments(q)]))?;
        table(
            f,
            "bindings",
            self.bindings.iter().map(|b| {
                let key = if b.routing_key.is_empty() { "(all)" } else { &b.routing_key };
                vec![b.source.clone(), key.to_owned(), b.destination.clone()]
            }),
        )?;
        table(
            f,
            "permissions",
            self.permissions.iter().map(|p| {
                let rights = [("configure", &p.configure), ("write", &p.write), ("read", &p.read)];
                let rights = rights.map(|(what, pattern)| format!("{what} {pattern}"));
                [vec![p.user.clone()], rights.to_vec()].concat()
            }),
        )?;
        table(
            f,
            "topic permissions",
            self.topic_permissions.iter().map(|p| {
                let rights = [format!("write {}", p.write), format!("read {}", p.read)];
                [vec![p.user.clone(), p.exchange.clone()], rights.to_vec()].concat()
            }),
        )
    }
}

fn arguments(queue: &crate::Queue) -> String {
    let pairs: Vec<String> =
        queue.arguments.iter().map(|(k, v)| format!("{k}={}", plain(v))).collect();
    pairs.join(" ")
}

/// A JSON value without the quotes of a string.
pub(crate) fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn table(
    f: &mut Formatter<'_>,
    title: &str,
    rows: impl Iterator<Item = Vec<String>>,
) -> fmt::Result {
    writeln!(f, "\n{title}")?;
    let rows: Vec<Vec<String>> = rows.collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| rows.iter().filter_map(|r| r.get(c)).map(String::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(f, "  {}", cells.join("  ").trim_end())?;
    }
    Ok(())
}
