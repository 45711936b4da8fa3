//! Files for tests.

use crate::panics::is_ours;
use std::{
    cell::RefCell,
    fmt::Display,
    fs::File,
    io::{Seek, Write},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind, set_hook, take_hook},
    path::{Path, PathBuf},
    sync::Once,
};
use tourbus_lofi::{AudioError, Inspection, Limits, inspect};

pub const FIXTURES: &[&str] = &[
    "tone.flac",
    "tone.ogg",
    "tone.m4a",
    "faststart.m4a",
    "tone.mp3",
    "mono-vbr.mp3",
    "freeformat.mp3",
    "surround.flac",
    "surround.ogg",
    "fragmented.m4a",
    "alac.m4a",
    "opus.ogg",
    "adpcm.wav",
];

pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

pub fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap()
}

/// A file of these bytes, without a name.
pub fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

pub fn look(bytes: &[u8]) -> Result<Inspection, AudioError> {
    inspect(file(bytes), &Limits::default())
}

pub fn good(bytes: &[u8]) -> Inspection {
    look(bytes).unwrap_or_else(|e| panic!("{}: {e}", e.code()))
}

#[track_caller]
pub fn refused(bytes: &[u8], code: &str) -> String {
    match look(bytes) {
        Ok(found) => panic!("taken for a song of {} ms", found.duration_ms),
        Err(e) => {
            assert_eq!(e.code(), code, "{e}");
            e.to_string()
        }
    }
}

/// A sine of `hz` at frame `n`.
pub fn sine(n: u64, hz: f64, sample_rate_hz: u32) -> f64 {
    (n as f64 * hz * std::f64::consts::TAU / f64::from(sample_rate_hz)).sin()
}

/// A WAV file of 16 bits: `sample(frame, channel)`, from -1 to 1.
pub fn wav(
    sample_rate_hz: u32,
    channels: u16,
    frames: u64,
    sample: impl Fn(u64, u16) -> f64,
) -> Vec<u8> {
    let spec = hound::WavSpec {
        channels,
        sample_rate: sample_rate_hz,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
    for n in 0..frames {
        for channel in 0..channels {
            writer.write_sample((sample(n, channel) * 32767.0).round() as i16).unwrap();
        }
    }
    writer.finalize().unwrap();
    bytes.into_inner()
}

/// A second of a tone in stereo.
pub fn tone() -> Vec<u8> {
    wav(44_100, 2, 44_100, |n, _| 0.5 * sine(n, 997.0, 44_100))
}

thread_local! {
    /// Panics while this thread is watched: whether each is our own, and what it says.
    static WATCHED: RefCell<Option<Vec<(bool, String)>>> = const { RefCell::new(None) };
}

/// Runs `work` on `what`: no code of our own may panic, not even where the library catches it.
#[track_caller]
pub fn no_panic_of_ours<T>(what: &dyn Display, work: impl FnOnce() -> T) -> T {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            WATCHED.with_borrow_mut(|seen| match seen {
                Some(seen) => seen.push((is_ours(info), info.to_string())),
                None => before(info),
            });
        }));
    });
    WATCHED.set(Some(Vec::new()));
    let done = catch_unwind(AssertUnwindSafe(work));
    let seen = WATCHED.take().unwrap();
    let done = done.unwrap_or_else(|e| {
        eprintln!("{what}: {seen:?}");
        resume_unwind(e)
    });
    assert!(seen.iter().all(|(is_ours, _)| !is_ours), "{what}: {seen:?}");
    done
}
