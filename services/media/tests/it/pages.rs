use crate::shop::{ELSEWHERE, Shop, visitor_key};
use chrono::Utc;
use reqwest::StatusCode;
use tourbus_protocol::visitor::Visitor;
use uuid::Uuid;

async fn page(shop: &Shop, slug: &str) -> (StatusCode, String) {
    let url = format!("http://{}/artists/{slug}", shop.address);
    let response = shop.client.get(url).send().await.unwrap();
    let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'"), "{policy}");
    (response.status(), response.text().await.unwrap())
}

#[tokio::test]
async fn a_page_names_the_artist_and_plays_the_songs() {
    let shop = Shop::open().await;
    shop.put(
        "artist.json",
        br#"{"name": "Larks & <b>Sons</b>", "slug": "x", "text": "\"hi\" <script>"}"#,
    );
    shop.put("songs/01-river-of-glass.wav", b"x");
    shop.put("songs/02-a \"b\" <c>.mp3", b"x");
    shop.put("songs/notes.txt", b"x");
    shop.put("songs/.hidden.mp3", b"x");
    shop.put("images/cover.svg", b"<svg/>");
    let (status, html) = page(&shop, "the-larks").await;
    assert_eq!(status, StatusCode::OK);
    assert!(html.contains("River of glass"), "{html}");
    assert!(html.contains("/artists/the-larks/media/songs/01-river-of-glass.wav"), "{html}");
    assert!(html.contains("/artists/the-larks/media/images/cover.svg"), "{html}");
    assert!(!html.contains("<b>") && !html.contains("<c>"), "{html}");
    // The scripts are ours.
    let scripts: Vec<_> = html.split("<script").skip(1).collect();
    assert_eq!(scripts.len(), 2, "{html}");
    for (script, name) in scripts.iter().zip(["visitor.js", "player.js"]) {
        let ours = format!(r#" type="module" src="/assets/{name}"></script>"#);
        assert!(script.starts_with(&ours), "{html}");
    }
    assert!(!html.contains("notes") && !html.contains("hidden.mp3"), "{html}");
    // What the page says can be followed.
    for asset in ["artist.css", "player.js", "visitor.js", "artist-icon.svg"] {
        let url = format!("http://{}/assets/{asset}", shop.address);
        assert_eq!(shop.client.get(url).send().await.unwrap().status(), StatusCode::OK, "{asset}");
    }
    let song = "songs/02-a%20%22b%22%20%3Cc%3E.mp3";
    assert!(html.contains(song), "{html}");
    assert_eq!(shop.get(song).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_page_without_words_is_still_a_page() {
    let shop = Shop::open().await;
    for about in ["", "{", "[]", r#"{"name": 3}"#, r#"{"name": "  "}"#] {
        shop.put("artist.json", about.as_bytes());
        let (status, html) = page(&shop, "the-larks").await;
        assert_eq!(status, StatusCode::OK);
        assert!(html.contains("<h1>the-larks</h1>") && html.contains("No songs yet"), "{html}");
    }
}

#[tokio::test]
async fn the_lofi_is_heard_and_the_original_is_had_where_the_artist_allows_it() {
    let shop = Shop::open().await;
    shop.put("songs/a.wav", b"the original");
    let (_, html) = page(&shop, "the-larks").await;
    assert!(html.contains("media/songs/a.wav"), "{html}");
    assert_eq!(shop.get("songs/a.wav").await.status(), StatusCode::OK, "there is nothing else");
    shop.put("lofi/a.wav.mp3", b"the lofi");
    let (_, html) = page(&shop, "the-larks").await;
    assert!(html.contains("media/lofi/a.wav.mp3") && !html.contains("songs/a.wav"), "{html}");
    assert_eq!(shop.get("songs/a.wav").await.status(), StatusCode::FORBIDDEN);
    assert_eq!(shop.get("lofi/a.wav.mp3").await.status(), StatusCode::OK);
    shop.put("artist.json", br#"{"downloads": true}"#);
    assert_eq!(shop.get("songs/a.wav").await.status(), StatusCode::OK);
    let (_, html) = page(&shop, "the-larks").await;
    assert!(html.contains("media/songs/a.wav\" download"), "{html}");
    shop.put("artist.json", br#"{"downloads": false}"#);
    assert_eq!(shop.get("songs/a.wav").await.status(), StatusCode::FORBIDDEN, "from now on");
}

/// Whoever the master has told a browser that it is, within the last minute.
#[tokio::test]
async fn a_page_knows_who_looks_without_asking() {
    let shop = Shop::open().await;
    let signed = |artists: &[&str], ends_in_s: i64| {
        let visitor = Visitor {
            account: Uuid::now_v7(),
            name: "Ada <3".to_owned(),
            artists: artists.iter().map(|a| a.parse().unwrap()).collect(),
            expires_at_s: Utc::now().timestamp() + ends_in_s,
        };
        visitor_key().sign(&visitor).unwrap()
    };
    let seen = async |cookie: String| {
        let url = format!("http://{}/artists/the-larks", shop.address);
        let request =
            shop.client.get(url).header("cookie", format!("a=b; tourbus_visitor={cookie}"));
        let html = request.send().await.unwrap().text().await.unwrap();
        (html.contains("Ada &#60;3"), html.contains("/workshop/the-larks"))
    };
    assert_eq!(seen(signed(&["the-larks"], 45)).await, (true, true));
    assert_eq!(seen(signed(&["the-rooks"], 45)).await, (true, false));
    assert_eq!(seen(signed(&["the-larks"], -20)).await, (false, false), "signed out a minute ago");
    assert_eq!(seen("x.y".to_owned()).await, (false, false));
}

#[tokio::test]
async fn an_unknown_artist_is_pointed_to_the_front_door() {
    let shop = Shop::open().await;
    let (status, html) = page(&shop, "nobody").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(html.contains("http://tourbus.localhost:8080/"), "{html}");
}

#[tokio::test]
async fn a_page_moves_with_its_artist() {
    let shop = Shop::open().await;
    shop.retire();
    let url = format!("http://{}/artists/the-larks?x=1", shop.address);
    let response = shop.client.get(url).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::PERMANENT_REDIRECT);
    let want = format!("{ELSEWHERE}/artists/the-larks?x=1");
    assert_eq!(response.headers()["location"].to_str().unwrap(), want);
    assert_eq!(response.headers()["cache-control"], "no-store");
}

#[tokio::test]
async fn the_server_says_who_it_is() {
    let shop = Shop::open().await;
    let url = format!("http://{}/.well-known/tourbus", shop.address);
    let text = shop.client.get(url).send().await.unwrap().text().await.unwrap();
    assert!(text.contains(r#""server":"server3""#) && text.contains(r#""version":"#), "{text}");
}
