//! Listings, and deleting by prefix.

use super::{clean, pattern};
use crate::{LIST_LIMIT_MAX, Staging};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use std::time::{Duration, SystemTime};

/// More than a full page.
const MANY: usize = LIST_LIMIT_MAX + 50;

/// Requests under way at once while the suite fills a listing.
const PUTS_AT_ONCE: usize = 16;

async fn put_all(staging: &impl Staging, keys: &[String]) {
    stream::iter(keys)
        .map(|key| staging.put(key, Bytes::from(key.clone())))
        .buffer_unordered(PUTS_AT_ONCE)
        .try_collect::<Vec<()>>()
        .await
        .expect("puts");
}

pub(super) async fn pages_in_order(staging: &impl Staging) {
    // Directories whose names sort differently as names and as parts of keys: `-` < `/` < `0`.
    let key = |n: usize| match n % 4 {
        0 => format!("many/a/{n:05}"),
        1 => format!("many/a-b/{n:05}"),
        2 => format!("many/a0/{n:05}"),
        _ => format!("many/{n:05}"),
    };
    let mut keys: Vec<String> = (0..MANY).map(key).collect();
    put_all(staging, &keys).await;
    keys.sort_unstable();

    let (mut listed, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = staging.list("many/", after.as_deref(), 10_000).await.expect("list");
        assert!(page.objects.len() <= LIST_LIMIT_MAX, "a page is bounded");
        listed.extend(page.objects);
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert!(listed.iter().map(|o| &o.key).eq(&keys), "every key once, in order");
    assert!(listed.iter().all(|o| o.bytes == o.key.len() as u64), "sizes are right");
    let slack = Duration::from_mins(10);
    let recent = |t: SystemTime| t.elapsed().map_or_else(|e| e.duration() < slack, |d| d < slack);
    assert!(listed.iter().all(|o| recent(o.modified)), "times are about now");

    let page = staging.list("many/", Some(&keys[10]), 5).await.expect("list after a key");
    let some: Vec<&String> = page.objects.iter().map(|o| &o.key).collect();
    assert_eq!(some, keys[11..16].iter().collect::<Vec<_>>(), "`after` is exclusive");
    assert_eq!(page.next.as_ref(), Some(&keys[15]));
    clean(staging, "many", MANY as u64).await;
}

pub(super) async fn begins_inside_a_name(staging: &impl Staging) {
    let keys = ["inner/abc/1", "inner/abd/2", "inner/b/3"].map(str::to_owned);
    put_all(staging, &keys).await;
    let page = staging.list("inner/ab", None, 10).await.expect("list");
    let listed: Vec<&String> = page.objects.iter().map(|o| &o.key).collect();
    assert_eq!(listed, [&keys[0], &keys[1]], "a listing's prefix may end inside a name");
    clean(staging, "inner", 3).await;
}

pub(super) async fn nothing_is_an_empty_page(staging: &impl Staging) {
    let page = staging.list("nothing/here/", None, 10).await.expect("list of nothing");
    assert!(page.objects.is_empty() && page.next.is_none(), "{page:?}");
    clean(staging, "nothing/here", 0).await;
}

pub(super) async fn delete_leaves_siblings(staging: &impl Staging) {
    let keys = ["jobs/a/1", "jobs/a/x/2", "jobs/ab/1", "jobs/a-", "jobs/b/1"].map(str::to_owned);
    put_all(staging, &keys).await;
    assert_eq!(staging.delete_prefix("jobs/a").await.expect("delete"), 2);
    let page = staging.list("jobs/", None, 10).await.expect("list");
    let left: Vec<&str> = page.objects.iter().map(|o| o.key.as_str()).collect();
    assert_eq!(left, ["jobs/a-", "jobs/ab/1", "jobs/b/1"], "siblings are untouched");
    clean(staging, "jobs/", 3).await;
}

/// A store over directories must not lose a put because the directory that it needs is being
/// removed as empty at that moment.
pub(super) async fn put_races_delete_of_a_neighbour(staging: &impl Staging) {
    for round in 0..20 {
        let (gone, kept) =
            (format!("shared/deep/{round}/gone"), format!("shared/deep/{round}/x/y"));
        staging.put(&gone, pattern(10, 6)).await.expect("put");
        let key = gone.rsplit_once('/').map_or("", |(dir, _)| dir);
        let (deleted, put) =
            tokio::join!(staging.delete_prefix(key), staging.put(&kept, pattern(10, round)));
        deleted.expect("delete");
        put.expect("a put beside a delete");
        staging.delete_prefix("shared").await.expect("delete the rest");
    }
    clean(staging, "shared", 0).await;
}
