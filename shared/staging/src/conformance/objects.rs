//! Single objects.

use super::{clean, pattern};
use crate::{Staging, StagingError};
use bytes::Bytes;

/// As large as a chunk may be.
const LARGE_BYTES: usize = 64 << 20;

/// Keys that a careless client or store would mangle.
const ODD_KEYS: &[&str] = &[
    "odd/with space",
    "odd/plus+and%25percent%",
    "odd/amp&lt<gt>quote\"apostrophe'",
    "odd/ünïcödé/ключ/鍵",
    "odd/question?mark#hash",
    "odd/equals=semi;colon:at@",
    "odd/.dotfile",
    "odd/a..b",
    "odd/~tilde*star(paren)!",
    "odd/back\\slash",
];

pub(super) async fn put_get_overwrite(staging: &impl Staging) {
    let (first, second) = (pattern(100_000, 1), pattern(10, 2));
    staging.put("simple/one", first.clone()).await.expect("put");
    assert_eq!(staging.head("simple/one").await.expect("head"), Some(100_000));
    let got = staging.get("simple/one", 100_000).await.expect("get at exactly the limit");
    assert!(got == first, "what was put comes back");
    staging.put("simple/one", second.clone()).await.expect("put again");
    let got = staging.get("simple/one", 1 << 20).await.expect("get again");
    assert!(got == second, "the new object replaces the old one wholly");
    assert_eq!(staging.head("simple/one").await.expect("head"), Some(10));
    clean(staging, "simple", 1).await;
    assert!(!staging.exists("simple/one").await.expect("exists"), "deleted is gone");
}

pub(super) async fn empty(staging: &impl Staging) {
    staging.put("empty/one", Bytes::new()).await.expect("put of nothing");
    assert_eq!(staging.head("empty/one").await.expect("head"), Some(0));
    assert_eq!(staging.get("empty/one", 0).await.expect("get of nothing"), Bytes::new());
    clean(staging, "empty", 1).await;
}

pub(super) async fn large(staging: &impl Staging) {
    let body = pattern(LARGE_BYTES, 3);
    staging.put("large/one", body.clone()).await.expect("put of 64 MiB");
    let got = staging.get("large/one", LARGE_BYTES).await.expect("get of 64 MiB");
    assert!(got == body, "64 MiB come back whole");
    clean(staging, "large", 1).await;
}

pub(super) async fn ranges(staging: &impl Staging) {
    let body = pattern(3 << 20, 4);
    let len = body.len();
    staging.put("range/one", body.clone()).await.expect("put");
    for (from, to) in [(0, 1), (0, len), (1, 2), (len - 1, len), (1 << 20, 2 << 20), (7, 7)] {
        let got = staging.get_range("range/one", from as u64, (to - from) as u64).await;
        assert!(got.expect("a range inside") == body.slice(from..to), "range {from}..{to}");
    }
    for (offset, len) in [(len as u64 - 1, 2), (len as u64, 1), (1 << 30, 1)] {
        let got = staging.get_range("range/one", offset, len).await;
        let truncated = matches!(got, Err(StagingError::Truncated { .. }));
        assert!(truncated, "a range past the end ({offset}+{len}) is Truncated, not {got:?}");
    }
    clean(staging, "range", 1).await;
}

pub(super) async fn odd_keys(staging: &impl Staging) {
    let long = format!("odd/{}/{}", "l".repeat(200), "m".repeat(200));
    let mut keys: Vec<&str> = ODD_KEYS.to_vec();
    keys.push(&long);
    for (n, key) in keys.iter().enumerate() {
        staging.put(key, pattern(50, n as u64)).await.unwrap_or_else(|e| panic!("put {key}: {e}"));
    }
    for (n, key) in keys.iter().enumerate() {
        let got = staging.get(key, 50).await.unwrap_or_else(|e| panic!("get {key}: {e}"));
        assert!(got == pattern(50, n as u64), "content of {key}");
    }
    keys.sort_unstable();
    let page = staging.list("odd/", None, 100).await.expect("list");
    let listed: Vec<&str> = page.objects.iter().map(|o| o.key.as_str()).collect();
    assert_eq!(listed, keys, "listed as they were put");
    clean(staging, "odd", keys.len() as u64).await;
}

pub(super) async fn missing(staging: &impl Staging) {
    let got = staging.get("missing/one", 10).await;
    assert!(matches!(&got, Err(StagingError::NotFound { key, .. }) if key == "missing/one"));
    let got = staging.get_range("missing/one", 0, 1).await;
    assert!(matches!(got, Err(StagingError::NotFound { .. })), "{got:?}");
    assert_eq!(staging.head("missing/one").await.expect("head"), None);
    assert!(!staging.exists("missing/one").await.expect("exists"));
}

pub(super) async fn too_large(staging: &impl Staging) {
    staging.put("limit/one", pattern(1001, 5)).await.expect("put");
    let got = staging.get("limit/one", 1000).await;
    let refused = matches!(got, Err(StagingError::TooLarge { bytes: 1001, bytes_max: 1000, .. }));
    assert!(refused, "one byte more than the limit is TooLarge, not {got:?}");
    clean(staging, "limit", 1).await;
}

pub(super) async fn concurrent_puts_of_one_key(staging: &impl Staging) {
    let bodies: Vec<Bytes> = (0..8).map(|n| pattern(1 << 20, 100 + n)).collect();
    let puts = bodies.iter().map(|body| {
        let (staging, body) = (staging.clone(), body.clone());
        tokio::spawn(async move { staging.put("race/one", body).await })
    });
    for put in puts.collect::<Vec<_>>() {
        put.await.expect("no panic").expect("put");
        let got = staging.get("race/one", 1 << 20).await.expect("get while others put");
        assert!(bodies.contains(&got), "one of the values, whole");
    }
    clean(staging, "race", 1).await;
}
