//! Where artists live, for visitors: the database knows; while it does not answer, what it said
//! last.
//!
//! That may be a home from before a move. It is good enough: the old home sends visitors on to
//! the new one for as long as it is a server. With the database at hand nothing remembered counts.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::time::timeout;
use tourbus_domain::Slug;
use tourbus_store::{Store, StoreError};

/// Longest wait for the database when the home is remembered.
const PATIENCE: Duration = Duration::from_millis(500);
/// After it did not answer, it is not waited for this long.
const SPARED_FOR: Duration = Duration::from_secs(1);
/// Artists remembered; about 100 bytes each.
const ARTISTS_MAX: usize = 200_000;

#[derive(Default)]
struct Known {
    homes: HashMap<Slug, Arc<str>>,
    /// Each URL once.
    urls: HashSet<Arc<str>>,
    /// The database is not asked for what is known before this.
    spared_until: Option<Instant>,
}

impl Known {
    fn keep(&mut self, slug: &Slug, url: &str) {
        if self.homes.get(slug).is_some_and(|known| **known == *url) {
            return;
        }
        if self.homes.len() >= ARTISTS_MAX {
            // Everybody who is asked for is back soon.
            self.homes.clear();
            self.urls.clear();
        }
        let url = self.urls.get(url).cloned().unwrap_or_else(|| {
            let url: Arc<str> = url.into();
            self.urls.insert(Arc::clone(&url));
            url
        });
        self.homes.insert(slug.clone(), url);
    }
}

/// Where artists live.
#[derive(Default)]
pub struct Homes {
    known: Mutex<Known>,
}

impl Homes {
    /// The base URL of an artist's home; none if there is no such artist.
    pub async fn of(&self, store: &Store, slug: &Slug) -> Result<Option<Arc<str>>, StoreError> {
        let (known, spared) = self.known(|k| {
            let spared = k.spared_until.is_some_and(|until| Instant::now() < until);
            (k.homes.get(slug).cloned(), spared)
        });
        let Some(known) = known else {
            let home = store.home_of(slug).await?;
            return Ok(home.map(|home| self.kept(slug, &home.url)));
        };
        if spared {
            return Ok(Some(known));
        }
        match timeout(PATIENCE, store.home_of(slug)).await {
            Ok(Ok(Some(home))) => Ok(Some(self.kept(slug, &home.url))),
            Ok(Ok(None)) => {
                self.known(|k| k.homes.remove(slug));
                Ok(None)
            }
            Ok(Err(error)) => Ok(Some(self.remembered(known, &error.to_string()))),
            Err(_) => Ok(Some(self.remembered(known, "it does not answer"))),
        }
    }

    fn kept(&self, slug: &Slug, url: &str) -> Arc<str> {
        self.known(|k| {
            k.keep(slug, url);
            k.homes[slug].clone()
        })
    }

    fn remembered(&self, home: Arc<str>, why: &str) -> Arc<str> {
        metrics::counter!("tourbus_front_door_remembered_total").increment(1);
        tracing::warn!(why, "front_door.database_away");
        self.known(|k| k.spared_until = Some(Instant::now() + SPARED_FOR));
        home
    }

    fn known<T>(&self, with: impl FnOnce(&mut Known) -> T) -> T {
        with(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_home_replaces_the_older_and_memory_is_bounded() {
        let slug = |n: usize| format!("artist-{n}").parse::<Slug>().unwrap();
        let mut known = Known::default();
        known.keep(&slug(1), "http://a.example");
        known.keep(&slug(1), "http://b.example");
        assert_eq!(&*known.homes[&slug(1)], "http://b.example");
        for n in 0..=ARTISTS_MAX {
            known.keep(&slug(n), "http://b.example");
        }
        assert!(known.homes.len() <= ARTISTS_MAX);
        assert_eq!(known.urls.len(), 1);
    }
}
