//! Bytes that nobody meant: cut, flipped, random. Nothing panics, nothing loops, nothing grows.

use crate::{
    convert::go_on,
    support::{FIXTURES, file, fixture, no_panic_of_ours, tone},
};
use proptest::prelude::*;
use std::{
    io::Seek,
    time::{Duration, Instant},
};
use tourbus_lofi::{Limits, Profile, convert, inspect, verify};

/// What one small file may allocate at once. The largest allowance of the crate is that for the
/// codebooks of Vorbis, 64 MiB.
const ALLOCATED_BYTES_MAX: u64 = 96 << 20;
/// What one small file may take. A hundred times what the slowest takes alone.
const TIME_MAX: Duration = Duration::from_secs(20);

#[track_caller]
fn survives(bytes: &[u8]) {
    let file = file(bytes);
    let start = Instant::now();
    let info = allocation_counter::measure(|| {
        // A decoder that panics is a refusal. The fuzzer knows some that do.
        drop(no_panic_of_ours(&"broken", || inspect(file, &Limits::default())));
    });
    assert!(info.bytes_max < ALLOCATED_BYTES_MAX, "{} bytes at once", info.bytes_max);
    assert!(start.elapsed() < TIME_MAX, "{:?}", start.elapsed());
}

#[test]
fn cut_anywhere() {
    for name in FIXTURES {
        let bytes = fixture(name);
        for length in (0..bytes.len()).step_by(37) {
            survives(&bytes[..length]);
        }
    }
}

#[test]
fn cut_wav() {
    let bytes = tone();
    for length in (0..200).chain((200..bytes.len()).step_by(3701)) {
        survives(&bytes[..length]);
    }
}

fn fixtures() -> impl Strategy<Value = Vec<u8>> {
    prop::sample::select(FIXTURES).prop_map(fixture)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn flipped(
        bytes in fixtures(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..30),
    ) {
        let mut bytes = bytes;
        for (at, flip) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        }
        survives(&bytes);
    }

    /// Most of what lies is in the headers.
    #[test]
    fn flipped_near_an_end(
        bytes in fixtures(),
        flips in prop::collection::vec((0_usize..1500, any::<bool>(), any::<u8>()), 1..10),
    ) {
        let mut bytes = bytes;
        for (at, from_end, value) in flips {
            let at = at % bytes.len();
            let at = if from_end { bytes.len() - 1 - at } else { at };
            bytes[at] = value;
        }
        survives(&bytes);
    }

    #[test]
    fn spliced(one in fixtures(), other in fixtures(), at in any::<prop::sample::Index>()) {
        let at = at.index(one.len());
        survives(&[&one[..at], &other[at.min(other.len())..]].concat());
    }

    #[test]
    fn random(bytes in prop::collection::vec(any::<u8>(), 0..5000)) {
        survives(&bytes);
    }

    #[test]
    fn random_behind_a_mark(
        mark in prop::sample::select(vec![
            &b"fLaC\0\0\0\x22"[..], b"OggS\0\x02", b"\0\0\0\x18ftypM4A ", b"\xFF\xFB\x90\x64",
            b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0", b"ID3\x04\0\0\0\0\0\x20TIT2\0\0\0\x10",
        ]),
        bytes in prop::collection::vec(any::<u8>(), 0..5000),
    ) {
        survives(&[mark, &bytes].concat());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 50, ..ProptestConfig::default() })]

    /// What passes is converted; what does not, is refused for the same reason.
    #[test]
    fn converted(
        bytes in fixtures(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 0..4),
        profile in prop::sample::select(vec!["classic", "standard", "preview"]),
    ) {
        let mut bytes = bytes;
        for (at, flip) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        }
        let (limits, profile) = (Limits::default(), Profile::named(profile).unwrap());
        let output = tempfile::tempfile().unwrap();
        let mut copy = output.try_clone().unwrap();
        let made = convert(file(&bytes), output, &profile, &limits, &mut go_on);
        match (made, inspect(file(&bytes), &limits)) {
            (Ok(made), Ok(song)) => {
                prop_assert_eq!(&made.song, &song);
                copy.rewind().unwrap();
                verify(copy, made.frames, &limits).unwrap();
            }
            (Err(made), Err(song)) => prop_assert_eq!(made.code(), song.code()),
            (made, song) => panic!("{made:?} {song:?}"),
        }
    }
}
