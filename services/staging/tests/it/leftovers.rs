//! What interrupted clients and killed servers leave behind.

use crate::support::{BUCKET, Served, server_config, tree};
use bytes::Bytes;
use std::{fs, path::Path, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tourbus_staging::{S3Staging, Staging};
use tourbus_staging_server::{Server, StagingServerError};

const SOON: Duration = Duration::from_secs(10);

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let polled = timeout(SOON, async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(polled.await.is_ok(), "still not: {what}");
}

fn incoming(root: &Path) -> Vec<String> {
    tree(&root.join(".incoming"))
}

/// The head of a put of `declared` bytes, signed by the real client, which believes that it talks
/// to the host it names; the signature covers that name, not where the bytes go.
async fn head_of_a_put(served: &Served, declared: usize) -> Vec<u8> {
    let tap = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = served.client_config();
    config.endpoint = format!("http://{}", tap.local_addr().unwrap());
    let staging = S3Staging::connect(&config).unwrap();
    let put = tokio::spawn(async move { staging.put("cut", vec![7; declared].into()).await });
    let (mut stream, _) = tap.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    drop(stream);
    assert!(put.await.unwrap().is_err(), "the tap hung up");
    head
}

#[tokio::test]
async fn an_upload_that_ends_early_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let served = Served::start(root.path()).await;
    let staging = served.client();
    staging.put("cut", Bytes::from_static(b"the old object")).await.unwrap();

    let head = head_of_a_put(&served, 5 << 20).await;
    let address = served.endpoint.trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&head).await.unwrap();
    stream.write_all(&vec![7; 3 << 20]).await.unwrap();
    until("the body arrives beside the bucket", || incoming(root.path()).len() == 1).await;
    drop(stream);
    until("the half body is gone", || incoming(root.path()).is_empty()).await;

    assert_eq!(staging.get("cut", 100).await.unwrap(), "the old object");
    let page = staging.list("", None, 10).await.unwrap();
    assert_eq!(page.objects.len(), 1, "listings never show a half body");
    served.stop().await;
}

#[tokio::test]
async fn a_start_clears_what_a_killed_server_left() {
    let root = tempfile::tempdir().unwrap();
    let bucket = root.path().join(BUCKET);
    fs::create_dir_all(bucket.join("test/empty/er")).unwrap();
    fs::create_dir_all(bucket.join("test/full")).unwrap();
    fs::write(bucket.join("test/full/object"), "whole").unwrap();
    fs::create_dir(root.path().join(".incoming")).unwrap();
    fs::write(root.path().join(".incoming/17"), "half").unwrap();

    let served = Served::start(root.path()).await;
    assert_eq!(incoming(root.path()), [""; 0]);
    assert_eq!(tree(&bucket), ["test", "test/full", "test/full/object"]);
    assert_eq!(served.client().get("full/object", 10).await.unwrap(), "whole");
    served.stop().await;
}

#[tokio::test]
async fn two_servers_never_share_a_root() {
    let root = tempfile::tempdir().unwrap();
    let first = Served::start(root.path()).await;
    let second = Server::bind(&server_config(root.path())).await;
    assert!(matches!(second, Err(StagingServerError::InUse { .. })));
    first.stop().await;
    Served::start(root.path()).await.stop().await;
}
