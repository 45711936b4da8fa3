//! Which rows a request means that asks the same of many.

use crate::problem::Problem;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use uuid::Uuid;

/// By their ids, or by a filter.
pub enum Selection<F> {
    /// Each once, in the order of ids, whatever was sent.
    Ids(Vec<Uuid>),
    /// All that fit.
    Filter(F),
}

/// Which of these nouns are meant, at most `max` of them by id; and how it is noted.
pub fn read<F: Serialize>(
    many: &str,
    ids: Option<&[Uuid]>,
    filter: Option<F>,
    max: usize,
) -> Result<(Selection<F>, Value), Problem> {
    match (ids, filter) {
        (Some(ids), None) => {
            let ids: BTreeSet<Uuid> = ids.iter().copied().collect();
            if ids.is_empty() || ids.len() > max {
                let remedy = format!("Name 1 to {max} {many}, or use `filter`.");
                return Err(bad("`ids` names none, or too many.", remedy));
            }
            let note = json!({ "ids": ids.len() });
            Ok((Selection::Ids(ids.into_iter().collect()), note))
        }
        (None, Some(filter)) => {
            let note = json!({ "filter": filter });
            Ok((Selection::Filter(filter), note))
        }
        _ => Err(bad(
            "The body must have either `ids` or `filter`.",
            format!("Name {many} by `ids`; `{{\"filter\": {{}}}}` means all."),
        )),
    }
}

/// A selection that cannot be meant.
pub fn bad(detail: &str, remedy: impl Into<String>) -> Problem {
    Problem::unprocessable("bad_selection", detail).remedy(remedy)
}
