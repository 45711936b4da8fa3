use crate::shop::{Shop, noise};
use proptest::{prelude::*, test_runner::TestRunner};
use reqwest::{Response, StatusCode};

/// Several pieces of the page cache and of the disk, and an odd rest.
const BYTES: usize = 700_001;

fn header(response: &Response, name: &str) -> String {
    response.headers().get(name).map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_range_is_the_slice() {
    let shop = Shop::open().await;
    let bytes = noise(BYTES);
    shop.put("songs/a.mp3", &bytes);
    let end = BYTES as u64 + 10;
    let range = prop_oneof![
        (0..end, 0..end).prop_map(|(a, b)| (Some(a), Some(b))),
        (0..end).prop_map(|a| (Some(a), None)),
        (0..end).prop_map(|b| (None, Some(b))),
    ];
    let handle = tokio::runtime::Handle::current();
    let (shop, bytes) = (&shop, &bytes);
    let check = |(a, b): (Option<u64>, Option<u64>)| {
        let text = |n: Option<u64>| n.map(|n| n.to_string()).unwrap_or_default();
        let value = format!("bytes={}-{}", text(a), text(b));
        handle.block_on(async {
            let request = shop.client.get(shop.url("songs/a.mp3")).header("range", &value);
            let response = request.send().await.unwrap();
            let size = BYTES as u64;
            let want = match (a, b) {
                (Some(a), Some(b)) if a > b => None,
                (Some(a), b) => Some((a, b.unwrap_or(size - 1).min(size - 1))),
                (None, b) => {
                    let last = b.unwrap().min(size);
                    Some((if last == 0 { size } else { size - last }, size - 1))
                }
            };
            let Some((first, last)) = want else {
                prop_assert_eq!(response.status(), StatusCode::OK);
                return Ok(());
            };
            if first >= size {
                prop_assert_eq!(response.status(), StatusCode::RANGE_NOT_SATISFIABLE);
                prop_assert_eq!(header(&response, "content-range"), format!("bytes */{size}"));
                return Ok(());
            }
            prop_assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
            let shown = format!("bytes {first}-{last}/{size}");
            prop_assert_eq!(header(&response, "content-range"), shown);
            let got = response.bytes().await.unwrap();
            prop_assert_eq!(&got[..], &bytes[first as usize..=last as usize]);
            Ok(())
        })
    };
    tokio::task::block_in_place(|| {
        let config = ProptestConfig { failure_persistence: None, cases: 96, ..Default::default() };
        TestRunner::new(config).run(&range, check).unwrap();
    });
}

#[tokio::test]
async fn whole_head_and_many_ranges() {
    let shop = Shop::open().await;
    let bytes = noise(BYTES);
    shop.put("songs/a.mp3", &bytes);
    let response = shop.get("songs/a.mp3").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "content-type"), "audio/mpeg");
    assert_eq!(header(&response, "accept-ranges"), "bytes");
    assert_eq!(header(&response, "x-content-type-options"), "nosniff");
    assert_eq!(response.bytes().await.unwrap(), bytes);
    let head = shop.client.head(shop.url("songs/a.mp3")).header("range", "bytes=0-1");
    let head = head.send().await.unwrap();
    assert_eq!(
        (head.status(), header(&head, "content-length")),
        (StatusCode::OK, BYTES.to_string())
    );
    let several = shop.client.get(shop.url("songs/a.mp3")).header("range", "bytes=0-0,5-9");
    let several = several.send().await.unwrap();
    assert_eq!(several.status(), StatusCode::OK);
    assert_eq!(several.bytes().await.unwrap(), bytes);
}

#[tokio::test]
async fn an_empty_file_is_whole() {
    let shop = Shop::open().await;
    shop.put("songs/empty.mp3", b"");
    let request = shop.client.get(shop.url("songs/empty.mp3")).header("range", "bytes=0-");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "content-length"), "0");
    assert!(response.bytes().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_file_that_shrinks_never_looks_whole() {
    let shop = Shop::open().await;
    // More than the sockets and the connection can hold, so that the end is read late.
    shop.put("songs/a.mp3", &vec![1; 64 << 20]);
    let response = shop.get("songs/a.mp3").await;
    shop.put("songs/a.mp3", b"short");
    assert!(response.bytes().await.is_err());
}

#[tokio::test]
async fn a_stream_outlives_retirement_and_shutdown() {
    let mut shop = Shop::open().await;
    let bytes = noise(24 << 20);
    shop.put("songs/a.mp3", &bytes);
    let response = shop.get("songs/a.mp3").await;
    shop.retire();
    std::fs::remove_dir_all(shop.dir.path().join("aside")).unwrap();
    shop.shutdown.cancel();
    assert_eq!(response.bytes().await.unwrap(), bytes);
    let serving = shop.serving.take().unwrap();
    tokio::time::timeout(std::time::Duration::from_secs(5), serving).await.unwrap().unwrap();
    assert!(shop.client.get(shop.url("songs/a.mp3")).send().await.is_err());
}
