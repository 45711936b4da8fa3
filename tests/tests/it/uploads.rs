//! Uploads to a real cluster: through kills, through a move, and what songs really are.

use rand::RngCore;
use std::{
    io::{Read, Write},
    path::Path,
    time::Duration,
};
use tourbus_tests::{
    song,
    support::{Artist, Cluster},
    tree,
    tus::{Http, Leave},
    wait,
};

const PATIENCE: Duration = Duration::from_secs(60);
const MIB: u64 = 1 << 20;
const HUGE_BYTES: u64 = 2 << 30;
/// A media service's memory at its highest, in kB: 64 MiB.
const MEMORY_KB_MAX: u64 = 64 << 10;

async fn leave(cluster: &Cluster, artist: &Artist) -> Leave {
    Leave::ask(cluster, artist).await.expect("leave to upload")
}

/// Writes noise; its hash.
fn noise(path: &Path, bytes: u64) -> blake3::Hash {
    let mut file = std::fs::File::create(path).unwrap();
    let mut block = vec![0; MIB as usize];
    rand::rng().fill_bytes(&mut block);
    let mut hasher = blake3::Hasher::new();
    for n in 0..bytes / MIB {
        block[..8].copy_from_slice(&n.to_le_bytes());
        hasher.update(&block);
        file.write_all(&block).unwrap();
    }
    hasher.finalize()
}

fn hash(path: &Path) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    let mut file = std::fs::File::open(path).unwrap();
    let mut block = vec![0; MIB as usize];
    loop {
        match file.read(&mut block).unwrap() {
            0 => return hasher.finalize(),
            n => hasher.update(&block[..n]),
        };
    }
}

/// The most memory that a process has had, in kB.
fn memory_kb(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// By a client that others have written, against a service that is killed ten times.
#[tokio::test(flavor = "multi_thread")]
async fn two_gigabytes_arrive_equal_though_the_service_is_killed_ten_times() {
    let cluster = Cluster::start("upload_huge").await;
    let artist = cluster.add_artist("server2", |root| tree::plain(root, 1, 1, 1000)).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("huge.bin");
    let wanted = noise(&file, HUGE_BYTES);
    let first = leave(&cluster, &artist).await;
    let place = first.begin("vault", "huge.bin", HUGE_BYTES).await.unwrap();
    let mut highest = 0;
    for round in 0_u64..=10 {
        let now = leave(&cluster, &artist).await;
        let url = format!("{}/{place}", now.base);
        let (http, file) =
            (Http { leave: now.clone(), runtime: tokio::runtime::Handle::current() }, file.clone());
        let sending = tokio::task::spawn_blocking(move || {
            tus_client::Client::new(http).upload_with_chunk_size(&url, &file, 16 << 20)
        });
        if round == 10 {
            sending.await.unwrap().unwrap();
            break;
        }
        // A tenth more each time, or so.
        let far = (round + 1) * HUGE_BYTES / 11;
        let size = cluster
            .tree("server2", &artist)
            .join(".uploads")
            .join(format!("{}.part", place.rsplit('/').next().unwrap()));
        let arrived = || async { std::fs::metadata(&size).map_or(0, |m| m.len()) };
        wait::until("more of the upload", PATIENCE, arrived, |n| *n >= far).await;
        highest = highest.max(memory_kb(cluster.pid("media-server2").unwrap()).unwrap());
        cluster.kill("media-server2").await;
        cluster.ready("media-server2").await;
        assert!(sending.await.unwrap().is_err(), "it was interrupted");
    }
    highest = highest.max(memory_kb(cluster.pid("media-server2").unwrap()).unwrap());
    assert_eq!(hash(&cluster.tree("server2", &artist).join("vault/huge.bin")), wanted);
    assert!(highest < MEMORY_KB_MAX, "{highest} kB");
    cluster.finish().await;
}

/// The artist moves between two pieces: the rest goes to the new home, and the song is whole there.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_at_the_new_home() {
    let cluster = Cluster::start("upload_move").await;
    let artist = cluster.add_artist("server2", |root| tree::plain(root, 1, 1, 1000)).await;
    let bytes = song::wav(20, 0.05);
    let half = bytes.len() / 2;
    let old = leave(&cluster, &artist).await;
    let place = old.begin("song", "New one.wav", bytes.len() as u64).await.unwrap();
    assert_eq!(old.send(&place, 0, &bytes[..half]).await.unwrap().status(), 204);
    let hold = cluster.hold("sync.frozen");
    let batch = cluster.move_all(std::slice::from_ref(&artist), "server3").await;
    hold.reached().await;
    let refused = old.send(&place, half as u64, &bytes[half..]).await.unwrap();
    assert_eq!(refused.status(), 423, "while the last look is taken");
    hold.release();
    cluster.wait_batch(&batch, PATIENCE).await;
    assert_eq!(cluster.home(&artist).await, "server3");
    let gone = old.send(&place, half as u64, &bytes[half..]).await.unwrap();
    assert_eq!(gone.status(), 409, "at the old home");
    let new = leave(&cluster, &artist).await;
    assert_ne!(new.base, old.base);
    assert_eq!(new.offset(&place).await, Some(half as u64));
    assert_eq!(new.send(&place, half as u64, &bytes[half..]).await.unwrap().status(), 204);
    let heard = cluster.hear(&artist, "songs/New-one.wav").await.unwrap();
    assert_eq!(heard, bytes);
    // The master knows it, from the new home.
    let songs = || async {
        let songs = cluster.api.all(&format!("/artists/{}/songs", artist.id)).await.unwrap();
        songs.iter().map(|s| s["title"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    wait::until("the song at the master", PATIENCE, songs, |s| s.contains(&"New one".to_owned()))
        .await;
    let seen = cluster.api.get(&format!("/artists/{}", artist.id)).await.unwrap();
    let on_disk = tree::bytes(&cluster.snapshot("server3", &artist));
    assert_eq!(seen["bytes"], on_disk, "{seen}");
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn songs_are_known_by_their_content_and_what_is_none_leaves_nothing() {
    let cluster = Cluster::start("upload_songs").await;
    let artist = cluster.add_artist("master", |root| std::fs::create_dir(root.join("songs"))).await;
    let leave = leave(&cluster, &artist).await;
    let wav = song::wav(3, 0.05);
    // Its name lies, its content does not.
    assert_eq!(leave.song("river.mp3", &wav).await.status(), 204);
    let shelf = leave.shelf().await;
    let song = &shelf["songs"][0];
    assert_eq!(
        (&song["path"], &song["title"]),
        (&"songs/river.wav".into(), &"River".into()),
        "{shelf}"
    );
    assert_eq!(song["duration_ms"], 3000);
    let mut lies = wav.clone();
    // Twice as long as it is. (All ones would mean: as long as it is.)
    lies[40..44].copy_from_slice(&(2 * wav.len() as u32).to_le_bytes());
    for (name, bytes) in [
        ("page.mp3", b"<!doctype html><p>no song".to_vec()),
        ("cut.wav", wav[..wav.len() / 2].to_vec()),
        (
            "noise.flac",
            (0..60_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect(),
        ),
        ("empty.wav", wav[..44].to_vec()),
        ("lies.wav", lies),
    ] {
        let answer = leave.song(name, &bytes).await;
        let status = answer.status().as_u16();
        let problem: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(status, 422, "{name}: {problem}");
        assert!(problem["detail"].as_str().unwrap().len() > 20, "{name}: {problem}");
    }
    let shelf = leave.shelf().await;
    assert_eq!(shelf["songs"].as_array().unwrap().len(), 1, "{shelf}");
    let left = tree::snapshot(&cluster.tree("master", &artist)).unwrap();
    let left = format!("{left:?}");
    assert!(!left.contains(".part") && !left.contains("noise"), "{left}");
    cluster.finish().await;
}

/// Files that somebody has put onto the server's disk, whichever server it is.
#[tokio::test(flavor = "multi_thread")]
async fn dropped_files_are_listed_and_imported_where_the_artist_lives() {
    let cluster = Cluster::start("import").await;
    let artist = cluster.add_artist("server2", |root| tree::plain(root, 1, 1, 1000)).await;
    let import = cluster.tree("server2", &artist).join("import");
    std::fs::create_dir(&import).unwrap();
    let (one, two) = (song::wav(2, 0.05), song::wav(3, 0.04));
    std::fs::write(import.join("01-one.wav"), &one).unwrap();
    std::fs::write(import.join("two.wav"), &two).unwrap();
    std::fs::write(import.join("readme.txt"), "no song").unwrap();
    let leave = leave(&cluster, &artist).await;
    let listed = leave.shelf().await;
    assert_eq!(listed["imports"].as_array().unwrap().len(), 3, "{listed}");
    let asked = leave.request(reqwest::Method::POST, "workshop/imports");
    let answer: serde_json::Value =
        asked.json(&serde_json::json!({})).send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["imported"].as_array().unwrap().len(), 2, "{answer}");
    assert_eq!(answer["refused"][0]["name"], "readme.txt", "{answer}");
    assert!(import.join("readme.txt").exists(), "what is refused stays");
    assert!(!import.join("two.wav").exists());
    assert_eq!(cluster.hear(&artist, "songs/01-one.wav").await.unwrap(), one);
    assert_eq!(cluster.hear(&artist, "songs/two.wav").await.unwrap(), two);
    cluster.finish().await;
}
