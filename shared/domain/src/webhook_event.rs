//! What webhooks are told of, by names that stay.

/// Declares the events once: variant, stable name, and the words for people.
macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $words:literal;)*) => {
        /// Something that a webhook may be told of. The names are a promise to scripts.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum WebhookEvent { $($(#[$doc])* $variant,)* }

        impl WebhookEvent {
            /// Every event, in the order of the list above.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The stable name: `noun.what`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The same as people say it.
            pub const fn words(self) -> &'static str {
                match self { $(Self::$variant => $words,)* }
            }
        }
    };
}

events! {
    /// The last job of a batch has ended, and none failed.
    BatchFinished = "batch.finished", "A batch ended well";
    /// The last job of a batch has ended, and some failed or are stuck.
    BatchFailed = "batch.failed", "A batch ended with failures";
    /// A server's workers have fallen silent.
    ServerOffline = "server.offline", "A server went offline";
    /// They report again.
    ServerOnline = "server.online", "A server is back online";
    /// Undoing a job has failed: a person must look.
    JobStuck = "job.stuck", "A job is stuck";
    /// A reading of an artist's files found some that are not as they should be.
    VerifyFinding = "verify.finding", "Verify found files that are not as they should be";
    /// Plays are spread unevenly, twice in a row.
    OutOfBalance = "balance.out_of_balance", "The cluster is out of balance";
    /// The watch over the balance has not run.
    WatchSilent = "balance.watch_silent", "The watch over the balance has not run";
    /// Somebody tries whether it works. Sent to the one webhook, whatever it is told of.
    Test = "webhook.test", "A test";
}

impl WebhookEvent {
    /// Those that a webhook chooses from: all but the test.
    pub fn choices() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|e| *e != Self::Test)
    }

    /// The event of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|e| e.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_are_read_back() {
        let names: BTreeSet<&str> = WebhookEvent::ALL.iter().map(|e| e.as_str()).collect();
        assert_eq!(names.len(), WebhookEvent::ALL.len());
        for event in WebhookEvent::ALL {
            assert_eq!(WebhookEvent::parse(event.as_str()), Some(*event));
        }
        assert!(WebhookEvent::choices().all(|e| e != WebhookEvent::Test));
    }
}
