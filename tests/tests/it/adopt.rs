//! Taking over an old community, with the real command, onto a real server.

use serde_json::{Value, json};
use std::{path::Path, time::Duration};
use tourbus_tests::{
    song,
    support::{Artist, Cluster},
    wait,
};

const PATIENCE: Duration = Duration::from_secs(60);

fn old_community(dir: &Path) {
    let write = |path: &str, bytes: &[u8]| {
        let path = dir.join("media").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    write("7/12_hifi.wav", &song::wav(2, 0.05));
    write("7/12_lofi.mp3", b"small");
    write("7/13_lofi.mp3", b"small only");
    write("7/.htaccess", b"deny from all");
    write("7/forum/1.txt", b"hello");
    write("7/photo.jpg", b"no real picture");
    write("8/1.ogg", b"x");
    let list = json!([
        { "id": "7", "name": "The Rooks", "text": "Since 2006.", "plays": 900, "plays_30d": 30,
          "songs": [{ "id": "13", "title": "Thirteen", "plays_hifi": 1, "plays_lofi": 2 },
                    { "id": "12", "title": "Twelve", "plays_hifi": 10, "plays_lofi": 20 }] },
        { "id": "8", "name": "Larks", "slug": "larks" },
        { "id": "9", "name": "No directory" },
        { "id": "7", "name": "Twice" },
    ]);
    std::fs::write(dir.join("artists.json"), list.to_string()).unwrap();
}

/// The command's end, what it says, and its report.
async fn adopt(cluster: &Cluster, dir: &Path, more: &[&str]) -> (bool, String, Value) {
    adopt_into(cluster, dir, "server2", more).await
}

/// The same with the media root of this server.
async fn adopt_into(
    cluster: &Cluster,
    dir: &Path,
    root_of: &str,
    more: &[&str],
) -> (bool, String, Value) {
    let report = dir.join("report.json");
    let mut command = tokio::process::Command::new(tourbus_local::find_tourbus().unwrap());
    command.args(["adopt", "--server", "server2", "--master", cluster.api.base()]);
    command.arg("--artists").arg(dir.join("artists.json"));
    command.arg("--media").arg(dir.join("media"));
    command.arg("--media-root").arg(cluster.media_root(root_of));
    command.arg("--report").arg(&report).args(more);
    command.env("TOURBUS_API_TOKEN", cluster.api.token()).kill_on_drop(true);
    let output = command.output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    let report =
        std::fs::read(&report).map_or(Value::Null, |b| serde_json::from_slice(&b).unwrap());
    (output.status.success(), text, report)
}

fn outcomes(report: &Value) -> Vec<(&str, &str)> {
    let all = report["artists"].as_array().unwrap().iter();
    all.map(|a| (a["slug"].as_str().unwrap(), a["outcome"].as_str().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_community_is_taken_over_and_its_artists_move() {
    let cluster = Cluster::start("adopt").await;
    let dir = tempfile::tempdir().unwrap();
    old_community(dir.path());
    let (well, text, report) = adopt(&cluster, dir.path(), &["--dry-run"]).await;
    assert!(!well, "two lines cannot be: {text}");
    assert_eq!(
        outcomes(&report),
        [("the-rooks", "would"), ("larks", "would"), ("no-directory", "failed")]
    );
    assert_eq!(report["rejected"][0]["line"], 4, "{report}");
    assert!(cluster.api.all("/artists").await.unwrap().is_empty(), "nothing was done");
    let names = || std::fs::read_dir(cluster.hidden("server2", "by-slug")).unwrap().count();
    assert_eq!(names(), 0, "the probe is gone");

    let (_, text, report) = adopt(&cluster, dir.path(), &[]).await;
    assert_eq!(
        outcomes(&report),
        [("the-rooks", "adopted"), ("larks", "adopted"), ("no-directory", "failed")]
    );
    assert!(
        text.contains("4 artists: 2 taken over, 1 failed, 1 cannot be taken over; 3 songs"),
        "{text}"
    );
    let id = report["artists"][0]["artist_id"].as_str().unwrap();
    let rooks = Artist { id: id.parse().unwrap(), slug: "the-rooks".into() };
    let tree = cluster.tree("server2", &rooks);
    for (path, want) in [
        ("songs/12.wav", song::wav(2, 0.05)),
        ("lofi/12.wav.mp3", b"small".to_vec()),
        ("songs/13.mp3", b"small only".to_vec()),
        ("archive/.htaccess", b"deny from all".to_vec()),
        ("archive/forum/1.txt", b"hello".to_vec()),
        ("images/photo.jpg", b"no real picture".to_vec()),
    ] {
        assert!(std::fs::read(tree.join(path)).unwrap() == want, "{path}");
    }
    let seen = cluster.api.get(&format!("/artists/{id}")).await.unwrap();
    assert_eq!((&seen["plays_total"], &seen["plays_30d"]), (&json!(900), &json!(30)));
    // What the server itself tells of the songs keeps their plays. What has no LOFI is converted;
    // that it is no song is noted in the tree, which then stays as it is.
    let songs = || async {
        let songs = cluster.api.all(&format!("/artists/{id}/songs")).await.unwrap();
        let one = |s: &Value| json!([s["title"], s["plays_total"], s["lofi_state"]]);
        songs.iter().map(one).collect::<Vec<_>>()
    };
    let want = [json!(["Thirteen", 3, "failed"]), json!(["Twelve", 30, "made"])];
    wait::until("the songs", PATIENCE, songs, |s| s == &want).await;
    let page = String::from_utf8(cluster.hear(&rooks, "").await.unwrap()).unwrap();
    assert!(page.contains("Since 2006.") && page.contains("lofi/12.wav.mp3"), "{page}");

    let archived = cluster.hear(&rooks, "archive/forum/1.txt").await;
    assert!(archived.unwrap_err().to_string().contains("404"), "nobody is to see it");
    let before = cluster.snapshot("server2", &rooks);
    let batch = cluster.move_all(std::slice::from_ref(&rooks), "server3").await;
    cluster.wait_batch(&batch, PATIENCE).await;
    tourbus_tests::tree::assert_equal(&before, &cluster.snapshot("server3", &rooks), "the tree");
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_the_way_is_told_before_anything_is_done() {
    let cluster = Cluster::start("adopt_bad").await;
    let dir = tempfile::tempdir().unwrap();
    old_community(dir.path());
    let list = dir.path().join("artists.csv");
    std::fs::write(&list, "name\nx\n").unwrap();
    let mut command = tokio::process::Command::new(tourbus_local::find_tourbus().unwrap());
    command.args(["adopt", "--server", "server2", "--master", cluster.api.base()]);
    command.arg("--artists").arg(&list).arg("--media").arg(dir.path());
    command.arg("--media-root").arg(cluster.media_root("server2"));
    let without_token = command.env_remove("TOURBUS_API_TOKEN").output().await.unwrap();
    let says = String::from_utf8_lossy(&without_token.stderr).into_owned();
    assert!(
        !without_token.status.success() && says.contains("TOURBUS_API_TOKEN is not set"),
        "{says}"
    );
    let malformed = command.env("TOURBUS_API_TOKEN", cluster.api.token()).output().await.unwrap();
    let says = String::from_utf8_lossy(&malformed.stderr).into_owned();
    assert!(!malformed.status.success() && says.contains("the head has no column `id`"), "{says}");
    let denied = command.env("TOURBUS_API_TOKEN", "x").output().await.unwrap();
    let says = String::from_utf8_lossy(&denied.stderr).into_owned();
    assert!(
        !denied.status.success() && says.contains("unknown, was revoked or has expired"),
        "{says}"
    );
    assert!(!cluster.hidden("server2", "adopting").exists(), "nothing was copied");
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_seen_that_the_master_does_not_want() {
    let cluster = Cluster::start("adopt_unwanted").await;
    let dir = tempfile::tempdir().unwrap();
    old_community(dir.path());
    let (_, text, _) = adopt_into(&cluster, dir.path(), "server3", &[]).await;
    assert!(text.contains("is not the media root of server2"), "{text}");
    let (_, text, report) = adopt(&cluster, dir.path(), &[]).await;
    assert_eq!(outcomes(&report)[1], ("larks", "adopted"), "{text}");
    let id = report["artists"][1]["artist_id"].as_str().unwrap();
    let larks = Artist { id: id.parse().unwrap(), slug: "larks".into() };
    let batch = cluster.move_all(std::slice::from_ref(&larks), "server3").await;
    cluster.wait_batch(&batch, PATIENCE).await;

    // Once more: who has moved since is left where they are.
    let (_, text, report) = adopt(&cluster, dir.path(), &[]).await;
    assert_eq!(outcomes(&report)[..2], [("the-rooks", "known"), ("larks", "known")], "{text}");
    assert!(!cluster.tree("server2", &larks).exists());
    cluster.old_link_forwards(&larks, "server2", "server3").await;

    // An address that is somebody else's.
    let there = cluster.add_artist("server3", |root| std::fs::create_dir(root.join("songs"))).await;
    let list = json!([{ "id": "8", "name": "Impostor", "slug": there.slug }]);
    std::fs::write(dir.path().join("artists.json"), list.to_string()).unwrap();
    let (well, text, _) = adopt(&cluster, dir.path(), &["--community", "other"]).await;
    assert!(!well && text.contains("Another artist has the address"), "{text}");
    let link = cluster.hidden("server2", "by-slug").join(&there.slug);
    assert!(link.symlink_metadata().is_err(), "it is not seen");
    let drafts = cluster.hidden("server2", "adopting");
    assert_eq!(std::fs::read_dir(drafts).unwrap().count(), 0, "nothing is left of it");
    cluster.finish().await;
}
