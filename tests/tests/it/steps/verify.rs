//! The step that reads an artist's files back, by hand.

use super::rig::Rig;
use std::{fs, path::Path, time::Duration};
use tokio_util::sync::CancellationToken;
use tourbus_domain::{Accepted, Epoch, FindingKind, JobId, StepKind, StepResult, VerifyReport};
use tourbus_mediaroot::Freeze;
use tourbus_protocol::{LofiSong, Order, TreePath, page::song_id};
use tourbus_tests::{song, tree, wait};
use tourbus_worker::context::{Outcome, Stop};

const PATIENCE: Duration = Duration::from_secs(30);
/// As fast as it goes.
const FAST: u64 = 1 << 40;

fn made(root: &Path) -> std::io::Result<()> {
    tree::odd(root, 3)?;
    tree::write_noise(&root.join("songs/long.mp3"), 8, 900_001)?;
    fs::create_dir_all(root.join("import"))?;
    fs::write(root.join("import/waits.mp3"), b"to be imported")?;
    fs::create_dir_all(root.join(".uploads"))?;
    fs::write(root.join(".uploads/half.part"), b"half")
}

fn order(rig: &Rig, rate_bytes_s: u64, accepted: Vec<Accepted>) -> Order {
    Order::VerifyV1 { artist: rig.artist.clone(), rate_bytes_s, accepted }
}

fn report(result: StepResult) -> VerifyReport {
    match result {
        StepResult::Verify(report) => report,
        other => panic!("{other:?}"),
    }
}

async fn verify(rig: &mut Rig) -> VerifyReport {
    accepting(rig, Vec::new()).await
}

async fn accepting(rig: &mut Rig, accepted: Vec<Accepted>) -> VerifyReport {
    let order = order(rig, FAST, accepted);
    report(rig.run(StepKind::Verify, 0, order).await)
}

fn found(report: &VerifyReport) -> Vec<(FindingKind, &str)> {
    report.findings.iter().map(|f| (f.kind, f.path.as_str())).collect()
}

/// Something that is no part of Tourbus writes a file.
fn tamper(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// The disk loses a bit: neither size nor time tells.
fn rot(path: &Path, at: usize) {
    let before = fs::metadata(path).unwrap().modified().unwrap();
    tamper(path, |bytes| bytes[at] ^= 1);
    fs::File::options().write(true).open(path).unwrap().set_modified(before).unwrap();
}

/// Tourbus changes files of the tree, as an edit does.
fn edit(rig: &Rig, act: impl FnOnce(&tourbus_mediaroot::Beneath)) {
    let root = if rig.moved { &rig.target.root } else { &rig.source.root };
    let now = chrono::Utc::now();
    let writable = root.writable(rig.artist.id, now, now).unwrap();
    let changed: anyhow::Result<()> = writable.change(|tree, _| {
        act(tree);
        Ok(())
    });
    changed.unwrap();
}

fn path(text: &str) -> TreePath {
    TreePath::new(text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_reading_notes_and_later_ones_compare() {
    let mut rig = Rig::new(made);
    let before = rig.before();
    let first = verify(&mut rig).await;
    assert!(first.first_reading && first.files > 5, "{first:?}");
    assert_eq!((first.found(), first.placed, first.unchanged), (0, 0, 0), "{first:?}");
    let again = verify(&mut rig).await;
    assert!(!again.first_reading, "{again:?}");
    assert_eq!((again.found(), again.unchanged, again.files), (0, first.files, first.files));
    assert_eq!(again.bytes, first.bytes);
    tree::assert_equal(&before, &rig.before(), "the tree");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_corrupt_changed_or_strange_is_told_until_it_is_mended() {
    let mut rig = Rig::new(made);
    let (songs, good) = (rig.source_tree().join("songs"), rig.before());
    let long = fs::read(songs.join("long.mp3")).unwrap();
    let time = fs::metadata(songs.join("long.mp3")).unwrap().modified().unwrap();
    verify(&mut rig).await;
    rot(&songs.join("long.mp3"), 700_000);
    tamper(&songs.join("00.mp3"), |bytes| bytes.push(0));
    fs::remove_file(songs.join("01.mp3")).unwrap();
    fs::write(songs.join("strange.mp3"), b"who put me here?").unwrap();
    let expected = [
        (FindingKind::Corrupt, "songs/long.mp3"),
        (FindingKind::Missing, "songs/01.mp3"),
        (FindingKind::Changed, "songs/00.mp3"),
        (FindingKind::Untracked, "songs/strange.mp3"),
    ];
    for _ in 0..2 {
        let report = verify(&mut rig).await;
        assert_eq!(found(&report), expected, "not forgotten by being told");
        assert_eq!(
            (report.corrupt, report.missing, report.changed, report.untracked),
            (1, 1, 1, 1)
        );
        let corrupt = &report.findings[0];
        assert_eq!(corrupt.bytes_expected, corrupt.bytes_actual);
        let was = blake3::hash(&long).to_hex().to_string();
        assert_eq!(corrupt.blake3_expected.as_deref(), Some(was.as_str()));
        assert_ne!(corrupt.blake3_actual, corrupt.blake3_expected);
    }
    fs::write(songs.join("long.mp3"), &long).unwrap();
    let long = fs::File::options().write(true).open(songs.join("long.mp3")).unwrap();
    long.set_modified(time).unwrap();
    fs::remove_file(songs.join("strange.mp3")).unwrap();
    tree::write_noise(&songs.join("01.mp3"), 5, 10).unwrap();
    let report = verify(&mut rig).await;
    let changed = [(FindingKind::Changed, "songs/00.mp3"), (FindingKind::Changed, "songs/01.mp3")];
    assert_eq!(found(&report), changed, "another file by the name of the lost one is none of it");
    assert_ne!(rig.before(), good);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_accepts_is_the_record_from_then_on() {
    let mut rig = Rig::new(made);
    let songs = rig.source_tree().join("songs");
    verify(&mut rig).await;
    tamper(&songs.join("00.mp3"), |bytes| bytes.push(0));
    fs::remove_file(songs.join("01.mp3")).unwrap();
    fs::write(songs.join("strange.mp3"), b"I belong here").unwrap();
    let report = verify(&mut rig).await;
    assert_eq!(report.found(), 3, "{report:?}");
    let accepted: Vec<Accepted> = report
        .findings
        .iter()
        .map(|f| Accepted { path: f.path.clone(), state: f.state.clone() })
        .collect();
    // It was changed once more since it was accepted: that was not accepted.
    fs::write(songs.join("strange.mp3"), b"I belong elsewhere").unwrap();
    let report = accepting(&mut rig, accepted).await;
    assert_eq!(found(&report), [(FindingKind::Untracked, "songs/strange.mp3")]);
    fs::remove_file(songs.join("strange.mp3")).unwrap();
    assert_eq!(verify(&mut rig).await.found(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_tourbus_places_replaces_and_deletes_is_no_finding() {
    let mut rig = Rig::new(|root| {
        fs::create_dir(root.join("songs"))?;
        fs::write(root.join("songs/a.wav"), song::wav(2, 0.05))?;
        tree::write_noise(&root.join("songs/gone.mp3"), 1, 5_000)
    });
    assert!(verify(&mut rig).await.first_reading);
    edit(&rig, |tree| {
        tree.write(&path("images/cover.png")).unwrap().write_at(b"a picture", 0).unwrap();
        tree.remove_entry(&path("songs/gone.mp3")).unwrap();
    });
    let song =
        LofiSong { id: song_id(rig.artist.id, &path("songs/a.wav")), path: path("songs/a.wav") };
    for profile in ["standard", "classic"] {
        let (artist, profile) = (rig.artist.clone(), profile.to_owned());
        let order = Order::LofiV1 { artist, song: song.clone(), profile, spec: None, anew: false };
        rig.run(StepKind::Lofi, 0, order).await;
        let report = verify(&mut rig).await;
        assert_eq!(report.found(), 0, "{report:?}");
        assert!(report.placed >= 2, "{report:?}");
    }
    let report = verify(&mut rig).await;
    assert_eq!((report.found(), report.placed), (0, 0), "the notes are done with");

    // What Tourbus has placed is compared like anything else from then on.
    rot(&rig.source_tree().join("images/cover.png"), 3);
    assert_eq!(found(&verify(&mut rig).await), [(FindingKind::Corrupt, "images/cover.png")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_song_that_the_page_names_is_missing_even_if_it_was_never_read() {
    let mut rig = Rig::new(|root| {
        fs::create_dir(root.join("songs"))?;
        fs::write(root.join("songs/a.mp3"), b"a")
    });
    edit(&rig, |_| ());
    fs::remove_file(rig.source_tree().join("songs/a.mp3")).unwrap();
    let report = verify(&mut rig).await;
    assert!(report.first_reading);
    assert_eq!(found(&report), [(FindingKind::Missing, "songs/a.mp3")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_read_is_a_finding_and_the_others_are_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut rig = Rig::new(made);
    let first = verify(&mut rig).await;
    let shut = rig.source_tree().join("songs/00.mp3");
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(&shut).is_ok() {
        // Whoever runs the tests may read everything.
        return;
    }
    let report = verify(&mut rig).await;
    assert_eq!(found(&report), [(FindingKind::Unreadable, "songs/00.mp3")]);
    assert_eq!(report.files, first.files - 1);
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(verify(&mut rig).await.found(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_brings_its_record() {
    let mut rig = Rig::new(made);
    let manifest = rig.copy().await;
    rig.promote(&manifest).await;
    rig.retire().await;
    rig.moved = true;
    rig.job = JobId::new();
    let report = verify(&mut rig).await;
    assert!(!report.first_reading, "{report:?}");
    assert_eq!((report.found(), report.unchanged), (0, report.files), "{report:?}");
    rot(&rig.target_tree().join("songs/long.mp3"), 500_000);
    let report = verify(&mut rig).await;
    assert_eq!(found(&report), [(FindingKind::Corrupt, "songs/long.mp3")]);
    let offset = report.findings[0].offset.expect("a file of several pieces");
    assert!(offset <= 500_000 && 500_000 < offset + (64 << 10), "{offset}");

    // Where the artist lives no more, the record goes with time.
    let left = rig.source.root.clone();
    let later = chrono::Utc::now() + chrono::TimeDelta::hours(2);
    left.clean(later, &|| false).unwrap();
    assert_eq!(rig.source.hidden("records"), [] as [std::path::PathBuf; 0]);
}

fn many(root: &Path) -> std::io::Result<()> {
    tree::plain(root, 4, 40, 100_000)
}

/// What is kept of the reading: the path of each line.
fn kept(rig: &Rig) -> Vec<String> {
    let name = format!("{}.reading", rig.artist.id);
    let file = rig.source.root.path().join(".tourbus/records").join(name);
    let text = fs::read_to_string(file).unwrap_or_default();
    let path = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(value["path"].as_str()?.to_owned())
    };
    text.lines().filter_map(path).collect()
}

/// A slow try that is handed back when so many lines are kept.
async fn handed_back(rig: &Rig, epoch: Epoch, lines: usize) -> Outcome {
    let interrupt = CancellationToken::new();
    let order = order(rig, 2_000_000, Vec::new());
    let trying = rig.deliver_until(StepKind::Verify, 0, epoch, order, interrupt.clone());
    let interrupting = async {
        let look = || async { kept(rig).len() };
        wait::until("files to be read", PATIENCE, look, |n| *n >= lines).await;
        interrupt.cancel();
    };
    tokio::join!(trying, interrupting).0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_that_is_handed_back_goes_on_where_it_was() {
    let mut rig = Rig::new(many);
    for lines in [5, 12] {
        let epoch = rig.next_epoch();
        let outcome = handed_back(&rig, epoch, lines).await;
        assert!(matches!(outcome, Err(Stop::Interrupted)), "{outcome:?}");
    }
    let mut read = kept(&rig);
    let n = read.len();
    read.sort();
    read.dedup();
    assert_eq!(read.len(), n, "a file was read twice");
    let report = verify(&mut rig).await;
    assert!(report.first_reading && report.files == 40, "{report:?}");
    assert!(kept(&rig).is_empty(), "it is over");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_that_is_killed_again_and_again_comes_to_its_end() {
    let mut rig = Rig::new(many);
    verify(&mut rig).await;
    rot(&rig.source_tree().join("songs/07.mp3"), 7);
    rig.job = JobId::new();
    let order = order(&rig, 8_000_000, Vec::new());
    let report = report(rig.run_dying(StepKind::Verify, 0, order, Duration::from_millis(60)).await);
    assert_eq!((report.files, report.corrupt, report.found()), (40, 1, 1), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_that_is_called_off_stops_and_changes_nothing() {
    let mut rig = Rig::new(many);
    let epoch = rig.next_epoch();
    let order = order(&rig, 1_000_000, Vec::new());
    let trying = rig.deliver(StepKind::Verify, 0, epoch, order);
    let voiding = async {
        let look = || async { kept(&rig).len() };
        wait::until("files to be read", PATIENCE, look, |n| *n >= 2).await;
        rig.source.root.fence(rig.job).raise_floor(epoch + 1).unwrap();
    };
    let outcome = tokio::join!(trying, voiding).0;
    assert!(matches!(outcome, Err(Stop::Void)), "{outcome:?}");
    assert_eq!(rig.source.root.read_record(rig.artist.id).unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_artist_moves_it_waits_and_then_finds_the_tree_gone() {
    let mut rig = Rig::new(many);
    let (now, root) = (chrono::Utc::now(), rig.source.root.clone());
    let freeze = Freeze { job_id: rig.job, expires_at: now + chrono::TimeDelta::seconds(60) };
    let epoch = rig.next_epoch();
    let slow = order(&rig, 1_000_000, Vec::new());
    let trying = rig.deliver(StepKind::Verify, 0, epoch, slow.clone());
    let freezing = async {
        let look = || async { kept(&rig).len() };
        wait::until("files to be read", PATIENCE, look, |n| *n >= 2).await;
        root.take_freeze(rig.artist.id, freeze, now).unwrap();
    };
    let outcome = tokio::join!(trying, freezing).0;
    assert!(matches!(outcome, Err(Stop::Snoozed { .. })), "{outcome:?}");
    assert!(kept(&rig).len() >= 2, "what was read is kept");

    // It moves away, without a freeze that we see, between reading and comparing.
    root.lift_freeze(rig.artist.id, rig.job).unwrap();
    let epoch = rig.next_epoch();
    let had = kept(&rig).len();
    let trying = rig.deliver(StepKind::Verify, 0, epoch, slow);
    let leaving = async {
        let look = || async { kept(&rig).len() };
        wait::until("more to be read", PATIENCE, look, |n| *n > had).await;
        fs::rename(rig.source_tree(), root.path().join("elsewhere")).unwrap();
    };
    let outcome = tokio::join!(trying, leaving).0;
    match outcome {
        Err(Stop::Failed(error)) => {
            assert!(error.is_retryable() && error.code == "tree_missing", "{error:?}");
        }
        other => panic!("{other:?}"),
    }
}
