//! The step that converts a song, by hand.

use super::rig::Rig;
use std::fs;
use tourbus_domain::{LofiMade, StepKind, StepResult};
use tourbus_lofi::{Limits, inspect};
use tourbus_mediaroot::Freeze;
use tourbus_protocol::{
    LofiSong, Order, TreePath,
    page::{About, song_id},
};
use tourbus_tests::song;
use tourbus_worker::context::Stop;

const SONG: &str = "songs/a.wav";

fn rig() -> Rig {
    Rig::new(|root| {
        fs::create_dir(root.join("songs"))?;
        fs::write(root.join(SONG), song::wav(2, 0.05))
    })
}

fn order(rig: &Rig, profile: &str, anew: bool) -> Order {
    let path = TreePath::new(SONG).unwrap();
    let song = LofiSong { id: song_id(rig.artist.id, &path), path };
    let (artist, profile) = (rig.artist.clone(), profile.to_owned());
    Order::LofiV1 { artist, song, profile, spec: None, anew }
}

fn made(result: &StepResult) -> LofiMade {
    match result {
        StepResult::Lofi { made, .. } => *made,
        other => panic!("{other:?}"),
    }
}

fn noted(rig: &Rig) -> About {
    let text = fs::read(rig.source_tree().join(About::FILE)).unwrap();
    serde_json::from_slice(&text).unwrap()
}

async fn run(rig: &mut Rig, profile: &str, anew: bool) -> LofiMade {
    let order = order(rig, profile, anew);
    made(&rig.run(StepKind::Lofi, 0, order).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_song_is_converted_noted_and_kept() {
    let mut rig = rig();
    let original = fs::read(rig.source_tree().join(SONG)).unwrap();
    assert_eq!(run(&mut rig, "standard", false).await, LofiMade::Encoded);
    let lofi = rig.source_tree().join("lofi/a.wav.mp3");
    let found = inspect(fs::File::open(&lofi).unwrap(), &Limits::default()).unwrap();
    assert_eq!(found.duration_ms, 2000);
    assert!(fs::read(rig.source_tree().join(SONG)).unwrap() == original);
    let song = noted(&rig).songs.remove(0);
    let rendition = song.lofi.unwrap();
    assert_eq!((rendition.profile.as_str(), rendition.by.as_str()), ("standard", "server2-1"));
    assert_eq!(rendition.bytes, fs::metadata(&lofi).unwrap().len());
    assert!(rig.source_tree().join(song.waveform.unwrap().as_path()).exists());

    let inode = |path: &std::path::Path| {
        use std::os::unix::fs::MetadataExt as _;
        fs::metadata(path).unwrap().ino()
    };
    let before = inode(&lofi);
    assert_eq!(run(&mut rig, "standard", false).await, LofiMade::Kept);
    assert_eq!(inode(&lofi), before, "it was made again");
    assert_eq!(run(&mut rig, "standard", true).await, LofiMade::Encoded);
    assert_ne!(inode(&lofi), before, "it was not made again");
    assert_eq!(run(&mut rig, "classic", false).await, LofiMade::Encoded);
    // Another original by the same name.
    fs::write(rig.source_tree().join(SONG), self::song::wav(3, 0.03)).unwrap();
    assert_eq!(run(&mut rig, "classic", false).await, LofiMade::Encoded);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_artist_moves_nothing_is_put_anywhere() {
    let mut rig = rig();
    let (now, root) = (chrono::Utc::now(), rig.source.root.clone());
    let freeze = Freeze { job_id: rig.job, expires_at: now + chrono::TimeDelta::seconds(60) };
    root.take_freeze(rig.artist.id, freeze, now).unwrap();
    let before = rig.before();
    let epoch = rig.next_epoch();
    let waits = rig.deliver(StepKind::Lofi, 0, epoch, order(&rig, "standard", false)).await;
    assert!(matches!(waits, Err(Stop::Snoozed { .. })), "{waits:?}");
    assert_eq!(rig.before(), before);

    root.lift_freeze(rig.artist.id, rig.job).unwrap();
    assert_eq!(run(&mut rig, "standard", false).await, LofiMade::Encoded);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_converted_says_why_and_changes_nothing() {
    let mut rig = rig();
    let error = rig.fails(StepKind::Lofi, 0, order(&rig, "no-such", false)).await;
    assert_eq!(error.code, "profile_not_understood");

    fs::write(rig.source_tree().join(SONG), b"no song at all").unwrap();
    let error = rig.fails(StepKind::Lofi, 0, order(&rig, "standard", false)).await;
    assert_eq!((error.code.as_str(), error.path.as_deref()), ("not_audio", Some(SONG)));
    assert!(!rig.source_tree().join("lofi").exists());
    assert_eq!(noted(&rig).songs[0].lofi_fault.as_ref().unwrap().code, "not_audio");

    fs::remove_file(rig.source_tree().join(SONG)).unwrap();
    let error = rig.fails(StepKind::Lofi, 0, order(&rig, "standard", false)).await;
    assert_eq!(error.code, "song_missing");

    fs::remove_dir_all(rig.source_tree()).unwrap();
    let error = rig.fails(StepKind::Lofi, 0, order(&rig, "standard", false)).await;
    assert!(error.is_retryable() && error.code == "tree_missing", "{error:?}");
}
