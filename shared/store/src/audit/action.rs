//! What people and processes do, by names that stay.

/// Declares the actions once: variant, stable name, and the words for people.
macro_rules! actions {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $words:literal;)*) => {
        /// Something that is written into the audit log. The names are a promise to scripts.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action { $($(#[$doc])* $variant,)* }

        impl Action {
            /// Every action, in the order of the list above.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The stable name: `noun.verb`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The same as people say it, in the past.
            pub const fn words(self) -> &'static str {
                match self { $(Self::$variant => $words,)* }
            }
        }
    };
}

actions! {
    /// Sign in: open a session.
    SessionOpen = "session.open", "signed in";
    /// Sign out: end a session of one's own.
    SessionClose = "session.close", "signed out";
    /// End every session of an account.
    SessionCloseAll = "session.close_all", "ended all sessions";
    /// Make an account.
    AccountCreate = "account.create", "created an account";
    /// Change an account's email, role, password or whether it may sign in.
    AccountModify = "account.modify", "changed an account";
    /// Delete an account.
    AccountDelete = "account.delete", "deleted an account";
    /// Change one's own password.
    AccountPassword = "account.password", "changed their password";
    /// Give an account a new password from the command line.
    AccountReset = "account.reset", "reset a password";
    /// Make an API token.
    TokenCreate = "token.create", "created an API token";
    /// Make an API token invalid.
    TokenRevoke = "token.revoke", "revoked an API token";
    /// Make an artist.
    ArtistCreate = "artist.create", "created an artist";
    /// Change what an admin sets of an artist.
    ArtistModify = "artist.modify", "changed an artist";
    /// Give leave to write to an artist's tree, by an API token.
    /// Queue moves: makes a batch.
    MoveQueue = "move.queue", "queued moves";
    /// Queue conversions of songs: makes a batch.
    LofiQueue = "lofi.queue", "queued LOFI conversions";
    /// Queue readings of artists' files.
    VerifyQueue = "verify.queue", "queued artists to be verified";
    /// Say what became of a file that a reading found wrong.
    FindingResolve = "finding.resolve", "resolved findings";
    /// Add a profile for conversions.
    ProfileCreate = "lofi_profile.create", "added a LOFI profile";
    /// Delete a profile for conversions.
    ProfileDelete = "lofi_profile.delete", "deleted a LOFI profile";
    /// Cancel what is open of a batch.
    BatchCancel = "batch.cancel", "cancelled a batch";
    /// Try again what failed of a batch.
    BatchRetry = "batch.retry", "retried a batch";
    /// Hold back what is queued of a batch.
    BatchPause = "batch.pause", "paused a batch";
    /// Go on with a batch that was held back.
    BatchResume = "batch.resume", "resumed a batch";
    /// Cancel a job.
    JobCancel = "job.cancel", "cancelled a job";
    /// Try a job again.
    JobRetry = "job.retry", "retried a job";
    /// Let a job overtake the backlog.
    JobExpress = "job.express", "expedited a job";
    /// Send the order of a dead letter again, or have the event read again.
    DeadLetterRequeue = "dead_letter.requeue", "requeued dead letters";
    /// Throw dead letters away.
    DeadLetterDiscard = "dead_letter.discard", "discarded dead letters";
    /// Have a server's workers take nothing from one of its lanes.
    LanePause = "lane.pause", "paused a lane";
    /// Have them take from it again.
    LaneResume = "lane.resume", "resumed a lane";
    /// Create a cluster server.
    ServerCreate = "server.create", "created a server";
    /// Change a server's name, address, URL, whether it is active, whether it is the default.
    ServerModify = "server.modify", "changed a server";
    /// Delete a server.
    ServerDelete = "server.delete", "deleted a server";
    /// Begin to empty a server.
    ServerDrain = "server.drain", "began to drain a server";
    /// Stop emptying a server.
    ServerUndrain = "server.undrain", "stopped draining a server";
    /// Change the settings of the whole cluster.
    SettingsModify = "settings.modify", "changed the cluster settings";
    /// Make an enrolment token for a server.
    ServerEnrol = "server.enrol", "made a command to join";
    /// Join the cluster, as a server.
    ServerJoin = "server.join", "joined the cluster";
    /// Ask for a server's checks to be run.
    ServerCheck = "server.check", "asked for the checks";
    /// Release a server from quarantine.
    ServerRelease = "server.release", "released a server from quarantine";
    /// Make a webhook.
    WebhookCreate = "webhook.create", "created a webhook";
    /// Change a webhook.
    WebhookModify = "webhook.modify", "changed a webhook";
    /// Give a webhook another secret.
    WebhookRotate = "webhook.rotate", "gave a webhook a new secret";
    /// Remove a webhook.
    WebhookDelete = "webhook.delete", "removed a webhook";
    /// Send a test to a webhook.
    WebhookTest = "webhook.test", "tested a webhook";
    /// Send a delivery again.
    WebhookResend = "webhook.resend", "sent a notification again";
    /// Have the watch look at the balance now.
    BalanceLook = "balance.look", "asked for a look at the balance";
    /// Put away the notice of a move.
    NoticeRead = "notice.read", "put away the notice of a move";
    /// Begin to rotate the master's key.
    KeysRotate = "keys.rotate", "began to rotate the master's key";
    /// Sign with the next key from now on.
    KeysSwitch = "keys.switch", "switched to the next master's key";
    /// End what an old key has signed.
    KeysDrop = "keys.drop", "ended the master's old key";
}

impl Action {
    /// What is acted on: the part before the dot.
    pub fn noun(self) -> &'static str {
        self.as_str().split_once('.').map_or(self.as_str(), |(noun, _)| noun)
    }

    /// The action of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|a| a.as_str() == name)
    }
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_have_a_noun_and_a_verb() {
        let names: BTreeSet<&str> = Action::ALL.iter().map(|a| a.as_str()).collect();
        assert_eq!(names.len(), Action::ALL.len());
        for action in Action::ALL {
            assert_eq!(action.as_str().split('.').count(), 2, "{action}");
            assert_eq!(Action::parse(action.as_str()), Some(*action));
        }
    }
}
