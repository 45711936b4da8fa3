use super::*;

fn root() -> (tempfile::TempDir, MediaRoot) {
    let dir = tempfile::tempdir().unwrap();
    let root = MediaRoot::new(dir.path());
    root.prepare().unwrap();
    (dir, root)
}

fn play(n: i64) -> Play {
    let path = TreePath::new(format!("songs/{n}.mp3").into_bytes()).unwrap();
    Play { at_s: n, mark: format!("m{n}"), artist: ArtistId::new(), path }
}

#[test]
fn a_batch_is_open_closed_sent_and_forgotten() {
    let (_dir, root) = root();
    let mut journal = PlayJournal::begin(&root).unwrap();
    let plays = [play(1), play(2)];
    for one in &plays {
        journal.append(one).unwrap();
    }
    assert!(root.closed_plays().unwrap().is_empty());
    assert_eq!(root.close_orphaned_plays().unwrap(), 0, "its owner lives");
    assert_eq!(journal.len(), 2);
    journal.close().unwrap();
    let [batch] = root.closed_plays().unwrap()[..] else { panic!("one batch") };
    assert_eq!(root.read_plays(batch).unwrap(), plays);
    root.plays_sent(batch).unwrap();
    assert!(root.closed_plays().unwrap().is_empty());
    assert_eq!(root.recent_plays(2).unwrap(), plays[1..]);
    assert_eq!(root.forget_sent_plays(Duration::from_secs(60)).unwrap(), 0);
    assert_eq!(root.forget_sent_plays(Duration::ZERO).unwrap(), 1);
    assert!(root.recent_plays(0).unwrap().is_empty());
}

#[test]
fn what_a_dead_process_has_written_is_closed_by_the_next() {
    let (_dir, root) = root();
    let mut journal = PlayJournal::begin(&root).unwrap();
    journal.append(&play(7)).unwrap();
    // A power cut in the middle of a line.
    journal.file.write_all(b"{\"t\":8,\"m\":\"x").unwrap();
    drop(journal);
    drop(PlayJournal::begin(&root).unwrap());
    assert_eq!(root.close_orphaned_plays().unwrap(), 1, "the empty one is no batch");
    let [batch] = root.closed_plays().unwrap()[..] else { panic!("one batch") };
    let read = root.read_plays(batch).unwrap();
    assert_eq!(read.iter().map(|p| p.at_s).collect::<Vec<_>>(), [7]);
}
