//! LOFI: songs are converted where their artists live, whatever dies or moves meanwhile.

use serde_json::{Value, json};
use std::{fs, path::Path, time::Duration};
use tourbus_lofi::{Limits, inspect};
use tourbus_mediaroot::MediaRoot;
use tourbus_protocol::{
    TreePath,
    page::{About, Song},
};
use tourbus_tests::{
    song,
    support::{Artist, Cluster},
    wait,
};
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(180);

/// A song of a test: its file's name, what is in it, whether it was uploaded just now.
pub struct Given {
    pub name: String,
    pub bytes: Vec<u8>,
    pub fresh: bool,
}

fn given(n: usize, bytes: Vec<u8>) -> Given {
    Given { name: format!("{n:03}.wav"), bytes, fresh: false }
}

/// Short songs, each a little different.
pub fn some(n: usize) -> Vec<Given> {
    (0..n).map(|i| given(i, song::wav(1, 0.02 + i as f64 * 0.001))).collect()
}

fn song_of(given: &Given) -> Song {
    Song {
        id: Uuid::now_v7(),
        path: TreePath::new(format!("songs/{}", given.name)).unwrap(),
        title: given.name.clone(),
        awaits_lofi: given.fresh,
        ..Song::default()
    }
}

/// An artist with these songs, of whom the home server tells the master.
pub async fn artist(cluster: &Cluster, server: &str, songs: &[Given]) -> Artist {
    let artist = cluster
        .add_artist(server, |root| {
            fs::create_dir(root.join("songs"))?;
            for given in songs {
                fs::write(root.join("songs").join(&given.name), &given.bytes)?;
            }
            about(root, songs, 1)
        })
        .await;
    tell(cluster, server, &artist);
    artist
}

fn about(root: &Path, songs: &[Given], revision: u64) -> std::io::Result<()> {
    let about = About {
        name: "Converted".to_owned(),
        revision,
        songs: songs.iter().map(song_of).collect(),
        ..About::default()
    };
    fs::write(root.join(About::FILE), serde_json::to_vec(&about)?)
}

fn tell(cluster: &Cluster, server: &str, artist: &Artist) {
    MediaRoot::new(cluster.media_root(server)).note_changed(artist.id).unwrap();
}

async fn songs(cluster: &Cluster, artist: &Artist) -> Vec<Value> {
    cluster.api.all(&format!("/artists/{}/songs", artist.id)).await.unwrap_or_default()
}

/// Until each of so many songs is in one of these states.
pub async fn wait_songs(
    cluster: &Cluster,
    artist: &Artist,
    n: usize,
    states: &[&str],
) -> Vec<Value> {
    let look = || songs(cluster, artist);
    let ended = |all: &Vec<Value>| {
        all.len() == n && all.iter().all(|s| states.iter().any(|state| s["lofi_state"] == *state))
    };
    wait::until("the songs to be converted", PATIENCE, look, ended).await
}

/// Each song has one LOFI, which plays from its beginning to its end; and nothing else is there.
fn check(cluster: &Cluster, server: &str, artist: &Artist, songs: &[Given]) {
    let tree = cluster.tree(server, artist);
    let mut names: Vec<String> = fs::read_dir(tree.join("lofi"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected: Vec<String> = songs.iter().map(|s| format!("{}.mp3", s.name)).collect();
    assert_eq!(names, expected);
    for given in songs {
        let open = |path: std::path::PathBuf| fs::File::open(path).unwrap();
        let original = tree.join("songs").join(&given.name);
        assert!(fs::read(&original).unwrap() == given.bytes, "{}: the original", given.name);
        let original = inspect(open(original), &Limits::default()).unwrap();
        let made = tree.join("lofi").join(format!("{}.mp3", given.name));
        let made = inspect(open(made), &Limits::default()).unwrap();
        let apart = made.duration_ms.abs_diff(original.duration_ms);
        assert!(apart <= 1, "{}: {apart} ms apart", given.name);
    }
    let waiting = tree.join(".uploads");
    let left: Vec<_> = fs::read_dir(waiting).map_or_else(|_| Vec::new(), Iterator::collect);
    let left: Vec<_> = left.into_iter().map(|e| e.unwrap().file_name()).collect();
    assert!(left.is_empty(), "left over: {left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_server_converts_its_own_artists_songs() {
    let cluster = Cluster::start("lofi_own").await;
    for server in ["server2", "server3"] {
        let given = some(2);
        let artist = artist(&cluster, server, &given).await;
        let songs = wait_songs(&cluster, &artist, 2, &["made"]).await;
        for song in &songs {
            let lofi = &song["lofi"];
            assert!(lofi["by"].as_str().unwrap().starts_with(&format!("{server}-")), "{lofi}");
            assert_eq!((&lofi["profile"], &lofi["made"]), (&json!("standard"), &json!("encoded")));
            assert!(lofi["loudness_lufs"].as_f64().unwrap() < 0.0, "{lofi}");
            assert!(song["duration_ms"] == 1000, "{song}");
        }
        check(&cluster, server, &artist, &given);
        let heard = cluster.hear(&artist, "lofi/000.wav.mp3").await.unwrap();
        let on_disk = cluster.tree(server, &artist).join("lofi/000.wav.mp3");
        assert!(heard == fs::read(on_disk).unwrap());
    }
    let overview = cluster.api.get("/lofi").await.unwrap();
    assert_eq!((&overview["lofis"], &overview["open"]), (&json!(4), &json!(0)), "{overview}");
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_is_kept_and_made_anew_only_when_asked() {
    let cluster = Cluster::start("lofi_kept").await;
    let given = some(3);
    let artist = artist(&cluster, "server2", &given).await;
    wait_songs(&cluster, &artist, 3, &["made"]).await;
    let ask = async |body: Value| {
        let (status, answer) = cluster.api.post("/lofi", &body).await.unwrap();
        assert_eq!(status, 202, "{answer}");
        answer
    };
    let missing = json!({ "artist_ids": [artist.id], "only_missing": true });
    assert_eq!(ask(missing).await["accepted"], 0);
    let dry = ask(json!({ "artist_ids": [artist.id], "dry_run": true })).await;
    assert_eq!((&dry["accepted"], &dry["batch_id"]), (&json!(3), &Value::Null));
    assert_eq!(dry["servers"][0]["audio_ms"], 3000);
    assert!(dry["servers"][0]["estimate_ms"].is_u64(), "{dry}");

    // By another profile: the old ones are outdated.
    cluster.api.patch("/settings", &json!({ "lofi_profile": "classic" })).await.unwrap();
    let outdated = json!({ "everything": true, "only_outdated": true, "reason": "classic again" });
    let answer = ask(outdated.clone()).await;
    assert_eq!(answer["accepted"], 3, "{answer}");
    cluster.wait_batch(answer["batch_id"].as_str().unwrap(), PATIENCE).await;
    // The jobs end first; then the home server tells what the artist has now.
    let classic = |all: &Vec<Value>| all.iter().all(|s| s["lofi"]["profile"] == "classic");
    let all = wait::until("the new LOFI", PATIENCE, || songs(&cluster, &artist), classic).await;
    assert!(all.iter().all(|s| s["lofi"]["channels"] == 1), "{all:#?}");
    assert_eq!(ask(outdated).await["accepted"], 0);
    check(&cluster, "server2", &artist, &given);
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_upload_goes_before_all_that_waits_in_bulk() {
    let cluster = Cluster::start_with("lofi_fresh", "[worker.slots]\nlofi_bulk = 1\n").await;
    let mut many = Vec::new();
    for _ in 0..how_many(120) / 40 {
        many.push(artist(&cluster, "server2", &some(40)).await);
    }
    let server = cluster.server_id("server2");
    let bulk = || async {
        let overview = cluster.api.get("/lofi").await.unwrap();
        let of = |s: &&Value| s["server_id"] == server.as_str();
        let found = overview["servers"].as_array().unwrap().iter().find(of).unwrap().clone();
        (found["queued"].as_u64().unwrap(), found["made_1h"].as_u64().unwrap())
    };
    let all = how_many(120) as u64;
    let begun = |(queued, made): &(u64, u64)| *made > 0 && queued + made > all * 9 / 10;
    wait::until("the bulk to begin", PATIENCE, bulk, begun).await;
    let given = [Given { fresh: true, ..given(0, song::wav(2, 0.05)) }];
    let fresh = artist(&cluster, "server2", &given).await;
    let song = wait_songs(&cluster, &fresh, 1, &["made"]).await.remove(0);
    assert_eq!(song["awaits_lofi"], false);
    let (waiting, _) = bulk().await;
    assert!(waiting > 0, "nothing was left to overtake: the test is too small");
    let jobs = cluster.api.get(&format!("/jobs/{}", song["lofi_job_id"].as_str().unwrap())).await;
    let job = jobs.unwrap();
    assert_eq!((&job["bulk"], &job["steps"][0]["lane"]), (&json!(false), &json!("lofi")), "{job}");
    for one in many {
        wait_songs(&cluster, &one, 40, &["made"]).await;
    }
    cluster.finish().await;
}

/// How many songs; more when somebody wants to be sure.
fn how_many(usually: usize) -> usize {
    std::env::var("TOURBUS_TEST_LOFI_SONGS").map_or(usually, |n| n.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_workers_leave_each_song_with_one_good_lofi() {
    let cluster = Cluster::start("lofi_killed").await;
    let given = some(how_many(60));
    let artist = artist(&cluster, "server2", &given).await;
    let made = || async {
        let all = songs(&cluster, &artist).await;
        all.iter().filter(|s| s["lofi_state"] == "made").count()
    };
    for share in 1..=8 {
        let want = given.len() * share / 10;
        wait::until("some songs", PATIENCE, made, |n| *n >= want).await;
        cluster.kill("worker-server2-1").await;
    }
    wait_songs(&cluster, &artist, given.len(), &["made"]).await;
    check(&cluster, "server2", &artist, &given);
    for job in cluster.api.all("/jobs?kind=lofi").await.unwrap() {
        assert_eq!(job["state"], "succeeded", "{job}");
    }
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_during_conversions_loses_none() {
    let cluster = Cluster::start_with("lofi_move", "[worker.slots]\nlofi_bulk = 1\n").await;
    let given = some(40);
    let artist = artist(&cluster, "server2", &given).await;
    wait::until(
        "the first to be made",
        PATIENCE,
        || songs(&cluster, &artist),
        |all| all.iter().any(|s| s["lofi_state"] == "made"),
    )
    .await;
    let batch = cluster.move_all(std::slice::from_ref(&artist), "server3").await;
    cluster.wait_batch(&batch, PATIENCE).await;
    assert_eq!(cluster.jobs(&batch).await[0]["state"], "succeeded");
    let songs = wait_songs(&cluster, &artist, given.len(), &["made"]).await;
    check(&cluster, "server3", &artist, &given);
    let by = |server: &str| {
        let mine = |s: &&Value| s["lofi"]["by"].as_str().unwrap().starts_with(server);
        songs.iter().filter(mine).count()
    };
    let (old, new) = (by("server2"), by("server3"));
    assert!(old > 0 && new > 0, "{old} were made before the move, {new} after it");
    let jobs = cluster.api.all("/jobs?kind=lofi").await.unwrap();
    assert!(jobs.iter().all(|j| j["state"] == "succeeded"), "{jobs:#?}");
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_song_ends_with_its_file_and_the_reason() {
    let cluster = Cluster::start("lofi_broken").await;
    let good = song::wav(1, 0.05);
    let mut flipped = good.clone();
    flipped[20] ^= 0xff;
    let mut endless = good.clone();
    endless[40..44].copy_from_slice(&0x7fff_0000_u32.to_le_bytes());
    let broken = [
        ("text.mp3", b"this is a diary, not a song\n".repeat(100)),
        ("zero.flac", Vec::new()),
        ("cut.wav", good[..good.len() / 10].to_vec()),
        ("flipped.wav", flipped),
        ("endless.wav", endless),
        ("tags.mp3", [&b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f"[..], &[0; 4000]].concat()),
    ];
    let mut given: Vec<Given> = broken
        .into_iter()
        .map(|(name, bytes)| Given { name: name.to_owned(), bytes, fresh: true })
        .collect();
    let pid = cluster.pid("worker-server2-1");
    let artist = artist(&cluster, "server2", &given).await;
    let songs = wait_songs(&cluster, &artist, given.len(), &["failed", "made"]).await;
    for song in &songs {
        let error = &song["lofi_error"];
        assert_eq!(song["lofi_state"], "failed", "{song}");
        assert_eq!(error["path"], song["path"], "{error}");
        assert!(error["message"].as_str().unwrap().len() > 10, "{error}");
        assert!(song["awaits_lofi"] == true, "nobody hears it");
    }
    assert_eq!(cluster.pid("worker-server2-1"), pid, "the worker goes on");
    let about = fs::read(cluster.tree("server2", &artist).join(About::FILE)).unwrap();
    let about: About = serde_json::from_slice(&about).unwrap();
    assert!(about.songs.iter().all(|s| s.lofi_fault.is_some()), "the artist is told");
    let failures = cluster.api.all("/lofi/failures").await.unwrap();
    assert_eq!(failures.len(), given.len());

    // Mended, and tried again.
    for one in &mut given {
        one.bytes.clone_from(&good);
        let path = cluster.tree("server2", &artist).join("songs").join(&one.name);
        fs::write(path, &good).unwrap();
    }
    let (_, answer) = cluster.api.post("/lofi/retry", &json!({})).await.unwrap();
    assert_eq!(answer["retried"], given.len(), "{answer}");
    wait_songs(&cluster, &artist, given.len(), &["made"]).await;
    let about = fs::read(cluster.tree("server2", &artist).join(About::FILE)).unwrap();
    let about: About = serde_json::from_slice(&about).unwrap();
    assert!(about.songs.iter().all(|s| s.lofi_fault.is_none() && !s.awaits_lofi));
    cluster.finish().await;
}

/// What takes longer than a delivery may be held goes on in the next one, and does not begin anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_song_is_converted_over_several_deliveries() {
    let cluster = Cluster::start_with("lofi_long", "[worker.limits]\ndelivery_hold_s = 1\n").await;
    let given = [given(0, song::wav(300, 0.05))];
    let artist = artist(&cluster, "server2", &given).await;
    let song = wait_songs(&cluster, &artist, 1, &["made"]).await.remove(0);
    let job = cluster.api.get(&format!("/jobs/{}", song["lofi_job_id"].as_str().unwrap())).await;
    let step = &job.unwrap()["steps"][0];
    assert!(step["epoch"].as_u64().unwrap() > 2, "one delivery was enough: {step}");
    assert_eq!(step["attempts"], 0, "{step}");
    let (took_ms, cpu_ms) = (&song["lofi"]["took_ms"], &song["lofi"]["cpu_ms"]);
    assert!(took_ms.as_u64() >= cpu_ms.as_u64(), "one process did it all: {song}");
    check(&cluster, "server2", &artist, &given);
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_song_takes_its_job_with_it() {
    let cluster = Cluster::start("lofi_deleted").await;
    cluster.pause("worker-server2-1");
    let given = some(2);
    let artist = cluster
        .add_artist("server2", |root| {
            fs::create_dir(root.join("songs"))?;
            for one in &given {
                fs::write(root.join("songs").join(&one.name), &one.bytes)?;
            }
            about(root, &given, 1)
        })
        .await;
    // What the worker would tell, told by hand: it is not to begin before the song is gone.
    let tree = tourbus_mediaroot::Beneath::open(&cluster.tree("server2", &artist)).unwrap();
    let told = tourbus_mediaroot::catalogue(&tree, artist.id).unwrap();
    let home = "server2".parse().unwrap();
    cluster.store().apply_catalogue(&home, &told).await.unwrap();
    assert_eq!(cluster.api.all("/jobs?kind=lofi&state=queued").await.unwrap().len(), 2);
    fs::remove_file(cluster.tree("server2", &artist).join("songs/000.wav")).unwrap();
    let mut about: About = serde_json::from_slice(
        &fs::read(cluster.tree("server2", &artist).join(About::FILE)).unwrap(),
    )
    .unwrap();
    about.revision = 2;
    about.songs.remove(0);
    let text = serde_json::to_vec(&about).unwrap();
    fs::write(cluster.tree("server2", &artist).join(About::FILE), text).unwrap();
    tell(&cluster, "server2", &artist);
    cluster.resume("worker-server2-1");
    let states = || async {
        let jobs = cluster.api.all("/jobs?kind=lofi").await.unwrap();
        let mut states: Vec<String> =
            jobs.iter().map(|j| j["state"].as_str().unwrap().to_owned()).collect();
        states.sort();
        states
    };
    // Called off; unless the worker was first, and found no song.
    let ended = |s: &Vec<String>| s[1] == "succeeded" && ["cancelled", "failed"].contains(&&*s[0]);
    wait::until("both jobs to end", PATIENCE, states, ended).await;
    wait_songs(&cluster, &artist, 1, &["made"]).await;
    cluster.finish().await;
}
