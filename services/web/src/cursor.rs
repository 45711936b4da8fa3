//! Key-set pages: `{"items": […], "next_cursor": …}`. A cursor is opaque: base64 of JSON.

use crate::{extract::YEARS, problem::Problem};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Datelike, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use tourbus_store::NewestCursor;
use utoipa::ToSchema;
use uuid::Uuid;

/// Items of a page unless asked otherwise.
pub const LIMIT_DEFAULT: u32 = 100;
/// Items of a page at most.
pub const LIMIT_MAX: u32 = 1000;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Pass it as `cursor` to get the next page; null on the last.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// Everything there is.
    pub const fn whole(items: Vec<T>) -> Self {
        Self { items, next_cursor: None }
    }

    /// A page from `limit + 1` rows: the extra one tells that there are more.
    pub fn cut<R>(
        mut rows: Vec<R>,
        limit: u32,
        cursor: impl Fn(&R) -> String,
        item: impl Fn(R) -> T,
    ) -> Self {
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next_cursor = if more { rows.last().map(cursor) } else { None };
        Self { items: rows.into_iter().map(item).collect(), next_cursor }
    }
}

/// Checks `limit`.
pub fn limit(asked: Option<u32>) -> Result<u32, Problem> {
    match asked {
        None => Ok(LIMIT_DEFAULT),
        Some(n @ 1..=LIMIT_MAX) => Ok(n),
        Some(n) => Err(Problem::bad_request("bad_limit", format!("`limit` is {n}."))
            .remedy(format!("Use 1 to {LIMIT_MAX}."))),
    }
}

/// Packs a cursor.
pub fn pack(value: &impl Serialize) -> String {
    // A struct of strings, numbers and ids always has a JSON form.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(value).unwrap_or_default())
}

/// Unpacks a cursor that [`pack`] made. One that somebody has made up is refused here: the
/// database would not take a NUL.
pub fn unpack<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    let value = || {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let value: Value = serde_json::from_slice(&bytes).ok()?;
        (!has_nul(&value)).then_some(value)
    };
    value().and_then(|v| serde_json::from_value(v).ok()).ok_or_else(bad_cursor)
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(map) => map.values().any(has_nul),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A cursor that is none of ours, or of another list.
pub fn bad_cursor() -> Problem {
    Problem::bad_request("bad_cursor", "`cursor` is not one that this list gave.")
        .remedy("Pass next_cursor of the page before, unchanged; leave it out to begin anew.")
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Newest {
    at: DateTime<Utc>,
    id: Uuid,
}

/// A cursor of a list that has the newest first.
pub fn pack_newest(created_at: DateTime<Utc>, id: Uuid) -> String {
    pack(&Newest { at: created_at, id })
}

/// See [`pack_newest`].
pub fn unpack_newest(text: Option<&str>) -> Result<Option<NewestCursor>, Problem> {
    let unpacked = text.map(unpack::<Newest>).transpose()?;
    if unpacked.as_ref().is_some_and(|c| !YEARS.contains(&c.at.year())) {
        return Err(bad_cursor());
    }
    Ok(unpacked.map(|c| NewestCursor { created_at: c.at, id: c.id }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_tells_whether_there_is_more() {
        let page = Page::cut(vec![1, 2, 3], 2, ToString::to_string, |n| n);
        assert_eq!((page.items, page.next_cursor.as_deref()), (vec![1, 2], Some("2")));
        let page = Page::cut(vec![1, 2], 2, ToString::to_string, |n| n);
        assert_eq!(page.next_cursor, None);
    }

    #[test]
    fn a_foreign_cursor_is_refused() {
        let (at, id) = (Utc::now(), Uuid::now_v7());
        let packed = pack_newest(at, id);
        let back = unpack_newest(Some(&packed)).unwrap().unwrap();
        assert_eq!((back.created_at, back.id), (at, id));
        for bad in ["", "x", "e30", "%%%"] {
            assert_eq!(unpack_newest(Some(bad)).unwrap_err().code, "bad_cursor");
        }
    }

    #[test]
    fn what_the_database_would_not_take_is_refused() {
        let packed = pack(&serde_json::json!({"a": ["x\0"]}));
        assert_eq!(unpack::<Value>(&packed).unwrap_err().code, "bad_cursor");
        for at in ["+262000-01-01T00:00:00Z", "-0044-03-15T00:00:00Z"] {
            let packed = pack(&serde_json::json!({"at": at, "id": Uuid::nil()}));
            assert_eq!(unpack_newest(Some(&packed)).unwrap_err().code, "bad_cursor", "{at}");
        }
    }
}
