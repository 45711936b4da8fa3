//! Sign-in attempts, per address and per account: buckets of attempts that refill.
//!
//! An address that guesses waits, whatever account it guesses at. An account that is guessed at
//! from many addresses lets each address try once a minute, so the right password from an address
//! that has not just failed is always looked at: nobody can be locked out by others.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::{BuildHasher, Hash},
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Attempts of one address.
const PER_ADDRESS: Pace = Pace { burst: 10.0, refill_every: Duration::from_secs(5) };
/// Attempts at one account, from all addresses. One address alone does not use them up.
const PER_ACCOUNT: Pace = Pace { burst: 20.0, refill_every: Duration::from_secs(3) };
/// At an account that is guessed at, one address tries again after this long.
const PAUSE_UNDER_ATTACK: Duration = Duration::from_secs(60);
/// Addresses, accounts and pairs of them that are remembered, each.
const REMEMBERED_MAX: usize = 20_000;

#[derive(Debug, Clone, Copy)]
struct Pace {
    /// Attempts in a row.
    burst: f64,
    /// One more attempt each so often.
    refill_every: Duration,
}

/// What one process remembers.
#[derive(Debug, Default)]
pub struct Limiter {
    hasher: RandomState,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    addresses: HashMap<IpAddr, Bucket>,
    /// By a hash of the email: what is typed there may be a password.
    accounts: HashMap<u64, Bucket>,
    /// When an address last failed at an account.
    failed: HashMap<(IpAddr, u64), Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    attempts: f64,
    at: Instant,
}

impl Bucket {
    const fn full(pace: Pace, now: Instant) -> Self {
        Self { attempts: pace.burst, at: now }
    }

    fn refilled(self, pace: Pace, now: Instant) -> Self {
        let gained = now.duration_since(self.at).as_secs_f64() / pace.refill_every.as_secs_f64();
        Self { attempts: (self.attempts + gained).min(pace.burst), at: now }
    }
}

/// A bucket as it stands now. When there are too many, those that are full again are forgotten,
/// and if that is not enough, the emptier half of the rest stays.
fn bucket<K: Eq + Hash + Copy>(
    buckets: &mut HashMap<K, Bucket>,
    key: K,
    pace: Pace,
    now: Instant,
) -> &mut Bucket {
    if buckets.len() >= REMEMBERED_MAX && !buckets.contains_key(&key) {
        buckets.retain(|_, b| b.refilled(pace, now).attempts < pace.burst);
        if buckets.len() >= REMEMBERED_MAX {
            let half = pace.burst / 2.0;
            buckets.retain(|_, b| b.refilled(pace, now).attempts < half);
        }
        if buckets.len() >= REMEMBERED_MAX {
            buckets.clear();
        }
    }
    let bucket = buckets.entry(key).or_insert(Bucket::full(pace, now));
    *bucket = bucket.refilled(pace, now);
    bucket
}

/// Of IPv6, one subscriber has a whole /64.
pub fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

impl Limiter {
    fn account(&self, email: &str) -> u64 {
        self.hasher.hash_one(email.trim().to_lowercase())
    }

    /// Takes one attempt of this address at whatever it is that this limits, or says how long to
    /// wait for the next.
    pub fn take_any(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let own = bucket(&mut state.addresses, subscriber(address), PER_ADDRESS, now);
        if own.attempts < 1.0 {
            return Err(PER_ADDRESS.refill_every.mul_f64(1.0 - own.attempts));
        }
        own.attempts -= 1.0;
        Ok(())
    }

    /// Gives an attempt of [`Limiter::take_any`] back: it was a right one.
    pub fn give_back_any(&self, address: IpAddr) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = state.addresses.get_mut(&subscriber(address)) {
            bucket.attempts = (bucket.attempts + 1.0).min(PER_ADDRESS.burst);
        }
    }

    /// Takes one attempt of this address at this account, or says how long to wait for the next.
    /// It counts as failed until it is given back.
    pub fn take(&self, address: IpAddr, email: &str, now: Instant) -> Result<(), Duration> {
        let (address, account) = (subscriber(address), self.account(email));
        let mut guard = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *guard;
        let own = bucket(&mut state.addresses, address, PER_ADDRESS, now);
        if own.attempts < 1.0 {
            return Err(PER_ADDRESS.refill_every.mul_f64(1.0 - own.attempts));
        }
        let all = bucket(&mut state.accounts, account, PER_ACCOUNT, now);
        let pause = state.failed.get(&(address, account)).map(|at| *at + PAUSE_UNDER_ATTACK);
        if all.attempts < 1.0
            && let Some(left) = pause.and_then(|until| until.checked_duration_since(now))
        {
            return Err(left);
        }
        own.attempts -= 1.0;
        all.attempts = (all.attempts - 1.0).max(0.0);
        if state.failed.len() >= REMEMBERED_MAX {
            // Half of what is kept is room again, so that this is rare, however many come.
            let half = now.checked_sub(PAUSE_UNDER_ATTACK / 2);
            state.failed.retain(|_, at| half.is_none_or(|half| *at > half));
            if state.failed.len() >= REMEMBERED_MAX / 2 {
                state.failed.clear();
            }
        }
        state.failed.insert((address, account), now);
        Ok(())
    }

    /// Gives an attempt back: it was a right one.
    pub fn give_back(&self, address: IpAddr, email: &str) {
        let (address, account) = (subscriber(address), self.account(email));
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = state.addresses.get_mut(&address) {
            bucket.attempts = (bucket.attempts + 1.0).min(PER_ADDRESS.burst);
        }
        if let Some(bucket) = state.accounts.get_mut(&account) {
            bucket.attempts = (bucket.attempts + 1.0).min(PER_ACCOUNT.burst);
        }
        state.failed.remove(&(address, account));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "admin@test.example";

    fn v4(n: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(0x0a00_0000 + n).into()
    }

    #[test]
    fn guessing_slows_down_and_recovers() {
        let (limiter, now) = (Limiter::default(), Instant::now());
        for _ in 0..10 {
            limiter.take(v4(1), A, now).unwrap();
        }
        assert!(limiter.take(v4(1), A, now).unwrap_err() <= PER_ADDRESS.refill_every);
        assert!(limiter.take(v4(1), "other@test.example", now).is_err());
        limiter.take(v4(2), A, now).unwrap();
        limiter.take(v4(1), A, now + PER_ADDRESS.refill_every).unwrap();
        assert!(limiter.take(v4(1), A, now + PER_ADDRESS.refill_every).is_err());
    }

    #[test]
    fn an_attack_on_an_account_from_everywhere_locks_nobody_out() {
        let (limiter, now) = (Limiter::default(), Instant::now());
        for n in 0..1000 {
            limiter.take(v4(n), A, now).unwrap();
        }
        // Each of them has had its try for now …
        assert!(limiter.take(v4(7), &A.to_uppercase(), now).is_err());
        // … the owner, who comes from elsewhere, is let try, and in again and again.
        for _ in 0..5 {
            limiter.take(v4(5000), A, now).unwrap();
            limiter.give_back(v4(5000), A);
        }
        let later = now + PAUSE_UNDER_ATTACK + Duration::from_secs(1);
        limiter.take(v4(7), A, later).unwrap();
    }

    #[test]
    fn a_subscriber_has_one_bucket_however_many_addresses() {
        let (limiter, now) = (Limiter::default(), Instant::now());
        let host = |n: u128| IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) + n));
        for n in 0..10 {
            limiter.take(host(n), A, now).unwrap();
        }
        assert!(limiter.take(host(11), A, now).is_err());
        limiter.take(host(1 << 64), A, now).unwrap();
    }

    #[test]
    fn memory_is_bounded() {
        let (limiter, now) = (Limiter::default(), Instant::now());
        for n in 0..60_000 {
            limiter.take(v4(n), &format!("{n}@test.example"), now).unwrap();
        }
        let state = limiter.state.lock().unwrap();
        assert!(state.addresses.len() <= REMEMBERED_MAX);
        assert!(state.accounts.len() <= REMEMBERED_MAX);
        assert!(state.failed.len() <= REMEMBERED_MAX);
    }
}
