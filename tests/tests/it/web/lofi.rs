//! The LOFI page and its API: converting in bulk, what failed, profiles.

use super::fixture::Web;
use serde_json::json;

#[tokio::test]
async fn a_conversion_in_bulk_is_looked_at_before_it_is_queued() {
    let web = Web::start("web_lofi").await;
    web.artists(1, &[("Ada", 1), ("Bob", 2)]).await;
    let page = web.page("/lofi", "admin").await;
    for part in ["Songs that have no LOFI", "See what it takes", "standard"] {
        assert!(page.contains(part), "{part} is missing:\n{page}");
    }
    let (status, _, text) = web.form("/lofi", "server=&which=missing&profile=&do=try").await;
    assert_eq!(status, 200);
    assert!(text.contains("<strong>4 songs</strong> would be converted"), "{text}");
    assert!(text.contains("12 min 0 s of music"), "{text}");
    assert_eq!(web.api("/batches").await.1["items"], json!([]), "a look queues nothing");

    let form = "server=&which=missing&profile=classic&reason=Why+not&do=convert";
    let (status, location, _) = web.form("/lofi", form).await;
    assert_eq!(status, 303);
    let batch = web.page(&location, "operator").await;
    assert!(batch.contains("Converting 4 songs"), "{batch}");
    assert!(batch.contains("songs converted") && batch.contains("Why not"), "{batch}");
    let cancel = web.page(&format!("{location}/cancel"), "operator").await;
    assert!(cancel.contains("Cancel 4 conversions"), "{cancel}");
    let (_, jobs) = web.api("/jobs?kind=lofi").await;
    let job = &jobs["items"][0];
    assert_eq!((&job["bulk"], &job["express"]), (&json!(true), &json!(false)), "{job}");
    assert!(job["song_title"].as_str().unwrap().starts_with("Song "), "{job}");
    let text = web.page(&format!("/jobs/{}", job["id"].as_str().unwrap()), "admin").await;
    assert!(text.contains("LOFI of Song") && text.contains("Convert now"), "{text}");

    let (status, _, text) = web.form("/lofi", "server=&which=missing&profile=&do=convert").await;
    assert!(status == 200 && text.contains("There is nothing to convert"), "{status} {text}");
    assert!(text.contains("4 songs are being converted already"), "{text}");
    let (status, _, text) = web.form("/lofi", "server=&which=all&profile=none&do=try").await;
    assert!(status == 422 && text.contains("There is no profile"), "{status} {text}");
    web.finish().await;
}

#[tokio::test]
async fn profiles_are_made_chosen_and_deleted_on_the_page() {
    let web = Web::start("web_lofi_profiles").await;
    let artist = web.artists(1, &[("Ada", 1)]).await[0];
    let form = "name=tiny&kbit_s=24&channels=1&sample_rate_hz=16000&excerpt_s=";
    let (status, ..) = web.form("/lofi/profiles", form).await;
    assert_eq!(status, 303);
    assert!(web.page("/lofi", "viewer").await.contains("24 kbit/s, mono, 16 kHz"));
    for (form, message) in [
        (form, "There is a profile &quot;tiny&quot; already"),
        ("name=bad&kbit_s=33&channels=1&sample_rate_hz=16000", "has no bitrate of 33000"),
        ("name=bad&kbit_s=lots&channels=1&sample_rate_hz=16000", "is no number of kbit/s"),
        ("name=Big+One&kbit_s=96&channels=2&sample_rate_hz=44100", "small letters"),
    ] {
        let (status, _, text) = web.form("/lofi/profiles", form).await;
        let told = text.replace("&#34;", "&quot;");
        assert!(
            matches!(status, 409 | 422) && told.contains(message),
            "{status} {message}: {text}"
        );
    }
    let at = format!("/artists/{artist}/lofi-profile");
    assert_eq!(web.form(&at, "profile=tiny").await.0, 303);
    assert_eq!(web.api(&format!("/artists/{artist}")).await.1["lofi_profile"], "tiny");
    let (status, _, text) = web.form("/lofi/profiles/tiny/delete", "").await;
    assert!(status == 409 && text.contains("Songs are converted by tiny"), "{status} {text}");
    assert_eq!(web.form(&at, "profile=").await.0, 303);
    assert_eq!(web.form("/lofi/profiles/tiny/choose", "").await.0, 303);
    assert_eq!(web.api("/settings").await.1["lofi_profile"], "tiny");
    assert_eq!(web.form("/lofi/profiles/standard/choose", "").await.0, 303);
    assert_eq!(web.form("/lofi/profiles/tiny/delete", "").await.0, 303);
    let (status, problem) = web.ask("DELETE", "/lofi/profiles/standard", &json!({})).await;
    assert_eq!((status, problem["code"].as_str()), (409, Some("profile_built_in")));
    let page = web.page(&format!("/artists/{artist}"), "operator").await;
    assert!(page.contains("Song 1") && page.contains("LOFI: None"), "{page}");
    assert!(!page.contains("Convert all anew"), "an operator does not");
    web.finish().await;
}

#[tokio::test]
async fn what_a_request_for_conversions_lacks_is_told() {
    let web = Web::start("web_lofi_wrong").await;
    for (body, code) in [
        (json!({}), "which_songs"),
        (json!({ "everything": true, "song_ids": [] }), "which_songs"),
        (json!({ "song_ids": [] }), "which_songs"),
        (json!({ "everything": true, "profile": "x" }), "no_such_profile"),
        (json!({ "server_id": uuid::Uuid::nil() }), "no_such_server"),
        (json!({ "everything": true, "colour": "red" }), "wrong_json"),
    ] {
        let (status, problem) = web.ask("POST", "/lofi", &body).await;
        assert_eq!((status, problem["code"].as_str()), (422, Some(code)), "{body}: {problem}");
        assert!(!problem["remedy"].as_str().unwrap().is_empty());
    }
    let bad = json!({ "lofi_profile": "x", "server_limit": 7 });
    let (status, problem) = web.ask("PATCH", "/settings", &bad).await;
    assert_eq!((status, problem["code"].as_str()), (422, Some("no_such_profile")));
    assert_eq!(web.api("/settings").await.1["server_limit"], json!(null), "all or nothing");
    web.finish().await;
}
