use super::*;
use std::{collections::HashSet, fs};

#[test]
fn the_community_is_the_same_every_time_and_nobody_twice() {
    let plan = plan::community(300, 3);
    assert_eq!(plan, plan::community(300, 3));
    let slugs: HashSet<_> = plan.iter().map(|a| a.slug.as_str()).collect();
    let ids: HashSet<_> = plan.iter().map(|a| a.id).collect();
    assert_eq!((slugs.len(), ids.len()), (300, 300));
    for artist in &plan {
        assert!((2..=5).contains(&artist.songs.len()), "{artist:?}");
        assert_eq!(artist.songs.iter().map(|s| s.plays_total).sum::<u64>(), artist.plays_total);
        assert!(artist.plays_30d <= artist.plays_total && artist.plays_total > 0);
        let files: HashSet<_> = artist.songs.iter().map(|s| &s.file_name).collect();
        assert_eq!(files.len(), artist.songs.len());
    }
}

#[test]
fn the_first_server_has_the_most() {
    let plan = plan::community(300, 3);
    let on = |server| plan.iter().filter(|a| a.server == server).count();
    assert!((150..=210).contains(&on(0)), "{}", on(0));
    assert!((50..=100).contains(&on(1)), "{}", on(1));
    assert!((25..=65).contains(&on(2)), "{}", on(2));
    assert!(plan::community(20, 1).iter().all(|a| a.server == 0));
}

#[test]
fn many_names_are_distinct() {
    let plan = plan::community(20_000, 1);
    let slugs: HashSet<_> = plan.iter().map(|a| a.slug.as_str()).collect();
    assert_eq!(slugs.len(), 20_000);
}

#[test]
fn songs_are_wav_files_that_sound() {
    for tune in 0..12 {
        let bytes = synth::song(tune, 6_500).unwrap();
        let mut wav = hound::WavReader::new(&bytes[..]).unwrap();
        assert_eq!(wav.spec().sample_rate, synth::SAMPLE_RATE);
        let samples: Vec<i16> = wav.samples().collect::<Result<_, _>>().unwrap();
        assert_eq!(samples.len(), 6_500 * synth::SAMPLE_RATE as usize / 1000);
        let loudest = samples.iter().map(|s| s.unsigned_abs()).max().unwrap();
        assert!(loudest > 20_000, "{loudest}");
        let sounding = samples.iter().filter(|s| s.unsigned_abs() > 300).count();
        assert!(sounding > samples.len() / 2, "{sounding} of {}", samples.len());
        assert!(samples[samples.len() - 1].unsigned_abs() < 50);
    }
}

#[test]
fn an_interrupted_seed_is_finished_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let server = |slug: &str| SeedServer {
        id: ServerId::new(),
        slug: slug.parse().unwrap(),
        media_root: dir.path().join(slug),
    };
    let servers = [server("master"), server("server2")];
    let go = AtomicBool::new(false);
    let first = write_all(&servers, 4, &go).unwrap();
    // As if the first had been stopped between two trees and in the middle of another.
    let lost = &first[1];
    let at = servers.iter().find(|s| s.id == lost.server_id).unwrap();
    let root = MediaRoot::new(&at.media_root);
    fs::remove_dir_all(root.tree(lost.id)).unwrap();
    fs::remove_file(root.by_slug(&lost.slug)).unwrap();
    fs::create_dir_all(at.media_root.join(".tourbus/demo/half/songs")).unwrap();
    let second = write_all(&servers, 4, &go).unwrap();
    assert_eq!(format!("{first:?}"), format!("{second:?}"));
    for row in &second {
        let at = servers.iter().find(|s| s.id == row.server_id).unwrap();
        let root = MediaRoot::new(&at.media_root);
        let link = fs::read_link(root.by_slug(&row.slug)).unwrap();
        assert_eq!(link.to_str().unwrap(), row.id.to_string());
        for song in &row.songs {
            let len = fs::metadata(root.tree(row.id).join(&song.path)).unwrap().len();
            assert_eq!(len, song.bytes);
        }
        assert!(!at.media_root.join(".tourbus/demo").exists());
    }
    assert!(matches!(write_all(&servers, 4, &AtomicBool::new(true)), Err(SeedError::Interrupted)));
}
