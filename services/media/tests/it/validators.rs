use crate::shop::{ELSEWHERE, Shop, noise};
use reqwest::{Response, StatusCode};
use std::fs::{self, File};

fn etag(response: &Response) -> String {
    response.headers()["etag"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_unchanged_file_is_not_sent_again() {
    let shop = Shop::open().await;
    shop.put("songs/a.mp3", b"song");
    let first = shop.get("songs/a.mp3").await;
    let modified = first.headers()["last-modified"].to_str().unwrap().to_owned();
    for (name, value) in [("if-none-match", etag(&first)), ("if-modified-since", modified)] {
        let request = shop.client.get(shop.url("songs/a.mp3")).header(name, value);
        let again = request.send().await.unwrap();
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(etag(&again), etag(&first));
        assert!(again.bytes().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_download_goes_on_on_another_server() {
    let (here, there) = (Shop::open().await, Shop::open().await);
    let bytes = noise(200_000);
    here.put("songs/a.mp3", &bytes);
    there.put("songs/a.mp3", &bytes);
    // A move carries the modification time over, to the nanosecond.
    let mtime = fs::metadata(here.tree().join("songs/a.mp3")).unwrap().modified().unwrap();
    let copy = File::options().write(true).open(there.tree().join("songs/a.mp3")).unwrap();
    copy.set_modified(mtime).unwrap();
    let tag = etag(&here.get("songs/a.mp3").await);
    assert_eq!(etag(&there.get("songs/a.mp3").await), tag);
    let request = there.client.get(there.url("songs/a.mp3"));
    let rest = request.header("range", "bytes=100000-").header("if-range", &tag);
    let rest = rest.send().await.unwrap();
    assert_eq!(rest.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(rest.bytes().await.unwrap(), bytes[100_000..]);
    // Another version has another tag, even of the same size.
    copy.set_modified(mtime + std::time::Duration::from_nanos(1)).unwrap();
    assert_ne!(etag(&there.get("songs/a.mp3").await), tag);
}

#[tokio::test]
async fn a_retired_artist_is_forwarded_with_the_same_path() {
    let shop = Shop::open().await;
    shop.put("songs/a.mp3", b"song");
    shop.retire();
    for path in ["songs/a%20%FF.mp3?t=1", "none", ""] {
        let path = if path.is_empty() { "songs/a.mp3" } else { path };
        let response = shop.get(path).await;
        assert_eq!(response.status(), StatusCode::PERMANENT_REDIRECT);
        let want = format!("{ELSEWHERE}/artists/the-larks/media/{path}");
        assert_eq!(response.headers()["location"].to_str().unwrap(), want);
        assert_eq!(response.headers()["cache-control"], "no-store");
    }
    shop.promote();
    assert_eq!(shop.get("songs/a.mp3").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn what_can_carry_a_script_is_a_download() {
    let shop = Shop::open().await;
    for name in ["evil.html", "evil.svg", "evil.js", "evil.xhtml", "evil"] {
        shop.put(name, b"<script>alert(1)</script>");
        let response = shop.get(name).await;
        let headers = response.headers();
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert!(headers["content-security-policy"].to_str().unwrap().starts_with("sandbox;"));
        let disposition = headers["content-disposition"].to_str().unwrap();
        assert!(disposition.starts_with("attachment"), "{name}: {disposition}");
    }
}

/// A browser opens a song in a document of its own; sandboxed, it could not load the song.
#[tokio::test]
async fn a_song_is_not_sandboxed() {
    let shop = Shop::open().await;
    for name in ["a.wav", "a.mp3", "a.jpg"] {
        shop.put(name, b"bytes");
        let response = shop.get(name).await;
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{name}: {policy}");
        assert!(!response.headers().contains_key("content-disposition"));
    }
}
