//! Identifiers. Each is its own type, so that an artist's id cannot stand where a job's belongs.

use deunicode::deunicode;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A fresh id; version 7, so that ids sort by the time they were made.
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(s: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(s).map(Self)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }
    };
}

id!(
    /// An artist; also the name of the artist's directory under a media root.
    ArtistId
);
id!(
    /// A server: the master or a cluster server.
    ServerId
);
id!(
    /// What one person asked for in one go.
    BatchId
);
id!(
    /// One unit of a batch: move one artist.
    JobId
);

/// The fencing number of a step's current try. Counted per job, from 1; a higher one voids
/// every lower one of the same step.
pub type Epoch = u64;

/// Longest slug, in bytes. A DNS label holds 63; broker user names add a prefix.
pub const SLUG_BYTES_MAX: usize = 63;

/// Slugs that no artist has: parts of the site's own addresses, and names of authority.
const RESERVED: [&str; 36] = [
    "a",
    "about",
    "account",
    "accounts",
    "admin",
    "administrator",
    "api",
    "artist",
    "artists",
    "assets",
    "audit",
    "batches",
    "contact",
    "healthz",
    "help",
    "jobs",
    "join",
    "login",
    "master",
    "me",
    "media",
    "metrics",
    "move",
    "new",
    "queues",
    "readyz",
    "root",
    "search",
    "servers",
    "sign-in",
    "sign-out",
    "sign-up",
    "static",
    "support",
    "visitor",
    "workshop",
];

/// A name that is safe in a URL path, a host name, a routing key and a file name:
/// `[a-z0-9]` and inner hyphens, 1 to [`SLUG_BYTES_MAX`] bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Slug(String);

/// Why a text is no [`Slug`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a valid slug: use 1 to 63 of a-z, 0-9 and hyphens, not starting or ending with a hyphen"
)]
pub struct SlugError(String);

impl Slug {
    /// Whether an artist may not have it: the site itself uses it, or it would be taken for the
    /// site's own.
    pub fn is_reserved(&self) -> bool {
        RESERVED.contains(&self.as_str())
    }

    /// The slug that a name suggests, in any script: `Motörhead & Söhne` → `motorhead-sohne`. `None`
    /// for a name that nothing can be made of.
    pub fn suggest(name: &str) -> Option<Self> {
        let mut slug = String::new();
        for c in deunicode(name).chars() {
            if c.is_ascii_alphanumeric() {
                slug.push(c.to_ascii_lowercase());
            } else if !matches!(c, '\'' | '’') && !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
        }
        slug.truncate(SLUG_BYTES_MAX);
        slug.trim_end_matches('-').parse().ok()
    }

    /// The slug as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Slug {
    type Error = SlugError;
    fn try_from(s: String) -> Result<Self, SlugError> {
        let ok = !s.is_empty()
            && s.len() <= SLUG_BYTES_MAX
            && s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !s.starts_with('-')
            && !s.ends_with('-');
        if ok { Ok(Self(s)) } else { Err(SlugError(s)) }
    }
}

impl FromStr for Slug {
    type Err = SlugError;
    fn from_str(s: &str) -> Result<Self, SlugError> {
        Self::try_from(s.to_owned())
    }
}

impl From<Slug> for String {
    fn from(s: Slug) -> Self {
        s.0
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_made_from_names_of_any_script() {
        for (name, want) in [
            ("Motörhead & Söhne", Some("motorhead-sohne")),
            ("  The O'Jays!  ", Some("the-ojays")),
            ("Кино", Some("kino")),
            ("坂本", Some("ban-ben")),
            ("---", None),
            ("", None),
        ] {
            assert_eq!(Slug::suggest(name).map(String::from).as_deref(), want, "{name}");
        }
        let long = Slug::suggest(&"ab ".repeat(100)).unwrap().to_string();
        assert!(long.len() <= SLUG_BYTES_MAX && !long.ends_with('-'));
    }
}
