//! Failed sign-ins for the audit log, counted: one row for each address, account and window of
//! time, however many attempts there were.

use chrono::{DateTime, Utc};
use serde_json::json;
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio_util::sync::CancellationToken;
use tourbus_store::{Action, By, Deed, DeedResult, Store, StoreError};
use uuid::Uuid;

/// Addresses of one window that are told apart; the rest is counted together.
const ADDRESSES_MAX: usize = 1000;
/// Emails of one address and window that are told apart.
const EMAILS_MAX: usize = 20;
/// Who it was is not known.
const NOBODY: &str = "nobody";

/// Why an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Email and password do not fit together.
    Wrong,
    /// The limiter let nobody look.
    TooMany,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    wrong: u32,
    too_many: u32,
    since: DateTime<Utc>,
}

impl Count {
    const fn new(since: DateTime<Utc>) -> Self {
        Self { wrong: 0, too_many: 0, since }
    }

    const fn add(&mut self, failure: Failure) {
        match failure {
            Failure::Wrong => self.wrong = self.wrong.saturating_add(1),
            Failure::TooMany => self.too_many = self.too_many.saturating_add(1),
        }
    }

    fn merge(&mut self, other: Self) {
        self.wrong = self.wrong.saturating_add(other.wrong);
        self.too_many = self.too_many.saturating_add(other.too_many);
        self.since = self.since.min(other.since);
    }

    fn deed(self, address: IpAddr, object: String, name: Option<&str>) -> Deed {
        let by = By { address: Some(address), ..By::named(NOBODY) };
        let reason = match (self.wrong, self.too_many) {
            (_, 0) => "Wrong password.".to_owned(),
            (wrong, more) => format!("Wrong password {wrong} times, then {more} more too soon."),
        };
        Deed::not_done(&by, Action::SessionOpen, object, DeedResult::Refused, reason)
            .detail(json!({ "name": name, "known": name.is_some() }))
            .times(self.wrong.saturating_add(self.too_many), self.since)
    }
}

/// Attempts of one address: by email, and those beyond [`EMAILS_MAX`].
#[derive(Debug, Default)]
struct OfAddress {
    emails: HashMap<String, Count>,
    others: Option<Count>,
}

/// The failures of the window that is open.
#[derive(Debug, Default)]
pub struct Failures(Mutex<HashMap<IpAddr, OfAddress>>);

impl Failures {
    /// Counts one.
    pub fn count(&self, address: IpAddr, email: &str, failure: Failure) {
        let now = Utc::now();
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = window.contains_key(&address);
        let full = window.len() >= ADDRESSES_MAX && !known;
        let key = if full { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { address };
        let of = window.entry(key).or_default();
        let email = email.to_lowercase();
        let room = of.emails.len() < EMAILS_MAX && super::email::is_email(&email);
        let count = match of.emails.get_mut(&email) {
            Some(count) => count,
            None if room => of.emails.entry(email).or_insert(Count::new(now)),
            None => of.others.get_or_insert(Count::new(now)),
        };
        count.add(failure);
    }

    /// Closes the window and writes its rows. An email that is nobody's is not written: people
    /// type their passwords there.
    pub async fn flush(&self, store: &Store) -> Result<(), StoreError> {
        let window = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if window.is_empty() {
            return Ok(());
        }
        match write(store, &window).await {
            Ok(()) => Ok(()),
            Err(error) => {
                self.put_back(window);
                Err(error)
            }
        }
    }

    fn put_back(&self, window: HashMap<IpAddr, OfAddress>) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (address, of) in window {
            let into = open.entry(address).or_default();
            for (email, count) in of.emails {
                into.emails.entry(email).or_insert(Count::new(count.since)).merge(count);
            }
            if let Some(count) = of.others {
                into.others.get_or_insert(Count::new(count.since)).merge(count);
            }
        }
    }
}

async fn write(store: &Store, window: &HashMap<IpAddr, OfAddress>) -> Result<(), StoreError> {
    let emails: Vec<String> = window.values().flat_map(|of| of.emails.keys().cloned()).collect();
    let accounts = store.accounts_among(&emails).await?;
    store.record(&deeds(window, &accounts)).await
}

fn deeds(window: &HashMap<IpAddr, OfAddress>, accounts: &HashMap<String, Uuid>) -> Vec<Deed> {
    let mut deeds = Vec::new();
    for (address, of) in window {
        let mut others = of.others;
        for (email, count) in &of.emails {
            match accounts.get(email) {
                Some(id) => {
                    deeds.push(count.deed(*address, format!("account:{id}"), Some(email)));
                }
                None => others.get_or_insert(Count::new(count.since)).merge(*count),
            }
        }
        deeds.extend(others.map(|count| count.deed(*address, "account".to_owned(), None)));
    }
    deeds
}

/// Closes a window every so often, until `shutdown`; the last one is the caller's to close.
pub async fn run(
    failures: std::sync::Arc<Failures>,
    store: Store,
    every: Duration,
    shutdown: CancellationToken,
) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
        if let Err(error) = failures.flush(&store).await {
            tracing::warn!(%error, "audit.failed_sign_ins_not_written_yet");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_counted_by_address_and_account() {
        let failures = Failures::default();
        let (a, b): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        for n in 0..1000 {
            let failure = if n < 10 { Failure::Wrong } else { Failure::TooMany };
            failures.count(a, "Admin@test.example", failure);
            failures.count(a, &format!("{n}@nobody.example"), failure);
        }
        failures.count(b, "admin@test.example", Failure::Wrong);
        failures.count(b, "my secret passphrase", Failure::Wrong);
        let window = failures.0.lock().unwrap();
        let accounts = HashMap::from([("admin@test.example".to_owned(), Uuid::nil())]);
        let deeds = deeds(&window, &accounts);
        assert_eq!(deeds.len(), 4, "{deeds:?}");
        let text = format!("{deeds:?}");
        assert!(text.contains("Wrong password 10 times, then 990 more too soon."), "{text}");
        assert!(!text.contains("passphrase") && !text.contains("nobody.example"), "{text}");
    }

    #[test]
    fn what_could_not_be_written_is_kept() {
        let failures = Failures::default();
        let a: IpAddr = [10, 0, 0, 1].into();
        failures.count(a, "a@b.example", Failure::Wrong);
        let window = std::mem::take(&mut *failures.0.lock().unwrap());
        failures.count(a, "a@b.example", Failure::Wrong);
        failures.put_back(window);
        assert_eq!(failures.0.lock().unwrap()[&a].emails["a@b.example"].wrong, 2);
    }
}
