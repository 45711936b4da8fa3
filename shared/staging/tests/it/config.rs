//! Configurations that cannot work are refused before the first request.

use crate::server::config;
use tourbus_config::StagingConfig;
use tourbus_staging::{S3Staging, Staging, StagingError};

fn refused(change: impl Fn(&mut StagingConfig)) -> String {
    let mut config = config("http://127.0.0.1:1", 1);
    change(&mut config);
    let error = S3Staging::connect(&config).unwrap_err();
    assert!(matches!(error, StagingError::Invalid { .. }), "{error:?}");
    assert_eq!(error.to_job_error().code, "staging_misconfigured");
    error.to_job_error().to_string()
}

#[test]
fn what_cannot_work_is_refused_with_a_remedy() {
    let file = refused(|c| {
        c.endpoint = "https://s3.example".to_owned();
        c.tls.ca_file = Some("/nowhere/ca.pem".into());
    });
    assert!(file.contains("staging.") && file.contains("/nowhere/ca.pem"), "{file}");
    let text = refused(|c| {
        c.endpoint = "https://s3.example".to_owned();
        c.tls.ca_pem = Some("no certificate".to_owned());
    });
    assert!(text.contains("holds no certificate in PEM form"), "{text}");
    assert!(refused(|c| c.endpoint = "localhost:3900".to_owned()).contains("https://"));
    assert!(refused(|c| c.bucket = String::new()).contains("bucket"));
    assert!(refused(|c| c.prefix = "no-slash".to_owned()).contains("prefix"));
    assert!(refused(|c| c.prefix = "/rooted/".to_owned()).contains("prefix"));
    assert!(refused(|c| c.attempts_max = 0).contains("attempts_max"));
    assert!(refused(|c| c.request_timeout_s = 0).contains("request_timeout_s"));
}

#[tokio::test]
async fn the_whole_bucket_is_never_emptied() {
    let mut config = config("http://127.0.0.1:1", 1);
    config.prefix = String::new();
    let staging = S3Staging::connect(&config).unwrap();
    let error = staging.delete_prefix("").await.unwrap_err();
    assert!(matches!(error, StagingError::Invalid { .. }), "{error:?}");
}
