use super::*;
use http::HeaderValue;

const BYTES: u64 = 1000;
const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";

fn judged(headers: &[(&'static str, &'static str)]) -> Verdict {
    judged_as(&Method::GET, headers)
}

fn judged_as(method: &Method, headers: &[(&'static str, &'static str)]) -> Verdict {
    let map = headers
        .iter()
        .map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v)))
        .collect();
    let modified = httpdate::parse_http_date(MODIFIED).unwrap();
    let validators = Validators { etag: "\"3e8-1-2\"".to_owned(), modified };
    judge(method, &map, &validators, BYTES)
}

const WHOLE: Verdict = Verdict::Send(Range::Whole);
const PART: Verdict = Verdict::Send(Range::Part { first: 0, last: 9 });

#[test]
fn none_match_and_modified_since() {
    assert_eq!(judged(&[("if-none-match", "\"3e8-1-2\"")]), Verdict::NotModified);
    assert_eq!(judged(&[("if-none-match", "\"x\", W/\"3e8-1-2\"")]), Verdict::NotModified);
    assert_eq!(judged(&[("if-none-match", "*")]), Verdict::NotModified);
    assert_eq!(judged(&[("if-none-match", "\"x\"")]), WHOLE);
    assert_eq!(judged(&[("if-modified-since", MODIFIED)]), Verdict::NotModified);
    assert_eq!(judged(&[("if-modified-since", BEFORE)]), WHOLE);
    assert_eq!(judged(&[("if-modified-since", "yesterday")]), WHOLE);
    // The tag wins over the date.
    assert_eq!(judged(&[("if-none-match", "\"x\""), ("if-modified-since", MODIFIED)]), WHOLE);
}

#[test]
fn preconditions() {
    assert_eq!(judged(&[("if-match", "\"x\"")]), Verdict::Failed);
    assert_eq!(judged(&[("if-match", "W/\"3e8-1-2\"")]), Verdict::Failed);
    assert_eq!(judged(&[("if-match", "\"3e8-1-2\"")]), WHOLE);
    assert_eq!(judged(&[("if-unmodified-since", BEFORE)]), Verdict::Failed);
    assert_eq!(judged(&[("if-unmodified-since", MODIFIED)]), WHOLE);
}

#[test]
fn a_range_holds_only_for_the_version_it_was_made_for() {
    assert_eq!(judged(&[("range", "bytes=0-9")]), PART);
    assert_eq!(judged(&[("range", "bytes=0-9"), ("if-range", "\"3e8-1-2\"")]), PART);
    assert_eq!(judged(&[("range", "bytes=0-9"), ("if-range", MODIFIED)]), PART);
    assert_eq!(judged(&[("range", "bytes=0-9"), ("if-range", "\"x\"")]), WHOLE);
    assert_eq!(judged(&[("range", "bytes=0-9"), ("if-range", "W/\"3e8-1-2\"")]), WHOLE);
    assert_eq!(judged(&[("range", "bytes=0-9"), ("if-range", BEFORE)]), WHOLE);
    assert_eq!(judged_as(&Method::HEAD, &[("range", "bytes=0-9")]), WHOLE);
}
