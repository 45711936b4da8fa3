use crate::shop::Shop;
use reqwest::StatusCode;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt, os::unix::fs::symlink};

const PREFIX: &str = "/artists/the-larks/media/";

#[tokio::test]
async fn nothing_outside_the_tree_is_served() {
    let shop = Shop::open().await;
    fs::write(shop.dir.path().join("secret"), "the secret").unwrap();
    fs::write(shop.root.path().join("secret"), "the secret").unwrap();
    let secret = shop.dir.path().join("secret");
    symlink(&secret, shop.tree().join("songs/absolute")).unwrap();
    symlink("../../secret", shop.tree().join("songs/relative")).unwrap();
    symlink("..", shop.tree().join("up")).unwrap();
    symlink("/proc/self/root", shop.tree().join("magic")).unwrap();
    let absolute = secret.to_str().unwrap();
    for (path, status) in [
        ("../secret".to_owned(), 400),
        ("../../secret".to_owned(), 400),
        ("songs/../../secret".to_owned(), 400),
        ("%2e%2e/secret".to_owned(), 400),
        ("%2E%2e/%2e%2E/secret".to_owned(), 400),
        ("..%2fsecret".to_owned(), 400),
        ("songs%2f..%2f..%2fsecret".to_owned(), 400),
        ("..%5csecret".to_owned(), 404),
        ("%00".to_owned(), 400),
        ("secret%00.mp3".to_owned(), 400),
        (absolute.to_owned(), 404),
        (absolute.replace('/', "%2f"), 400),
        (format!("/{absolute}"), 404),
        ("songs/absolute".to_owned(), 404),
        ("songs/relative".to_owned(), 404),
        ("up/secret".to_owned(), 404),
        (format!("magic{absolute}"), 404),
        ("..;/secret".to_owned(), 404),
        ("%c0%ae%c0%ae/secret".to_owned(), 404),
        ("%252e%252e/secret".to_owned(), 404),
    ] {
        let answer = shop.raw(&format!("{PREFIX}{path}")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
        assert!(!answer.contains("the secret"), "{path}: {answer}");
    }
    for path in [
        "/artists/../secret",
        "/artists/%2e%2e/media/secret",
        "/artists/.tourbus/media/by-slug/the-larks",
        "/artists/the-larks/media/../../.tourbus/by-slug/the-larks",
        "//artists/the-larks/media/songs/absolute",
    ] {
        let answer = shop.raw(path).await;
        assert!(answer.starts_with("HTTP/1.1 40"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn what_is_no_file_is_not_found_and_never_hangs() {
    let shop = Shop::open().await;
    mknodat(CWD, shop.tree().join("songs/fifo.mp3"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    shop.put(".hidden/a.mp3", b"x");
    shop.put("songs/.env", b"x");
    for path in ["songs/fifo.mp3", "songs", "songs/", "none.mp3", ".hidden/a.mp3", "songs/.env", ""]
    {
        assert_eq!(shop.get(path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(shop.get(&"x".repeat(300)).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(shop.get(&"x/".repeat(4000)).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn odd_names_are_served() {
    let shop = Shop::open().await;
    for (name, url) in [
        (&b"caf\xc3\xa9 noir.mp3"[..], "caf%C3%A9%20noir.mp3"),
        (b"\xff\xfe.mp3", "%FF%FE.mp3"),
        (b"a%2fb.mp3", "a%252fb.mp3"),
        (b"what?.mp3", "what%3F.mp3"),
        (b"#1.mp3", "%231.mp3"),
        (b"line\nbreak.mp3", "line%0Abreak.mp3"),
        (b"a\\b.mp3", "a%5Cb.mp3"),
        (b"...and then.mp3 ", ""),
    ] {
        shop.put(OsStr::from_bytes(name), name);
        if !url.is_empty() {
            let response = shop.get(url).await;
            assert_eq!(response.status(), StatusCode::OK, "{url}");
            assert_eq!(response.bytes().await.unwrap(), name);
        }
    }
}

#[tokio::test]
async fn files_cannot_be_written() {
    let shop = Shop::open().await;
    shop.put("songs/a.mp3", b"song");
    for method in [reqwest::Method::PUT, reqwest::Method::POST, reqwest::Method::DELETE] {
        let request = shop.client.request(method, shop.url("songs/a.mp3")).body("x");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.headers()["allow"], "GET, HEAD");
    }
    assert_eq!(fs::read(shop.tree().join("songs/a.mp3")).unwrap(), b"song");
}
