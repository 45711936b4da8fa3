use super::*;
use tourbus_domain::{Accepted, FindingKind, VerifyReport};

fn path(text: &str) -> TreePath {
    TreePath::known(text)
}

fn piece(byte: u8, len: u64) -> Piece {
    Piece { len, blake3: Digest([byte; 32]) }
}

fn known(mtime_s: i64, pieces: &[Piece]) -> Known {
    let size = pieces.iter().map(|p| p.len).sum();
    Known { size, mtime: Stamp { s: mtime_s, ns: 0 }, pieces: pieces.to_vec() }
}

fn fact(known: Known) -> Fact {
    Fact { size: known.size, mtime: known.mtime, read: Read::Pieces(known.pieces) }
}

/// One file that was, and is; none for one that was not, or is not.
fn one(was: Option<Known>, is: Option<Known>, placed: &[&str]) -> (VerifyReport, Record) {
    let name = path("songs/a.mp3");
    let before = Record::new(was.into_iter().map(|k| (name.clone(), k)).collect());
    let read: BTreeMap<_, _> = is.into_iter().map(|k| (name.clone(), fact(k))).collect();
    let placed = placed.iter().map(|p| path(p)).collect();
    let compared = Comparison {
        before: Some(&before),
        read: &read,
        placed: &placed,
        lost: &[],
        accepted: &[],
    }
    .run();
    (compared.report, compared.record)
}

fn kind(report: &VerifyReport) -> Option<FindingKind> {
    assert_eq!(report.found(), report.findings.len() as u64);
    report.findings.first().map(|f| f.kind)
}

#[test]
fn what_became_of_a_file_is_told_by_bytes_time_and_whether_tourbus_wrote_it() {
    let was = known(1, &[piece(1, 10)]);
    let touched = known(2, &[piece(1, 10)]);
    let rotten = known(1, &[piece(2, 10)]);
    let other = known(2, &[piece(2, 10)]);
    let ours: &[&str] = &["songs/a.mp3"];
    for (was, is, placed, expected) in [
        (Some(&was), Some(&was), &[][..], None),
        (Some(&was), Some(&touched), &[], None),
        (Some(&was), Some(&rotten), &[], Some(FindingKind::Corrupt)),
        // A note does not explain bytes that changed without the time.
        (Some(&was), Some(&rotten), ours, Some(FindingKind::Corrupt)),
        (Some(&was), Some(&other), &[], Some(FindingKind::Changed)),
        (Some(&was), Some(&other), ours, None),
        (Some(&was), Some(&other), &["songs"], None),
        (Some(&was), None, &[], Some(FindingKind::Missing)),
        (Some(&was), None, ours, None),
        (None, Some(&was), &[], Some(FindingKind::Untracked)),
        (None, Some(&was), ours, None),
    ] {
        let (report, record) = one(was.cloned(), is.cloned(), placed);
        assert_eq!(kind(&report), expected, "{was:?} {is:?} {placed:?}");
        let kept = record.files.get(&path("songs/a.mp3"));
        // What is wrong stays as it was; what is right is as it is.
        assert_eq!(kept, if expected.is_some() { was } else { is }, "{placed:?}");
    }
}

#[test]
fn the_first_piece_that_differs_is_named() {
    let was = known(1, &[piece(1, 10), piece(2, 10), piece(3, 5)]);
    let is = known(1, &[piece(1, 10), piece(9, 10), piece(8, 5)]);
    let (report, _) = one(Some(was), Some(is), &[]);
    let finding = &report.findings[0];
    assert_eq!(finding.offset, Some(10));
    assert_eq!(finding.blake3_expected, Some(hex(2)));
    assert_eq!(finding.blake3_actual, Some(hex(9)));
    let longer = known(1, &[piece(1, 10), piece(2, 10)]);
    let (report, _) = one(Some(known(1, &[piece(1, 10)])), Some(longer), &[]);
    let finding = &report.findings[0];
    assert_eq!((finding.offset, finding.blake3_expected.as_ref()), (Some(10), None));
}

fn hex(byte: u8) -> String {
    format!("{byte:02x}").repeat(32)
}

#[test]
fn very_many_findings_are_counted_and_the_worst_are_listed() {
    let names = (0..FINDINGS_MAX + 50).map(|n| path(&format!("songs/{n:05}.mp3")));
    let mut files: BTreeMap<_, _> = names.map(|n| (n, known(1, &[piece(1, 1)]))).collect();
    let before = Record::new(files.clone());
    let rotten = path("songs/00700.mp3");
    files.insert(rotten.clone(), known(1, &[piece(2, 1)]));
    let read = BTreeMap::from([(rotten, fact(known(1, &[piece(2, 1)])))]);
    let compared = Comparison {
        before: Some(&before),
        read: &read,
        placed: &Placed::default(),
        lost: &[],
        accepted: &[],
    }
    .run();
    assert_eq!(compared.report.found(), FINDINGS_MAX as u64 + 50);
    assert_eq!(compared.report.findings.len(), FINDINGS_MAX);
    assert_eq!(compared.report.findings[0].kind, FindingKind::Corrupt);
    assert_eq!(compared.record.files.len(), FINDINGS_MAX + 50, "all are still to be there");
}

#[test]
fn only_the_state_that_was_accepted_is() {
    let name = path("songs/a.mp3");
    let before = Record::new(BTreeMap::new());
    let read = BTreeMap::from([(name.clone(), fact(known(1, &[piece(1, 3)])))]);
    let run = |state: String| {
        let accepted = [Accepted { path: name.to_string(), state }];
        let placed = Placed::default();
        let all = Comparison {
            before: Some(&before),
            read: &read,
            placed: &placed,
            lost: &[],
            accepted: &accepted,
        };
        all.run().report.untracked
    };
    assert_eq!(run(read[&name].state()), 0);
    assert_eq!(run("something else".to_owned()), 1);
    assert_eq!(run(String::new()), 1);
}

#[test]
fn a_lost_song_that_was_accepted_is_not_found_again_and_not_forgiven_twice() {
    let lost = [path("songs/a.mp3")];
    let run = |before: &Record, lost: &[TreePath], accepted: &[Accepted]| {
        let (read, placed) = (BTreeMap::new(), Placed::default());
        let compared =
            Comparison { before: Some(before), read: &read, placed: &placed, lost, accepted }.run();
        (compared.report.missing, compared.record)
    };
    let (missing, record) = run(&Record::new(BTreeMap::new()), &lost, &[]);
    assert_eq!(missing, 1);
    let accepted = [Accepted { path: lost[0].to_string(), state: String::new() }];
    let (missing, record) = run(&record, &lost, &accepted);
    assert_eq!(missing, 0);
    let (missing, record) = run(&record, &lost, &[]);
    assert_eq!(missing, 0, "at the next reading");
    // It came back, and is lost once more: another loss.
    let (_, record) = run(&record, &[], &[]);
    assert_eq!(run(&record, &lost, &[]).0, 1);
}

#[test]
fn a_path_is_noted_once_and_a_torn_note_swallows_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let (root, artist) = (MediaRoot::new(dir.path()), ArtistId::new());
    let notes = Notes::of(&root, artist);
    for name in ["songs/a.mp3", "songs/a.mp3", ".uploads/x.part", "import/y.mp3"] {
        notes.add(&path(name)).unwrap();
    }
    let file = root.record_part(artist, PLACED);
    assert_eq!(fs::read_to_string(&file).unwrap(), "songs/a.mp3\n");
    fs::write(&file, "songs/a.m").unwrap();
    notes.add(&path("songs/b.mp3")).unwrap();
    let placed = root.placed(artist).unwrap();
    assert!(placed.has(&path("songs/b.mp3")) && !placed.has(&path("songs/a.mp3")));
}
