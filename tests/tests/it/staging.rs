//! The staging store that this run uses (the embedded one, or Garage), seen through the client.

use secrecy::SecretString;
use tourbus_config::StagingConfig;
use tourbus_staging::{S3Staging, Staging, StagingError, conformance};

/// The store that the harness started, with a prefix of this test's own.
fn config() -> StagingConfig {
    let var = |name: &str| {
        std::env::var(name).unwrap_or_else(|_| {
            panic!("{name} is not set: run the tests with `make test`, which starts a store")
        })
    };
    StagingConfig {
        endpoint: var("TOURBUS_TEST_S3_ENDPOINT"),
        tls: tourbus_config::ClientTlsConfig::default(),
        region: var("TOURBUS_TEST_S3_REGION"),
        bucket: var("TOURBUS_TEST_S3_BUCKET"),
        prefix: format!("staging-{}/", uuid::Uuid::new_v4().simple()),
        access_key: var("TOURBUS_TEST_S3_ACCESS_KEY"),
        secret_key: SecretString::from(var("TOURBUS_TEST_S3_SECRET_KEY")),
        request_timeout_s: 60,
        attempts_max: 5,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_passes_the_conformance_suite() {
    let staging = S3Staging::connect(&config()).unwrap();
    conformance::run(staging).await;
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_named() {
    let mut config = config();
    config.bucket = "tourbus-has-no-such-bucket".to_owned();
    let staging = S3Staging::connect(&config).unwrap();
    let errors = [
        staging.probe().await.unwrap_err(),
        staging.get("a", 1).await.unwrap_err(),
        staging.head("a").await.unwrap_err(),
        staging.delete_prefix("a").await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, StagingError::NoSuchBucket { .. }), "{error:?}");
        let told = error.to_job_error();
        assert_eq!(told.code, "staging_bucket_missing");
        assert!(told.message.contains("tourbus-has-no-such-bucket"), "{told}");
        assert!(!told.is_retryable());
    }
}

#[tokio::test]
async fn wrong_keys_are_denied_at_once() {
    let mut config = config();
    config.secret_key = SecretString::from("certainly-not-the-secret");
    let staging = S3Staging::connect(&config).unwrap();
    let errors = [staging.probe().await.unwrap_err(), staging.head("a").await.unwrap_err()];
    for error in errors {
        assert!(matches!(error, StagingError::Denied { .. }), "{error:?}");
        assert_eq!(error.to_job_error().code, "staging_denied");
        assert!(!error.to_string().contains("certainly-not"), "errors carry no secret");
    }
}
