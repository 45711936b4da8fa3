//! Marks of listeners: keyed hashes, whose keys do not live long.

use serde::{Deserialize, Serialize};
use std::{
    net::IpAddr,
    sync::{PoisonError, RwLock},
    time::Duration,
};
use tourbus_domain::ArtistId;
use tourbus_mediaroot::{
    MediaRoot, RootError,
    atomic::{self, Durable},
};
use tourbus_protocol::TreePath;

/// Bytes of a mark: 2^64 of them, so that a million listeners share none by chance.
const MARK_BYTES: usize = 8;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Keys {
    made_at_s: i64,
    this: [u8; 32],
    last: [u8; 32],
}

/// The keys of this period and the last. On the disk too, so that a restart counts nobody twice.
pub(super) struct Marks {
    period_s: i64,
    keys: RwLock<Keys>,
}

fn now_s() -> i64 {
    chrono::Utc::now().timestamp()
}

impl Marks {
    pub(super) fn load(root: &MediaRoot, period: Duration) -> Result<Self, RootError> {
        let period_s = period.as_secs().cast_signed();
        let fresh = || Keys { made_at_s: now_s(), this: rand::random(), last: rand::random() };
        let keys = match atomic::read_json::<Keys>(&root.plays_secret())? {
            Some(keys) => keys,
            None => fresh(),
        };
        let marks = Self { period_s, keys: RwLock::new(keys) };
        marks.save(root)?;
        marks.renew(root)?;
        Ok(marks)
    }

    fn save(&self, root: &MediaRoot) -> Result<(), RootError> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner).clone();
        atomic::write_json(&root.plays_secret(), &keys, Durable::No)
    }

    /// Makes a new key when the period is over, and forgets the one before the last.
    pub(super) fn renew(&self, root: &MediaRoot) -> Result<(), RootError> {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let age_s = now_s() - keys.made_at_s;
        if (0..self.period_s).contains(&age_s) {
            return Ok(());
        }
        let last = if age_s < 2 * self.period_s { keys.this } else { rand::random() };
        *keys = Keys { made_at_s: now_s(), this: rand::random(), last };
        drop(keys);
        self.save(root)
    }

    /// A listener's mark for a song, with this period's key and with the last one's.
    pub(super) fn of(
        &self,
        (address, agent): (IpAddr, &[u8]),
        artist: ArtistId,
        path: &TreePath,
    ) -> [String; 2] {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        [&keys.this, &keys.last].map(|key| {
            let mut hasher = blake3::Hasher::new_keyed(key);
            let address = match address {
                IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
                IpAddr::V6(v6) => v6.octets(),
            };
            hasher.update(&address).update(artist.0.as_bytes());
            hasher.update(&(agent.len() as u64).to_le_bytes()).update(agent);
            hasher.update(path.as_bytes());
            hex::encode(&hasher.finalize().as_bytes()[..MARK_BYTES])
        })
    }
}
