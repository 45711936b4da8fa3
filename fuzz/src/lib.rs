//! What both targets need: files of bytes, bounds, whose a panic is, checksums that fit.

mod mend;
#[path = "../../shared/lofi/tests/it/panics.rs"]
mod panics;

pub use mend::mend;
use rustix::fs::{MemfdFlags, memfd_create};
use std::{
    backtrace::Backtrace,
    collections::BTreeSet,
    fs::File,
    io::{Seek, Write},
    panic,
    process::abort,
    sync::Mutex,
};
use tourbus_lofi::{AudioError, Limits};

/// What one small file may allocate at once: as in `shared/lofi/tests/it/broken.rs`.
const ALLOCATED_BYTES_MAX: u64 = 96 << 20;

/// The usual bounds, but for songs so short that thousands go by in a second.
pub fn limits() -> Limits {
    Limits { duration_ms_max: 2000, ..Limits::default() }
}

/// A file without a disk.
pub fn empty() -> File {
    memfd_create("song", MemfdFlags::CLOEXEC).expect("a file in memory").into()
}

pub fn file(bytes: &[u8]) -> File {
    let mut file = empty();
    file.write_all(bytes).and_then(|()| file.rewind()).expect("room in memory");
    file
}

/// Runs `work`, whose memory must stay bounded.
pub fn bounded<T>(work: impl FnOnce() -> T) -> T {
    let mut done = None;
    let info = allocation_counter::measure(|| done = Some(work()));
    assert!(info.bytes_max < ALLOCATED_BYTES_MAX, "{} bytes at once", info.bytes_max);
    done.expect("it was run")
}

/// What must be so of every refusal: it can be said, and trying again is no use.
pub fn check(error: &AudioError) {
    assert!(!error.to_string().is_empty());
    assert!(!error.is_transient(), "{error}");
}

/// Lets the process end with a panic of our own code, which the library would catch. Those of
/// decoders are told once each. One that nobody catches ends the process anyway.
pub fn watch_panics() {
    // libFuzzer's own hook ends the process with any panic.
    drop(panic::take_hook());
    let default = panic::take_hook();
    let told = Mutex::new(BTreeSet::new());
    panic::set_hook(Box::new(move |info| {
        if panics::is_ours(info) {
            default(info);
            abort();
        }
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        if told.lock().is_ok_and(|mut told| told.insert(place)) {
            eprintln!("REFUSED: {info}\n{}", Backtrace::force_capture());
        }
    }));
}

/// A target's mutator: libFuzzer's, and checksums that fit again, mostly.
#[macro_export]
macro_rules! mutator {
    () => {
        libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
            let size = libfuzzer_sys::fuzzer_mutate(data, size, max_size);
            if seed % 8 > 0 {
                $crate::mend(&mut data[..size]);
            }
            size
        });
    };
}
