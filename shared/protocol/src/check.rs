//! Checks of a server: what must hold for it to work, each green or red with cause and remedy.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// One thing that is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckName {
    /// Its agent reports.
    Agent,
    /// The same version as the master.
    Version,
    /// The clocks agree.
    Clock,
    /// The broker is reached, its own lanes seen, an event published.
    Broker,
    /// An object is written, read and deleted.
    Staging,
    /// The media root can be written.
    MediaRoot,
    /// Enough disk is free.
    Disk,
    /// The URL resolves and this very server answers.
    Url,
    /// This very server answers at the IP.
    Ip,
}

impl CheckName {
    /// Every check, in the order they are shown.
    pub const ALL: [Self; 9] = [
        Self::Agent,
        Self::Version,
        Self::Clock,
        Self::Broker,
        Self::Staging,
        Self::MediaRoot,
        Self::Disk,
        Self::Url,
        Self::Ip,
    ];

    /// Those that the server runs itself.
    pub const BY_AGENT: [Self; 6] =
        [Self::Version, Self::Clock, Self::Broker, Self::Staging, Self::MediaRoot, Self::Disk];

    /// Those that the master's coordinator runs.
    pub const BY_MASTER: [Self; 2] = [Self::Url, Self::Ip];

    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Version => "version",
            Self::Clock => "clock",
            Self::Broker => "broker",
            Self::Staging => "staging",
            Self::MediaRoot => "media_root",
            Self::Disk => "disk",
            Self::Url => "url",
            Self::Ip => "ip",
        }
    }

    /// What people read.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Agent => "The server reports to this master",
            Self::Version => "Same version as the master",
            Self::Clock => "Clocks agree",
            Self::Broker => "Broker reached and permitted",
            Self::Staging => "Staging bucket: write, read, delete",
            Self::MediaRoot => "Media root can be written",
            Self::Disk => "Enough free disk",
            Self::Url => "URL resolves and answers as this server",
            Self::Ip => "IP answers as this server",
        }
    }
}

impl fmt::Display for CheckName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no check.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no check")]
pub struct UnknownCheck(pub String);

impl FromStr for CheckName {
    type Err = UnknownCheck;
    fn from_str(s: &str) -> Result<Self, UnknownCheck> {
        Self::ALL.into_iter().find(|n| n.as_str() == s).ok_or_else(|| UnknownCheck(s.to_owned()))
    }
}

/// How a check stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// It holds.
    Green,
    /// It does not.
    Red,
    /// It is waited for.
    Pending,
}

impl CheckState {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Red => "red",
            Self::Pending => "pending",
        }
    }
}

/// What a check has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// Which.
    pub name: CheckName,
    /// How it stands.
    pub state: CheckState,
    /// What was found, as a sentence.
    pub cause: String,
    /// How to mend it; empty when green.
    pub remedy: String,
}

impl CheckResult {
    /// It holds; `cause` says what was found.
    pub fn green(name: CheckName, cause: impl Into<String>) -> Self {
        Self { name, state: CheckState::Green, cause: cause.into(), remedy: String::new() }
    }

    /// It does not hold.
    pub fn red(name: CheckName, cause: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, state: CheckState::Red, cause: cause.into(), remedy: remedy.into() }
    }

    /// It is waited for.
    pub fn pending(name: CheckName, cause: impl Into<String>) -> Self {
        Self { name, state: CheckState::Pending, cause: cause.into(), remedy: String::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_stable_and_each_check_has_one_runner() {
        for name in CheckName::ALL {
            assert_eq!(name.as_str().parse(), Ok(name));
            assert_eq!(serde_json::to_value(name).unwrap(), name.as_str());
            let runners = usize::from(CheckName::BY_AGENT.contains(&name))
                + usize::from(CheckName::BY_MASTER.contains(&name));
            assert_eq!(runners, usize::from(name != CheckName::Agent), "{name}");
        }
    }
}
