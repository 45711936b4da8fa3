use crate::shop::{ELSEWHERE, Shop};
use reqwest::StatusCode;

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
    // The one script is ours.
    let scripts: Vec<_> = html.split("<script").skip(1).collect();
    assert_eq!(scripts.len(), 1, "{html}");
    assert!(
        scripts[0].starts_with(r#" type="module" src="/assets/player.js"></script>"#),
        "{html}"
    );
    assert!(!html.contains("notes") && !html.contains("hidden.mp3"), "{html}");
    // What the page says can be followed.
    for asset in ["artist.css", "player.js", "artist-icon.svg"] {
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
