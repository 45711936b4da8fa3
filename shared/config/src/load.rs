//! Reading a configuration.

use crate::{Inspection, Ways};
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Environment variables that set values start with this; `__` separates sections.
pub const ENV_PREFIX: &str = "TOURBUS__";

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {path}: {source}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not TOML, or a value has the wrong type, or a key is unknown or missing.
    #[error("{origin}: {message}")]
    Invalid {
        /// The file, or "the environment".
        origin: String,
        /// What is wrong, with the key.
        message: String,
    },
    /// It contradicts itself, or would send readable what nobody said may be read.
    #[error("{}: {message}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the setting, and how to mend it.
        message: String,
    },
}

/// Reads `path`, lays the environment over it, and checks the whole.
pub fn load<T: DeserializeOwned + Ways>(path: &Path) -> Result<T, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    let config = parse(&text, &path.display().to_string(), std::env::vars())?;
    match Inspection::of(&config) {
        None => Ok(config),
        Some(message) => Err(ConfigError::Refused { path: path.to_owned(), message }),
    }
}

/// The same from a text, without looking at it as a whole; `origin` names it in errors.
pub fn parse<T: DeserializeOwned>(
    text: &str,
    origin: &str,
    env: impl Iterator<Item = (String, String)>,
) -> Result<T, ConfigError> {
    let invalid = |message: String| ConfigError::Invalid { origin: origin.to_owned(), message };
    let mut table: Table = text.parse().map_err(|e: toml::de::Error| invalid(e.to_string()))?;
    for (key, value) in env {
        if let Some(path) = key.strip_prefix(ENV_PREFIX) {
            let parts: Vec<String> = path.split("__").map(str::to_lowercase).collect();
            set(&mut table, &parts, &value).map_err(|m| invalid(format!("{key}: {m}")))?;
        }
    }
    Value::Table(table).try_into().map_err(|e: toml::de::Error| invalid(e.to_string()))
}

fn set(table: &mut Table, parts: &[String], value: &str) -> Result<(), String> {
    match parts {
        [] => Err("names no key".into()),
        [last] => {
            // Numbers, booleans and lists are written as in TOML; anything else is text.
            let parsed = format!("v = {value}").parse::<Table>().ok();
            let value = parsed
                .and_then(|mut t| t.remove("v"))
                .unwrap_or_else(|| Value::String(value.to_owned()));
            table.insert(last.clone(), value);
            Ok(())
        }
        [first, rest @ ..] => {
            let inner = table.entry(first.clone()).or_insert_with(|| Value::Table(Table::new()));
            let inner = inner.as_table_mut().ok_or_else(|| format!("{first} is no section"))?;
            set(inner, rest, value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::HealthConfig;

    fn env(pairs: &[(&str, &str)]) -> std::vec::IntoIter<(String, String)> {
        let pairs: Vec<_> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        pairs.into_iter()
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let text = "listen = '127.0.0.1:1'";
        let vars = env(&[("TOURBUS__LISTEN", "127.0.0.1:2")]);
        let config: HealthConfig = parse(text, "test", vars).unwrap();
        assert_eq!(config.listen.port(), 2);
    }

    #[test]
    fn an_unknown_key_is_named() {
        let text = "listen = '127.0.0.1:1'\nlitsen = 1";
        let error = parse::<HealthConfig>(text, "test.toml", env(&[])).unwrap_err().to_string();
        assert!(error.contains("test.toml") && error.contains("litsen"), "{error}");
    }
}
