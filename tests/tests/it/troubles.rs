//! What a disk or a staging bucket refuses: the job says what to do, everything is undone, the
//! artist is free, and once it is mended the same job goes through.

use serde_json::{Value, json};
use std::{path::Path, time::Duration};
use tourbus_tests::support::{Artist, Cluster};
use tourbus_tests::{tree, wait};

const MINUTE: Duration = Duration::from_secs(60);

fn songs(root: &Path) -> std::io::Result<()> {
    tree::plain(root, 4, 2, 300_000)
}

/// Moves the artist, which must fail with this code and leave everything as it was.
async fn fails(cluster: &Cluster, artist: &Artist, from: &str, to: &str, code: &str) -> Value {
    let before = cluster.snapshot(from, artist);
    let batch = cluster.move_all(std::slice::from_ref(artist), to).await;
    cluster.wait_batch(&batch, 2 * MINUTE).await;
    let job = cluster.jobs(&batch).await.remove(0);
    assert_eq!(job["state"], "failed", "{job}");
    assert_eq!(job["error"]["code"], code, "{job}");
    assert!(job["error"]["remedy"].as_str().is_some_and(|r| r.len() > 10), "{job}");
    tree::assert_equal(&before, &cluster.snapshot(from, artist), "the source");
    assert_eq!(cluster.home(artist).await, from);
    assert!(!cluster.tree(to, artist).exists(), "the target kept a tree");
    cluster.no_leftovers().await;
    job
}

async fn retried(cluster: &Cluster, artist: &Artist, job: &Value, to: &str) {
    let path = format!("/jobs/{}/retry", job["id"].as_str().unwrap());
    let (status, body) = cluster.api.post(&path, &json!({})).await.unwrap();
    assert!((200..300).contains(&status), "{status} {body}");
    cluster.wait_batch(job["batch_id"].as_str().unwrap(), MINUTE).await;
    assert_eq!(cluster.home(artist).await, to);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_on_the_target_undoes_the_move_and_another_server_takes_it() {
    // The worker keeps a reserve that this disk cannot have; web, which reckons with another,
    // lets the move in.
    let full = "[worker-server2-1.limits]\ndisk_reserve_bytes = 4611686018427387904";
    let cluster = Cluster::start_with("disk_full", full).await;
    let artist = cluster.add_artist("master", songs).await;
    let job = fails(&cluster, &artist, "master", "server2", "disk_full").await;
    assert!(job["error"]["message"].as_str().unwrap().contains("reserve"), "{job}");
    let batch = cluster.move_all(std::slice::from_ref(&artist), "server3").await;
    cluster.wait_batch(&batch, MINUTE).await;
    assert_eq!(cluster.home(&artist).await, "server3");
    cluster.finish().await;
}

/// A small file system of its own on a server's media root; gone with its handle.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    /// `None` where the machine lets nobody mount anything, as containers do.
    fn mount(place: &Path, mib: u32) -> Option<Self> {
        let options = format!("size={mib}m,mode=0755");
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tourbus-test"]).arg(place);
        match mount.output() {
            Ok(output) if output.status.success() => Some(Self(place.to_owned())),
            refused => {
                eprintln!("not tried, for nothing can be mounted here: {refused:?}");
                None
            }
        }
    }

    fn grow(&self, mib: u32) {
        let options = format!("remount,size={mib}m");
        let mut mount = std::process::Command::new("mount");
        assert!(mount.args(["-o", &options]).arg(&self.0).status().unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let gone = std::process::Command::new("umount").arg("--lazy").arg(&self.0).status();
        if !gone.as_ref().is_ok_and(std::process::ExitStatus::success) {
            eprintln!("{} is still mounted: {gone:?}", self.0.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_up_in_the_middle_undoes_the_move_until_there_is_room() {
    let no_reserve = "[worker-server2-1.limits]\ndisk_reserve_bytes = 0";
    let cluster = Cluster::start_with("disk_fills", no_reserve).await;
    let Some(disk) = SmallDisk::mount(&cluster.media_root("server2"), 12) else {
        return cluster.finish().await;
    };
    for process in ["worker-server2-1", "media-server2", "agent-server2"] {
        cluster.kill(process).await;
    }
    // It has grown since its size was told: admission cannot know that there is no room.
    let large = |root: &Path| tree::plain(root, 4, 3, 9_000_000);
    let artist = cluster.add_artist_claiming("master", large, 1000).await;
    let job = fails(&cluster, &artist, "master", "server2", "disk_full").await;
    disk.grow(100);
    retried(&cluster, &artist, &job, "server2").await;

    // Who fills the disk now is not Tourbus; there is no room left even for its notes.
    cluster.kill("worker-server2-1").await;
    let ballast = cluster.hidden("server2", "ballast");
    let held = || async { std::fs::metadata(&ballast).map_or(0, |m| m.len()) };
    wait::until("the ballast to be held", MINUTE, held, |n| *n > 0).await;
    let before = cluster.snapshot("server2", &artist);
    let filler = cluster.media_root("server2").join("filler");
    let full = tree::write_noise(&filler, 1, 1 << 30).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    let batch = cluster.move_all(std::slice::from_ref(&artist), "master").await;
    cluster.wait_batch(&batch, MINUTE).await;
    assert_eq!(cluster.jobs(&batch).await[0]["state"], "succeeded");
    assert_eq!(cluster.home(&artist).await, "master");
    tree::assert_equal(&before, &cluster.snapshot("master", &artist), "off the full disk");
    cluster.no_leftovers().await;
    drop(disk);
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_bucket_undoes_the_move_on_either_side() {
    let cluster = Cluster::start("denied").await;
    let set = |c: &mut toml::Table| {
        c["staging"]["secret_key"] = "not the key".into();
    };
    cluster.reconfigure("worker-server2-1", set).await;
    let to = cluster.add_artist("master", songs).await;
    fails(&cluster, &to, "master", "server2", "staging_denied").await;
    let from = cluster.add_artist("server2", songs).await;
    fails(&cluster, &from, "server2", "server3", "staging_denied").await;
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_has_gone_undoes_the_move_until_it_is_back() {
    let cluster = Cluster::start_private("bucket_gone").await;
    let artist = cluster.add_artist("master", songs).await;
    let bucket = cluster.staging_bucket_dir();
    let away = bucket.with_extension("away");
    std::fs::rename(&bucket, &away).unwrap();
    let batch = cluster.move_all(std::slice::from_ref(&artist), "server2").await;
    cluster.wait_batch(&batch, 2 * MINUTE).await;
    let job = cluster.jobs(&batch).await.remove(0);
    assert_eq!(job["state"], "failed", "{job}");
    assert_eq!(job["error"]["code"], "staging_bucket_missing", "{job}");
    assert_eq!(cluster.home(&artist).await, "master");

    std::fs::rename(&away, &bucket).unwrap();
    retried(&cluster, &artist, &job, "server2").await;
    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_vanishes_or_grows_while_it_is_read_arrives_as_it_is_at_the_end() {
    let cluster = Cluster::start("vanishes").await;
    let artist = cluster.add_artist("master", |root| tree::plain(root, 9, 3, 200_000)).await;
    let hold = cluster.hold("export.walked");
    let batch = cluster.move_all(std::slice::from_ref(&artist), "server2").await;
    hold.reached().await;
    let songs = cluster.tree("master", &artist).join("songs");
    std::fs::remove_file(songs.join("01.mp3")).unwrap();
    tree::write_noise(&songs.join("02.mp3"), 77, 900_000).unwrap();
    let before = cluster.snapshot("master", &artist);
    hold.release();
    cluster.wait_batch(&batch, MINUTE).await;
    assert_eq!(cluster.jobs(&batch).await[0]["state"], "succeeded");
    tree::assert_equal(&before, &cluster.snapshot("server2", &artist), "what it was at the end");
    let heard = || async { cluster.hear(&artist, "songs/02.mp3").await.map(|b| b.len()).ok() };
    wait::until("the new length", MINUTE, heard, |n| *n == Some(900_000)).await;
    cluster.finish().await;
}
