//! A difference between the broker and what should be, and what became of it.

use crate::parts::Password;
use serde_json::Value;
use std::fmt;

/// One thing on the broker that is not as it should be.
#[derive(Debug, Clone)]
pub struct Difference {
    /// Which thing, for example `queue tourbus.dead`.
    pub what: String,
    /// What is.
    pub is: String,
    /// What should be.
    pub should: String,
    /// How to mend it.
    pub remedy: String,
    pub(crate) mend: Mend,
}

/// What [`crate::Topology::declare`] does about a difference.
#[derive(Debug, Clone)]
pub(crate) enum Mend {
    /// `PUT` this.
    Put { path: String, body: Value },
    /// Create this user, or set its password; no tags.
    PutUser { user: String, password: Password },
    /// `POST` this.
    Post { path: String, body: Value },
    /// `DELETE` this.
    Delete { path: String },
    /// Delete this queue if it is empty and nobody consumes it.
    DeleteQueue { vhost: String, queue: String },
    /// Delete this user if no virtual host knows it any more.
    DeleteUser { user: String },
    /// Nothing: a person must.
    ByHand,
}

impl Difference {
    /// Whether `tourbus topology declare` leaves it to a person.
    pub fn is_by_hand(&self) -> bool {
        matches!(self.mend, Mend::ByHand)
    }
}

/// Equal when they read the same.
impl PartialEq for Difference {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, is, should, remedy, .. } = self;
        write!(f, "{what}: is {is}; should be {should}; {remedy}")
    }
}

/// What became of a difference.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// It has been mended.
    Mended(Difference),
    /// It has been left, for this reason; a person must act.
    Left(Difference, String),
}

impl Change {
    /// Whether something still differs.
    pub const fn is_left(&self) -> bool {
        matches!(self, Self::Left(..))
    }

    /// The difference that it is about.
    pub const fn difference(&self) -> &Difference {
        match self {
            Self::Mended(difference) | Self::Left(difference, _) => difference,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mended(Difference { what, is, should, .. }) => {
                write!(f, "{what}: was {is}; is now {should}")
            }
            Self::Left(Difference { what, is, should, .. }, why) => {
                write!(f, "LEFT {what}: is {is}; should be {should}; {why}")
            }
        }
    }
}
