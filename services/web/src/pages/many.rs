//! The same of many jobs or batches at once. First it says what it will do and to how many, then it
//! does it, then it says what came of it.

use super::{
    chrome::Chrome,
    form::{Fields, query},
    show,
};
use crate::{extract::YEARS, problem::Problem};
use askama::Template;
use chrono::{DateTime, Datelike, Utc};
use uuid::Uuid;

/// Outcomes that are shown one by one.
pub const SHOWN_MAX: usize = 100;
/// The field that says before when something was asked for.
pub const BEFORE: &str = "before";

/// What it is done to.
pub struct Noun {
    pub one: &'static str,
    pub many: &'static str,
    /// Above a column of them.
    pub title: &'static str,
    /// The list; what is done is behind it.
    pub path: &'static str,
}

/// Jobs.
pub const JOBS: Noun = Noun { one: "job", many: "jobs", title: "Job", path: "/jobs" };
/// Batches.
pub const BATCHES: Noun = Noun { one: "batch", many: "batches", title: "Batch", path: "/batches" };

impl Noun {
    /// `1 batch`, `1,200 batches`.
    pub fn counted(&self, n: u64) -> String {
        match n {
            1 => format!("1 {}", self.one),
            n => format!("{} {}", count(n), self.many),
        }
    }
}

/// Above a list: what can be done to what is ticked, or to all that fit.
pub struct Select {
    pub of: &'static Noun,
    /// The filter, of what it names.
    pub fields: Vec<(&'static str, String)>,
    /// The query string by which all of this page are ticked.
    pub pick_page: String,
    /// The verb in the address, and on its button; the gravest is the last.
    pub verbs: &'static [(&'static str, &'static str)],
}

impl Select {
    /// Of a list's page that begins behind this cursor.
    pub fn new(
        of: &'static Noun,
        verbs: &'static [(&'static str, &'static str)],
        filter: &[(&'static str, &str)],
        cursor: Option<&str>,
    ) -> Self {
        let page = [("cursor", cursor.unwrap_or_default()), ("pick", "page")];
        let all: Vec<(&str, &str)> = filter.iter().copied().chain(page).collect();
        let named = filter.iter().filter(|(_, value)| !value.is_empty());
        Self {
            of,
            fields: named.map(|(name, value)| (*name, (*value).to_owned())).collect(),
            pick_page: query(&all),
            verbs,
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

/// What a form means, and the fields that say so.
pub struct Chosen<F> {
    /// What was ticked, unless it is a filter.
    pub ids: Option<Vec<Uuid>>,
    pub filter: Option<F>,
    pub fields: Vec<(String, String)>,
    /// Where it came from.
    pub back: String,
}

/// Reads a form that a list with these fields has sent. `filter` reads them; it is told before when
/// something must have been asked for to be meant.
pub fn chosen<F>(
    form: &Fields,
    of: &Noun,
    names: &[&str],
    filter: impl FnOnce(DateTime<Utc>) -> Result<F, Problem>,
) -> Result<Chosen<F>, Problem> {
    let mut fields: Vec<(String, String)> =
        names.iter().map(|name| ((*name).to_owned(), form.text(name).to_owned())).collect();
    let pairs: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (&**n, &**v)).collect();
    let back = format!("{}?{}", of.path, query(&pairs));
    if form.ticked("all") {
        let before = counted_at(form)?;
        fields.push(("all".to_owned(), "1".to_owned()));
        fields.push((BEFORE.to_owned(), before.to_rfc3339()));
        return Ok(Chosen { ids: None, filter: Some(filter(before)?), fields, back });
    }
    let ids = ticked(form, of)?;
    fields.extend(ids.iter().map(|id| ("id".to_owned(), id.to_string())));
    Ok(Chosen { ids: Some(ids), filter: None, fields, back })
}

/// Before when it was counted: what is queued after that was not meant when it is confirmed.
fn counted_at(form: &Fields) -> Result<DateTime<Utc>, Problem> {
    let text = form.text(BEFORE);
    if text.is_empty() && !form.ticked("confirm") {
        return Ok(Utc::now());
    }
    let at = DateTime::parse_from_rfc3339(text).map(|at| at.to_utc()).ok();
    at.filter(|at| YEARS.contains(&at.year())).ok_or_else(|| {
        Problem::bad_request("bad_time", format!("{text:?} in the form is no time."))
            .remedy("Go back to the list and choose again.")
    })
}

/// The ids that are ticked; at least one.
fn ticked(form: &Fields, of: &Noun) -> Result<Vec<Uuid>, Problem> {
    let ids = form.ids("id")?;
    if ids.is_empty() {
        let what = format!("No {} is ticked.", of.one);
        return Err(Problem::unprocessable("bad_selection", what)
            .remedy("Go back and tick some, or all that match the filter."));
    }
    Ok(ids)
}
