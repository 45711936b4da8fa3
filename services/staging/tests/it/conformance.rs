//! The suite that every staging backend must pass; and what only this one does.

use crate::support::{BUCKET, Served, tree};
use bytes::Bytes;
use tourbus_staging::{S3Staging, Staging, StagingError, conformance};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passes_the_suite_and_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let served = Served::start(root.path()).await;
    conformance::run(served.client()).await;
    assert_eq!(tree(root.path()), [".incoming", ".lock", BUCKET]);
    served.stop().await;
}

#[tokio::test]
async fn a_wrong_key_is_denied_and_says_so() {
    let root = tempfile::tempdir().unwrap();
    let served = Served::start(root.path()).await;
    let (mut secret, mut access) = (served.client_config(), served.client_config());
    secret.secret_key = "another".to_owned().into();
    access.access_key = "nobody".to_owned();
    for config in [secret, access] {
        let staging = S3Staging::connect(&config).unwrap();
        let error = staging.put("a", Bytes::from_static(b"x")).await.unwrap_err();
        assert!(matches!(error, StagingError::Denied { .. }), "{error}");
        assert!(matches!(staging.head("a").await, Err(StagingError::Denied { .. })));
        assert!(matches!(staging.probe().await, Err(StagingError::Denied { .. })));
    }
    served.stop().await;
}

#[tokio::test]
async fn a_missing_bucket_is_its_own_error_for_every_call() {
    let root = tempfile::tempdir().unwrap();
    let served = Served::start(root.path()).await;
    let mut config = served.client_config();
    config.bucket = "elsewhere".to_owned();
    let staging = S3Staging::connect(&config).unwrap();
    let errors = [
        staging.put("a", Bytes::from_static(b"x")).await.unwrap_err(),
        staging.get("a", 10).await.unwrap_err(),
        staging.get_range("a", 0, 1).await.unwrap_err(),
        staging.head("a").await.unwrap_err(),
        staging.list("a", None, 10).await.unwrap_err(),
        staging.delete_prefix("a").await.unwrap_err(),
        staging.probe().await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, StagingError::NoSuchBucket { .. }), "{error}");
        assert_eq!(error.to_job_error().code, "staging_bucket_missing");
    }
    served.stop().await;
}

#[tokio::test]
async fn a_key_that_cannot_be_a_path_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let served = Served::start(root.path()).await;
    let staging = served.client();
    staging.put("a", Bytes::from_static(b"x")).await.unwrap();
    for key in ["x//y", "x/", "a/b", &"n".repeat(300)] {
        let error = staging.put(key, Bytes::from_static(b"x")).await.unwrap_err();
        assert!(matches!(error, StagingError::Other { .. }), "{key}: {error}");
    }
    assert_eq!(tree(&root.path().join(BUCKET)), ["test", "test/a"]);
    served.stop().await;
}
