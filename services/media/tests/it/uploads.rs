//! Uploads by the tus protocol, over real TCP; pictures and vault files, which need no decoder.

use crate::shop::{Shop, noise, visitor_key};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{TimeDelta, Utc};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use std::{fs, path::Path};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tourbus_domain::JobId;
use tourbus_mediaroot::Freeze;
use tourbus_protocol::visitor::Grant;
use uuid::Uuid;

const MIB: usize = 1 << 20;

fn grant(shop: &Shop) -> Grant {
    let now = Utc::now().timestamp();
    Grant {
        server: "server3".parse().unwrap(),
        artist: shop.artist,
        slug: shop.slug.clone(),
        account: Uuid::now_v7(),
        quota_bytes: 64 << 20,
        issued_at_s: now,
        expires_at_s: now + 45,
    }
}

fn token(grant: &Grant) -> String {
    visitor_key().sign(grant).unwrap()
}

fn ask(shop: &Shop, method: Method, path: &str) -> RequestBuilder {
    let url = format!("http://{}/artists/the-larks/{path}", shop.address);
    let tus = shop.client.request(method, url).header("tus-resumable", "1.0.0");
    tus.bearer_auth(token(&grant(shop)))
}

async fn begin(shop: &Shop, kind: &str, name: &str, bytes: usize) -> Response {
    let pair = |key: &str, value: &str| format!("{key} {}", STANDARD.encode(value));
    let metadata = format!("{},{}", pair("filename", name), pair("kind", kind));
    let request = ask(shop, Method::POST, "uploads").header("upload-length", bytes);
    request.header("upload-metadata", metadata).send().await.unwrap()
}

async fn begun(shop: &Shop, kind: &str, name: &str, bytes: usize) -> String {
    let answer = begin(shop, kind, name, bytes).await;
    assert_eq!(answer.status(), 201);
    let location = answer.headers()["location"].to_str().unwrap();
    location.strip_prefix("/artists/the-larks/").unwrap().to_owned()
}

fn patch(shop: &Shop, place: &str, offset: usize) -> RequestBuilder {
    ask(shop, Method::PATCH, place)
        .header("upload-offset", offset)
        .header("content-type", "application/offset+octet-stream")
}

async fn send(shop: &Shop, place: &str, offset: usize, bytes: &[u8]) -> Response {
    patch(shop, place, offset).body(bytes.to_vec()).send().await.unwrap()
}

async fn offset(shop: &Shop, place: &str) -> usize {
    let answer = ask(shop, Method::HEAD, place).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.headers()["upload-offset"].to_str().unwrap().parse().unwrap()
}

async fn problem(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    assert!(body["detail"].as_str().unwrap().ends_with('.'), "{body}");
    (status, body["code"].as_str().unwrap().to_owned())
}

/// Nothing of an upload is left in the tree.
fn assert_nothing_left(shop: &Shop) {
    let uploads = shop.tree().join(".uploads");
    let left: Vec<_> = fs::read_dir(uploads).map_or_else(
        |_| Vec::new(),
        |dir| {
            let names = dir.map(|e| e.unwrap().file_name().into_string().unwrap());
            names.filter(|n| Path::new(n).extension().is_some_and(|e| e == "part")).collect()
        },
    );
    assert_eq!(left, [""; 0]);
}

#[tokio::test]
async fn a_file_arrives_in_pieces_and_is_served() {
    let shop = Shop::open().await;
    let bytes = noise(3 * MIB + 17);
    let place = begun(&shop, "vault", "Press kit (2026).pdf", bytes.len()).await;
    let first = send(&shop, &place, 0, &bytes[..MIB]).await;
    assert_eq!(first.status(), 204);
    assert_eq!(first.headers()["upload-offset"], MIB.to_string());
    assert_eq!(
        problem(send(&shop, &place, 0, &bytes[..MIB]).await).await,
        (409, "wrong_offset".into())
    );
    assert_eq!(offset(&shop, &place).await, MIB);
    assert_eq!(send(&shop, &place, MIB, &bytes[MIB..]).await.status(), 204);
    assert_eq!(offset(&shop, &place).await, bytes.len(), "for whoever missed the answer");
    assert_eq!(send(&shop, &place, bytes.len(), b"").await.status(), 204, "again");
    let served = shop.get("vault/Press-kit-2026.pdf").await;
    assert_eq!(served.bytes().await.unwrap(), bytes);
    assert_nothing_left(&shop);
    let about: Value =
        serde_json::from_slice(&fs::read(shop.tree().join("artist.json")).unwrap()).unwrap();
    assert_eq!(about["revision"], 1);
}

/// The connection breaks in the middle of a request; what arrived stays, the rest is sent.
#[tokio::test]
async fn an_upload_that_breaks_off_goes_on_where_it_was() {
    let shop = Shop::open().await;
    let bytes = noise(6 * MIB);
    let place = begun(&shop, "vault", "a.bin", bytes.len()).await;
    let mut sent = 0;
    for _ in 0..3 {
        let piece = &bytes[sent..sent + MIB + 1000];
        cut_off(&shop, &place, sent, bytes.len() - sent, piece).await;
        assert_eq!(offset(&shop, &place).await, sent + piece.len());
        sent += piece.len();
    }
    assert_eq!(send(&shop, &place, sent, &bytes[sent..]).await.status(), 204);
    assert_eq!(fs::read(shop.tree().join("vault/a.bin")).unwrap(), bytes);
}

/// The head of a request that brings `length` bytes.
fn head_of(shop: &Shop, place: &str, offset: usize, length: usize) -> String {
    format!(
        "PATCH /artists/the-larks/{place} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Tus-Resumable: 1.0.0\r\nUpload-Offset: {offset}\r\nContent-Length: {length}\r\n\
         Content-Type: application/offset+octet-stream\r\n\r\n",
        token(&grant(shop))
    )
}

/// A request that announces `length` bytes and ends after these.
async fn cut_off(shop: &Shop, place: &str, offset: usize, length: usize, bytes: &[u8]) {
    let mut stream = TcpStream::connect(shop.address).await.unwrap();
    let head = head_of(shop, place, offset, length);
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream.shutdown().await.unwrap();
    // Until the server has read it all and hangs up.
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
}

/// Who has sent all of a file may go: it is put into its place all the same.
#[tokio::test]
async fn a_whole_upload_needs_nobody_to_wait() {
    let shop = Shop::open().await;
    let bytes = noise(2 * MIB);
    let place = begun(&shop, "vault", "a.bin", bytes.len()).await;
    let mut stream = TcpStream::connect(shop.address).await.unwrap();
    stream.write_all(head_of(&shop, &place, 0, bytes.len()).as_bytes()).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    // Closed, with the answer unread.
    drop(stream);
    let mut last = None;
    let since = std::time::Instant::now();
    while last != Some(200) {
        assert!(since.elapsed() < std::time::Duration::from_secs(20), "last seen: {last:?}");
        last = Some(shop.get("vault/a.bin").await.status().as_u16());
    }
    assert_eq!(shop.get("vault/a.bin").await.bytes().await.unwrap(), bytes);
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_leaves_nothing() {
    let shop = Shop::open().await;
    for (kind, name, bytes, want) in [
        ("vault", "../a", 1, (400, "bad_name")),
        ("vault", "a\0b", 1, (400, "bad_name")),
        ("vault", "gnp.\u{202e}3pm", 1, (400, "bad_name")),
        ("vault", &"x".repeat(4096), 1, (400, "bad_name")),
        ("vault", "", 1, (400, "bad_name")),
        ("film", "a", 1, (400, "bad_kind")),
        ("vault", "a", 0, (400, "empty")),
        ("image", "a.png", 26 * MIB, (413, "too_large")),
        ("vault", "a", 65 * MIB, (413, "over_quota")),
    ] {
        let got = problem(begin(&shop, kind, name, bytes).await).await;
        assert_eq!((got.0, got.1.as_str()), want, "{name:.20}");
    }
    assert_nothing_left(&shop);
}

#[tokio::test]
async fn more_than_was_announced_is_refused() {
    let shop = Shop::open().await;
    let place = begun(&shop, "vault", "a.bin", 10).await;
    assert_eq!(problem(send(&shop, &place, 0, &[0; 11]).await).await, (400, "too_much".into()));
    // Without a Content-Length nobody knows beforehand.
    let chunks = futures_util::stream::iter([Ok::<_, std::io::Error>(vec![0; 8]), Ok(vec![0; 8])]);
    let body = reqwest::Body::wrap_stream(chunks);
    let answer = patch(&shop, &place, 0).body(body).send().await.unwrap();
    assert_eq!(problem(answer).await, (400, "too_much".into()));
    assert!(offset(&shop, &place).await <= 10);
}

#[tokio::test]
async fn pictures_are_known_by_their_content() {
    let shop = Shop::open().await;
    for (name, bytes, code) in [
        ("a.png", b"<html>".to_vec(), "not_an_image"),
        ("a.png", png(100_000, 100_000), "image_too_large"),
        ("a.png", png(10, 10)[..40].to_vec(), "image_damaged"),
    ] {
        let place = begun(&shop, "image", name, bytes.len()).await;
        assert_eq!(problem(send(&shop, &place, 0, &bytes).await).await, (422, code.into()));
        assert_eq!(problem(send(&shop, &place, bytes.len(), b"").await).await, (422, code.into()));
    }
    assert_nothing_left(&shop);
    assert!(
        !shop.tree().join("images").exists()
            || fs::read_dir(shop.tree().join("images")).unwrap().count() == 0
    );
    let bytes = png(10, 10);
    let place = begun(&shop, "cover", "me.jpg", bytes.len()).await;
    assert_eq!(send(&shop, &place, 0, &bytes).await.status(), 204);
    let page = shop.raw("/artists/the-larks").await;
    assert!(page.contains("/artists/the-larks/media/images/me.png"), "{page}");
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend(b"\x08\x06\0\0\0\0\0\0\0\0\0\0\0IEND\xae\x42\x60\x82");
    bytes
}

#[tokio::test]
async fn only_leave_for_this_artist_here_and_now_counts() {
    let shop = Shop::open().await;
    let good = grant(&shop);
    let url = format!("http://{}/artists/the-larks/workshop", shop.address);
    let get = async |token: Option<String>| {
        let request = shop.client.get(&url);
        let request = if let Some(token) = token { request.bearer_auth(token) } else { request };
        request.send().await.unwrap()
    };
    assert_eq!(get(Some(token(&good))).await.status(), 200);
    let other = |change: &dyn Fn(&mut Grant)| {
        let mut grant = good.clone();
        change(&mut grant);
        Some(token(&grant))
    };
    let forged = tourbus_protocol::visitor::VisitorKey::from_hex(&"08".repeat(32)).unwrap();
    for (token, want) in [
        (None, (401, "not_granted")),
        (Some("x".into()), (401, "not_granted")),
        (Some(forged.sign(&good).unwrap()), (401, "not_granted")),
        (other(&|g| g.expires_at_s -= 120), (401, "not_granted")),
        (other(&|g| g.server = "server2".parse().unwrap()), (403, "other_server")),
        (other(&|g| g.slug = "the-rooks".parse().unwrap()), (403, "other_artist")),
        (other(&|g| g.artist = tourbus_domain::ArtistId::new()), (409, "moved")),
    ] {
        let got = problem(get(token).await).await;
        assert_eq!((got.0, got.1.as_str()), want);
    }
}

/// While a move takes its last look nothing is written; afterwards the upload goes on.
#[tokio::test]
async fn a_moving_artist_is_not_written_and_the_upload_goes_on_after() {
    let shop = Shop::open().await;
    let place = begun(&shop, "vault", "a.bin", 20).await;
    assert_eq!(send(&shop, &place, 0, &[1; 10]).await.status(), 204);
    let now = Utc::now();
    let freeze = Freeze { job_id: JobId::new(), expires_at: now + TimeDelta::seconds(600) };
    shop.root.take_freeze(shop.artist, freeze, now).unwrap();
    let answer = send(&shop, &place, 10, &[2; 10]).await;
    assert_eq!(answer.headers()["retry-after"], "2");
    assert_eq!(problem(answer).await, (423, "moving".into()));
    assert_eq!(problem(begin(&shop, "vault", "b.bin", 1).await).await, (423, "moving".into()));
    shop.root.lift_freeze(shop.artist, freeze.job_id).unwrap();
    assert_eq!(send(&shop, &place, 10, &[2; 10]).await.status(), 204);
    shop.retire();
    assert_eq!(problem(begin(&shop, "vault", "b.bin", 1).await).await, (409, "moved".into()));
}

#[tokio::test]
async fn given_up_means_gone_and_the_shelf_shows_what_is_there() {
    let shop = Shop::open().await;
    shop.put("songs/01-a.mp3", b"x");
    let place = begun(&shop, "vault", "a.bin", 20).await;
    send(&shop, &place, 0, &[1; 10]).await;
    let shelf = async || -> Value {
        ask(&shop, Method::GET, "workshop").send().await.unwrap().json().await.unwrap()
    };
    let before = shelf().await;
    assert_eq!(
        (&before["uploads"][0]["arrived_bytes"], &before["coming_bytes"]),
        (&json!(10), &json!(10))
    );
    assert_eq!(ask(&shop, Method::DELETE, &place).send().await.unwrap().status(), 204);
    assert_eq!(ask(&shop, Method::HEAD, &place).send().await.unwrap().status(), 404);
    assert_nothing_left(&shop);
    let id = before["songs"][0]["id"].as_str().unwrap();
    let patched =
        ask(&shop, Method::PATCH, &format!("workshop/songs/{id}")).json(&json!({"title": "New"}));
    let patched: Value = patched.send().await.unwrap().json().await.unwrap();
    assert_eq!(patched["songs"][0]["title"], "New");
    let page = json!({"name": "The Larks", "text": "Hello.", "downloads": true});
    ask(&shop, Method::PATCH, "workshop").json(&page).send().await.unwrap();
    let html = shop.raw("/artists/the-larks").await;
    assert!(html.contains("<h1>The Larks</h1>") && html.contains("Download New"), "{html}");
    let deleted = ask(&shop, Method::DELETE, &format!("workshop/songs/{id}")).send().await.unwrap();
    assert_eq!(deleted.status(), 200);
    assert!(!shop.tree().join("songs/01-a.mp3").exists());
    assert_eq!(shop.root.changed_artists().unwrap(), [shop.artist], "the master is told");
}

#[tokio::test]
async fn pages_of_the_master_may_ask_and_see_the_answer() {
    let shop = Shop::open().await;
    let url = format!("http://{}/artists/the-larks/uploads", shop.address);
    let answer = shop.client.request(Method::OPTIONS, url).send().await.unwrap();
    assert_eq!(answer.status(), 204);
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("access-control-allow-origin"), "http://tourbus.localhost:8080");
    assert!(header("access-control-allow-headers").contains("Upload-Offset"));
    assert!(header("access-control-allow-methods").contains("PATCH"));
    assert_eq!(header("tus-version"), "1.0.0");
    assert!(header("tus-extension").contains("creation"));
}
