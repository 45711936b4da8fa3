//! Rotating the master's key: announce the next one, switch when every server trusts it, drop the
//! old one when its window is over. Nothing here is remembered but in the keyring and the database.

use crate::{Coordinator, CoordinatorError, KeyState, Keyring, KeyringError, KeyringFile};
use chrono::{DateTime, TimeDelta, Utc};
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};
use tourbus_domain::Slug;
use tourbus_protocol::KeyId;
use tourbus_store::{Action, By, Deed, MasterKeyRow, ServerTrust, StoreError};

/// How often the keyring and what servers trust are looked at.
const EVERY: Duration = Duration::from_secs(2);
/// A server that does not say that it trusts what was announced is told again after this long.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
enum KeysError {
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was announced to whom. A hint only: losing it costs repetition.
#[derive(Default)]
struct Announced {
    at: HashMap<(Slug, u64), Instant>,
}

impl Coordinator {
    /// Keeps the keys until the end.
    pub(crate) async fn keep_keys(&self) -> Result<(), CoordinatorError> {
        let mut announced = Announced::default();
        loop {
            if let Err(error) = self.keys_round(&mut announced).await {
                tracing::warn!(%error, "keys.not_looked_after");
            }
            if !self.pause(EVERY).await {
                return Ok(());
            }
        }
    }

    async fn keys_round(&self, announced: &mut Announced) -> Result<(), KeysError> {
        let ring = self.keyring(KeyringFile::read).await?;
        self.sign_with(&ring)?;
        let rows = rows(&ring);
        if self.store.master_keys().await?.into_iter().collect::<BTreeSet<_>>() != rows {
            self.store.set_master_keys(&rows.into_iter().collect::<Vec<_>>()).await?;
        }
        // Before the first rotation every server trusts what its configuration says.
        if ring.generation == 0 {
            return Ok(());
        }
        let trust = self.store.trust_of_servers().await?;
        self.announce(&ring, &trust, announced).await?;
        let next = ring.next().map(|k| KeyId::of_hex(&k.public));
        if next.is_some_and(|next| all_trust(&trust, &next)) {
            let drop_at = self.drop_at();
            self.keyring(move |file| file.change(|ring| ring.switch(drop_at))).await?;
            tracing::warn!("keys.switched: the next key signs from now on");
            self.note(Action::KeysSwitch, "Every server obeys it.").await?;
        }
        let now = Utc::now();
        if ring.clone().drop_due(now) {
            self.keyring(move |file| file.change(|ring| Ok(ring.drop_due(now)))).await?;
            tracing::warn!("keys.dropped: the old key counts no more");
            self.note(Action::KeysDrop, "Its window is over.").await?;
        }
        Ok(())
    }

    async fn note(&self, action: Action, reason: &str) -> Result<(), StoreError> {
        let deed = Deed::done(&By::named("coordinator"), action, "keys").reason(reason);
        self.store.record(&[deed]).await
    }

    async fn announce(
        &self,
        ring: &Keyring,
        trust: &[ServerTrust],
        announced: &mut Announced,
    ) -> Result<(), StoreError> {
        let keys = ring.public_keys();
        let wanted: BTreeSet<String> = keys.iter().map(|k| KeyId::of_hex(k).0).collect();
        let agrees = |server: &ServerTrust| {
            let ids = server.trusts.iter().flatten().map(|k| k.0.clone());
            server.trusts.is_some() && ids.collect::<BTreeSet<_>>() == wanted
        };
        announced.at.retain(|(_, generation), _| *generation == ring.generation);
        let due = |server: &ServerTrust| {
            let last = announced.at.get(&(server.server.clone(), ring.generation));
            match last {
                None => true,
                // One that is away finds the first announcement on its lane.
                Some(at) => server.trusts.is_some() && at.elapsed() >= AGAIN_AFTER,
            }
        };
        let servers: Vec<Slug> =
            trust.iter().filter(|s| !agrees(s) && due(s)).map(|s| s.server.clone()).collect();
        if servers.is_empty() {
            return Ok(());
        }
        self.store.announce_master_keys(&servers, ring.generation, &keys).await?;
        tracing::info!(generation = ring.generation, ?servers, "keys.announced");
        let now = Instant::now();
        announced.at.extend(servers.into_iter().map(|s| ((s, ring.generation), now)));
        Ok(())
    }

    fn sign_with(&self, ring: &Keyring) -> Result<(), KeyringError> {
        let signer = ring.signer()?;
        if signer.public_key_hex() != self.signer().public_key_hex() {
            tracing::info!(key = %signer.public_key_hex(), "keys.signing");
            *self.signer.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(signer);
        }
        Ok(())
    }

    fn drop_at(&self) -> DateTime<Utc> {
        let window = i64::try_from(self.config.key_window_s).ok().and_then(TimeDelta::try_seconds);
        window
            .and_then(|window| Utc::now().checked_add_signed(window))
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    async fn keyring<T: Send + 'static>(
        &self,
        act: impl FnOnce(&KeyringFile) -> Result<T, KeyringError> + Send + 'static,
    ) -> Result<T, KeyringError> {
        let file = self.keyring.clone();
        tokio::task::spawn_blocking(move || act(&file)).await.unwrap_or_else(|e| {
            let path = "the keyring".into();
            Err(KeyringError::File { path, source: std::io::Error::other(e) })
        })
    }
}

/// Whether every server has a worker, and all of them obey this key.
fn all_trust(trust: &[ServerTrust], key: &KeyId) -> bool {
    !trust.is_empty() && trust.iter().all(|s| s.trusts.iter().flatten().any(|k| k == key))
}

fn rows(ring: &Keyring) -> BTreeSet<MasterKeyRow> {
    let row = |key: &crate::Key| MasterKeyRow {
        public_key: key.public.clone(),
        state: key.state.as_str().to_owned(),
        made_at: to_micros(key.made_at),
        drop_at: key.drop_at.filter(|_| key.state == KeyState::Old).map(to_micros),
    };
    ring.keys.iter().map(row).collect()
}

/// As the database keeps it.
fn to_micros(at: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(at.timestamp_micros()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(slug: &str, trusts: Option<&[&str]>) -> ServerTrust {
        let ids = |ids: &[&str]| ids.iter().map(|i| KeyId((*i).to_owned())).collect();
        ServerTrust { server: slug.parse().unwrap(), trusts: trusts.map(ids) }
    }

    #[test]
    fn the_next_key_waits_for_every_server() {
        let key = KeyId("b".to_owned());
        let both = server("one", Some(&["a", "b"]));
        assert!(all_trust(std::slice::from_ref(&both), &key));
        assert!(!all_trust(&[both.clone(), server("two", Some(&["a"]))], &key));
        assert!(!all_trust(&[both, server("two", None)], &key), "one that is away");
        assert!(!all_trust(&[], &key));
    }
}
