//! What people call the things of a batch: artists that move, songs that are converted.

use super::show;

/// The words of one kind of batch.
#[derive(Debug, PartialEq, Eq)]
pub struct Words {
    /// `artist`.
    pub one: &'static str,
    /// `artists`.
    pub many: &'static str,
    /// The same as a heading: `Artists`.
    pub heading: &'static str,
    /// `Moving`.
    pub doing: &'static str,
    /// `moved`.
    pub done: &'static str,
    /// The same as a heading: `Moved`.
    pub done_heading: &'static str,
    /// Those at work, as a heading: `Moving now`.
    pub now: &'static str,
    /// What its bytes are.
    pub bytes: &'static str,
    /// What the list says when nothing is in a state.
    pub empty: &'static str,
}

static MOVE: Words = Words {
    one: "artist",
    many: "artists",
    heading: "Artists",
    doing: "Moving",
    done: "moved",
    done_heading: "Moved",
    now: "Moving now",
    bytes: "verified",
    empty: "No artist of this batch is in this state at the moment.",
};

static LOFI: Words = Words {
    one: "song",
    many: "songs",
    heading: "Songs",
    doing: "Converting",
    done: "converted",
    done_heading: "Converted",
    now: "Converting now",
    bytes: "Originals read",
    empty: "No song of this batch is in this state at the moment.",
};

static VERIFY: Words = Words {
    one: "artist",
    many: "artists",
    heading: "Artists",
    doing: "Verifying",
    done: "verified",
    done_heading: "Verified",
    now: "Being read now",
    bytes: "read back",
    empty: "No artist of this batch is in this state at the moment.",
};

impl Words {
    /// Those of a kind of batch.
    pub fn of(kind: &str) -> &'static Self {
        match kind {
            "lofi" => &LOFI,
            "verify" => &VERIFY,
            _ => &MOVE,
        }
    }

    /// `1,200 songs`.
    pub fn counted(&self, n: i32) -> String {
        let word = if n == 1 { self.one } else { self.many };
        format!("{} {word}", show::count(n.into()))
    }
}
