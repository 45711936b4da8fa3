//! The same of many jobs or batches at once. First it says what it will do and to how many, then it
//! does it, then it says what came of it.

use super::{chrome::Chrome, form::Fields, show};
use crate::problem::Problem;
use askama::Template;
use chrono::{DateTime, Utc};

/// What it is done to.
pub struct Noun {
    pub one: &'static str,
    pub many: &'static str,
    /// The list; what is done is behind it.
    pub path: &'static str,
}

/// Jobs.
pub const JOBS: Noun = Noun { one: "job", many: "jobs", path: "/jobs" };
/// Batches.
pub const BATCHES: Noun = Noun { one: "batch", many: "batches", path: "/batches" };

impl Noun {
    /// `1 batch`, `1,200 batches`.
    pub fn counted(&self, n: u64) -> String {
        match n {
            1 => format!("1 {}", self.one),
            n => format!("{} {}", count(n), self.many),
        }
    }
}

/// What is done to them.
pub struct Words {
    /// `cancel`, as in the address.
    pub verb: &'static str,
    /// `Cancel`, of the heading and the button.
    pub heading: &'static str,
    pub done: &'static str,
    pub will: &'static str,
}

/// The page.
#[derive(Template)]
#[template(path = "many.html")]
pub struct ManyPage {
    pub chrome: Chrome,
    pub of: &'static Noun,
    pub words: Words,
    /// Every field that says which, for the second step.
    pub fields: Vec<(String, String)>,
    pub back: String,
    pub count: String,
    pub none: bool,
    /// What else is to be known before it is done.
    pub notes: Vec<String>,
    /// A retry that leaves alone what was cancelled: it can be asked for, too.
    pub cancelled_too: bool,
    pub result: Option<Told>,
}

/// What came of it.
pub struct Told {
    pub done: String,
    pub unchanged: u64,
    pub unchanged_text: String,
    pub notes: Vec<String>,
    /// How many were left as they were, why, and what to do.
    pub reasons: Vec<(String, String, String)>,
    /// One by one: id, outcome, why not.
    pub lines: Vec<(String, String, String)>,
    pub more: bool,
    /// Which of them are left, for going on.
    pub rest: Vec<(String, String)>,
    /// Why it ended early; empty if it did not.
    pub broke_off: String,
}

/// A count as people read it.
pub fn count(n: u64) -> String {
    show::count(n.try_into().unwrap_or(i64::MAX))
}

/// The words of an outcome's or a reason's stable name.
pub fn plain(code: &str) -> String {
    code.replace('_', " ")
}

/// Before when it was counted: what is queued after that was not meant when it is confirmed.
pub fn counted_at(fields: &Fields) -> DateTime<Utc> {
    let at = DateTime::parse_from_rfc3339(fields.text("before"));
    at.map_or_else(|_| Utc::now(), |at| at.to_utc())
}

/// The ids that are ticked; at least one.
pub fn ticked(fields: &Fields, of: &Noun) -> Result<Vec<uuid::Uuid>, Problem> {
    let ids = fields.ids("id")?;
    if ids.is_empty() {
        let what = format!("No {} is ticked.", of.one);
        return Err(Problem::unprocessable("bad_selection", what)
            .remedy("Go back and tick some, or all that match the filter."));
    }
    Ok(ids)
}
