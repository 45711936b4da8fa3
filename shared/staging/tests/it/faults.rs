//! Bodies that end early, silence, refusals, and stores that are busy.

use crate::server::{Answer, Faulty, answer, config, refusal};
use bytes::Bytes;
use std::time::{Duration, Instant};
use tourbus_domain::ErrorClass;
use tourbus_staging::{S3Staging, Staging, StagingError};

/// The client's own limit is a second; a test machine may be slow, a hang is for ever.
const NO_HANG: Duration = Duration::from_secs(15);

const OK: &str = "200 OK";

/// The head of a body of 100 bytes, and some of the body.
fn early_end(sent: usize) -> Vec<u8> {
    let mut bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n".to_vec();
    bytes.resize(bytes.len() + sent, b'x');
    bytes
}

async fn get(staging: &S3Staging) -> Result<Bytes, StagingError> {
    tokio::time::timeout(NO_HANG, staging.get("key", 1000)).await.expect("no hang")
}

#[tokio::test]
async fn a_body_that_ends_early_is_never_a_short_success() {
    for sent in [0, 1, 99] {
        let faulty = Faulty::start(vec![Answer::Cut(early_end(sent))]).await;
        let error = get(&faulty.client(1)).await.unwrap_err();
        let truncated = matches!(&error, StagingError::Truncated { key, expected: 100, got }
            if key == "key" && *got <= sent as u64);
        assert!(truncated, "{error:?}");
        assert_eq!(error.class(), ErrorClass::Transient);
    }
}

#[tokio::test]
async fn a_range_that_ends_early_is_an_error_too() {
    let faulty = Faulty::start(vec![Answer::Cut(early_end(50))]).await;
    let got = tokio::time::timeout(NO_HANG, faulty.client(1).get_range("key", 0, 100)).await;
    let error = got.expect("no hang").unwrap_err();
    assert!(matches!(error, StagingError::Truncated { expected: 100, .. }), "{error:?}");
    let short = Faulty::start(vec![answer("206 Partial Content", "abc")]).await;
    let error = short.client(1).get_range("key", 0, 100).await.unwrap_err();
    assert!(matches!(error, StagingError::Truncated { expected: 100, got: 3, .. }), "{error:?}");
}

#[tokio::test]
async fn an_early_end_is_tried_again() {
    let mut faulty =
        Faulty::start(vec![Answer::Cut(early_end(50)), answer(OK, "whole this time")]).await;
    assert_eq!(get(&faulty.client(3)).await.unwrap(), "whole this time");
    assert_eq!(faulty.requests().len(), 2);
}

#[tokio::test]
async fn silence_is_a_timeout() {
    for sent in [Vec::new(), early_end(50)] {
        let faulty = Faulty::start(vec![Answer::Hang(sent)]).await;
        let started = Instant::now();
        let error = get(&faulty.client(1)).await.unwrap_err();
        assert!(matches!(error, StagingError::Unavailable { .. }), "{error:?}");
        assert!(started.elapsed() >= Duration::from_secs(1), "not before the limit");
        assert_eq!(error.class(), ErrorClass::Transient);
    }
    let faulty = Faulty::start(vec![Answer::Hang(Vec::new())]).await;
    let staging = faulty.client(1);
    let put = staging.put("key", Bytes::from_static(b"x"));
    let error = tokio::time::timeout(NO_HANG, put).await.expect("no hang").unwrap_err();
    assert!(matches!(error, StagingError::Unavailable { action: "put", .. }), "{error:?}");
}

#[tokio::test]
async fn a_busy_store_is_tried_again_up_to_the_limit() {
    let busy = || refusal("503 Service Unavailable", "ServiceUnavailable");
    let mut faulty = Faulty::start(vec![busy(), answer("200 OK", "")]).await;
    faulty.client(3).put("key", Bytes::from_static(b"x")).await.unwrap();
    let requests = faulty.requests();
    assert_eq!(requests.len(), 2, "{requests:?}");
    assert!(requests[0].starts_with("put /bucket/cluster/key"), "{requests:?}");

    let mut faulty = Faulty::start(vec![busy()]).await;
    let error = get(&faulty.client(3)).await.unwrap_err();
    assert_eq!(error.to_job_error().code, "staging_unavailable");
    assert_eq!(faulty.requests().len(), 3);
}

#[tokio::test]
async fn slow_down_is_rate_limited() {
    let faulty = Faulty::start(vec![refusal("503 Slow Down", "SlowDown")]).await;
    let error = get(&faulty.client(1)).await.unwrap_err();
    assert!(matches!(error.class(), ErrorClass::RateLimited { after_s: 1.. }), "{error:?}");
}

#[tokio::test]
async fn a_refusal_is_not_tried_again_and_carries_no_secret() {
    for (status, code) in [
        ("403 Forbidden", "AccessDenied"),
        ("403 Forbidden", "SignatureDoesNotMatch"),
        ("403 Forbidden", "InvalidAccessKeyId"),
    ] {
        let mut faulty = Faulty::start(vec![refusal(status, code)]).await;
        let error = get(&faulty.client(5)).await.unwrap_err();
        assert!(matches!(error, StagingError::Denied { .. }), "{error:?}");
        assert_eq!(faulty.requests().len(), 1, "{code} is not retried");
        let told = error.to_job_error().to_string();
        assert!(told.contains(code) && told.contains("bucket") && told.contains("key"), "{told}");
        assert!(!told.contains("the-secret-itself"));
    }
}

#[tokio::test]
async fn missing_things_are_told_apart_and_not_tried_again() {
    let mut faulty = Faulty::start(vec![refusal("404 Not Found", "NoSuchBucket")]).await;
    let error = get(&faulty.client(5)).await.unwrap_err();
    assert!(matches!(error, StagingError::NoSuchBucket { .. }), "{error:?}");
    assert_eq!(faulty.requests().len(), 1);

    let mut faulty = Faulty::start(vec![refusal("404 Not Found", "NoSuchKey")]).await;
    let error = get(&faulty.client(5)).await.unwrap_err();
    assert!(matches!(error, StagingError::NotFound { .. }), "{error:?}");
    assert_eq!(faulty.requests().len(), 1);

    // A HEAD's answer has no body: whether the bucket is there takes a second question.
    let bare = || Answer::Send(b"HTTP/1.1 404 Not Found\r\n\r\n".to_vec());
    let faulty = Faulty::start(vec![bare(), bare()]).await;
    let error = faulty.client(1).head("key").await.unwrap_err();
    assert!(matches!(error, StagingError::NoSuchBucket { .. }), "{error:?}");
    let faulty = Faulty::start(vec![bare(), answer(OK, "")]).await;
    assert_eq!(faulty.client(1).head("key").await.unwrap(), None);
}

#[tokio::test]
async fn a_larger_object_is_refused_before_its_body_is_read() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n".to_vec();
    let faulty = Faulty::start(vec![Answer::Hang(head)]).await;
    let error = get(&faulty.client(1)).await.unwrap_err();
    let refused = matches!(error, StagingError::TooLarge { bytes: 1001, bytes_max: 1000, .. });
    assert!(refused, "{error:?}");
}

#[tokio::test]
async fn an_object_without_a_length_is_still_bounded() {
    let mut bytes = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    bytes.extend_from_slice(b"400\r\n");
    bytes.resize(bytes.len() + 0x400, b'x');
    bytes.extend_from_slice(b"\r\n0\r\n\r\n");
    let faulty = Faulty::start(vec![Answer::Send(bytes)]).await;
    let error = get(&faulty.client(1)).await.unwrap_err();
    assert!(matches!(error, StagingError::TooLarge { bytes_max: 1000, .. }), "{error:?}");
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let staging = S3Staging::connect(&config(&format!("http://{port}"), 2)).unwrap();
    let error = get(&staging).await.unwrap_err();
    assert!(matches!(error, StagingError::Unavailable { .. }), "{error:?}");
    assert!(error.to_string().contains(&port.to_string()), "{error}");
}

#[tokio::test]
async fn a_store_without_batch_deletes_is_emptied_one_by_one() {
    let object = |key: &str| format!("<Contents><Key>cluster/{key}</Key><Size>1</Size></Contents>");
    let list = format!("<ListBucketResult>{}{}</ListBucketResult>", object("a/1"), object("a/2"));
    for code in ["NotImplemented", "MissingContentMD5"] {
        let status = if code == "NotImplemented" { "501 No" } else { "400 Bad Request" };
        let answers = vec![answer(OK, &list), refusal(status, code), answer("204 No Content", "")];
        let mut faulty = Faulty::start(answers).await;
        assert_eq!(faulty.client(5).delete_prefix("a").await.unwrap(), 2);
        let requests = faulty.requests();
        assert_eq!(requests.len(), 4, "{requests:?}");
        assert!(requests[2].starts_with("delete /bucket/cluster/a/1"), "{requests:?}");
        assert!(requests[3].starts_with("delete /bucket/cluster/a/2"), "{requests:?}");
    }
}
