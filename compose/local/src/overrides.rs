//! Settings laid over the generated configurations.

use crate::LocalError;
use toml::{Table, Value};

/// TOML tables named after a role (`web`, `coordinator`, `worker`, `media`) or a process
/// (`worker-server2-1`), merged into the generated configurations of those; a process wins over
/// its role.
///
/// ```toml
/// [coordinator]
/// rescue_after_ms = 2000
/// [coordinator.moves]
/// retry_base_ms = 50
/// [worker.limits]
/// heartbeat_ms = 200
/// ```
#[derive(Debug, Clone, Default)]
pub struct Overrides(Table);

impl Overrides {
    /// From TOML text.
    pub fn parse(text: &str) -> Result<Self, LocalError> {
        let table = text.parse().map_err(|e: toml::de::Error| {
            LocalError::Invalid(format!("the overrides are no TOML: {e}"))
        })?;
        Ok(Self(table))
    }

    /// Lays what is meant for this process over `config`.
    pub(crate) fn apply(&self, role: &str, process: &str, config: &mut Table) {
        for key in [role, process] {
            if let Some(Value::Table(over)) = self.0.get(key) {
                merge(config, over);
            }
        }
    }
}

fn merge(into: &mut Table, over: &Table) {
    for (key, value) in over {
        match (into.get_mut(key), value) {
            (Some(Value::Table(inner)), Value::Table(over)) => merge(inner, over),
            _ => drop(into.insert(key.clone(), value.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_wins_over_its_role_and_siblings_stay() {
        let over = Overrides::parse("[worker.limits]\na = 1\nb = 1\n[worker-x-1.limits]\nb = 2\n");
        let over = over.unwrap();
        let mut config: Table = "keep = true\n[limits]\nc = 3".parse().unwrap();
        over.apply("worker", "worker-x-1", &mut config);
        let expected: Table = "keep = true\n[limits]\na = 1\nb = 2\nc = 3".parse().unwrap();
        assert_eq!(config, expected);
    }
}
