//! How the broker is, for `/readyz`.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};
use tokio::sync::watch;

/// How the broker is, as this process sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerState {
    /// A connection or a consumer is missing; it is being rebuilt.
    Connecting {
        /// What is missing, why, and what to do.
        reason: String,
    },
    /// Both connections and every consumer stand.
    Connected,
    /// The broker takes no messages for now (memory or disk alarm); consuming goes on.
    Blocked {
        /// What the broker says.
        reason: String,
    },
}

impl BrokerState {
    /// `Ok` when connected; else what is wrong, in the form that a health page takes.
    pub fn ready(&self) -> Result<(), String> {
        match self {
            Self::Connected => Ok(()),
            Self::Connecting { reason } => Err(reason.clone()),
            Self::Blocked { reason } => Err(format!("the broker blocks publishing: {reason}")),
        }
    }
}

/// Collects the troubles of all parts and shows the sum.
pub(crate) struct Board {
    parts: Mutex<Parts>,
    shown: watch::Sender<BrokerState>,
}

#[derive(Default)]
struct Parts {
    troubles: BTreeMap<String, String>,
    blocked: Option<String>,
}

impl Board {
    pub(crate) fn new() -> Self {
        let first = BrokerState::Connecting { reason: "not connected yet".to_owned() };
        Self { parts: Mutex::default(), shown: watch::Sender::new(first) }
    }

    pub(crate) fn watch(&self) -> watch::Receiver<BrokerState> {
        self.shown.subscribe()
    }

    /// A part (a connection, a consumer) is missing.
    pub(crate) fn trouble(&self, part: &str, reason: String) {
        self.change(|parts| {
            parts.troubles.insert(part.to_owned(), reason);
        });
    }

    /// It is there, or no longer wanted.
    pub(crate) fn clear(&self, part: &str) {
        self.change(|parts| {
            parts.troubles.remove(part);
        });
    }

    /// The publishing connection is blocked, or is not.
    pub(crate) fn blocked(&self, reason: Option<String>) {
        metrics::gauge!("tourbus_broker_blocked").set(if reason.is_some() { 1.0 } else { 0.0 });
        self.change(|parts| parts.blocked = reason);
    }

    fn change(&self, change: impl FnOnce(&mut Parts)) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut parts);
        let state = parts.sum();
        // Sent under the lock, so that an older sum never overwrites a newer one.
        self.shown.send_if_modified(|shown| {
            let changed = *shown != state;
            *shown = state;
            changed
        });
    }
}

impl Parts {
    fn sum(&self) -> BrokerState {
        if !self.troubles.is_empty() {
            let reasons: Vec<&str> = self.troubles.values().map(String::as_str).collect();
            BrokerState::Connecting { reason: reasons.join("; ") }
        } else if let Some(reason) = &self.blocked {
            BrokerState::Blocked { reason: reason.clone() }
        } else {
            BrokerState::Connected
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_connected_when_nothing_is_wrong() {
        let board = Board::new();
        let state = board.watch();
        board.trouble("publishing", "refused".to_owned());
        board.trouble("lane", "no queue".to_owned());
        board.blocked(Some("memory".to_owned()));
        board.clear("publishing");
        assert_eq!(*state.borrow(), BrokerState::Connecting { reason: "no queue".to_owned() });
        board.clear("lane");
        assert_eq!(*state.borrow(), BrokerState::Blocked { reason: "memory".to_owned() });
        board.blocked(None);
        assert_eq!(state.borrow().ready(), Ok(()));
    }
}
