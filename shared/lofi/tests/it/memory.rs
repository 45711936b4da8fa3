//! Long songs take no more memory than short ones.

use crate::{
    convert::go_on,
    support::{file, sine, wav},
};
use std::{
    fs::File,
    io::{Seek, Write},
};
use tourbus_lofi::{Converted, Limits, Profile, convert, inspect};

/// What one song may allocate at once, however long.
const ALLOCATED_BYTES_MAX: u64 = 8 << 20;
/// What a process may grow by while it converts a song, with LAME's memory, which the count of
/// allocations does not see.
const RESIDENT_BYTES_MAX: u64 = 32 << 20;

/// A WAV of so many seconds, whose header says that its length is not known yet.
fn long(rate: u32, channels: u16, seconds: u32) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&wav(rate, channels, 0, |_, _| 0.0)).unwrap();
    let second: Vec<u8> = (0..rate * u32::from(channels))
        .flat_map(|n| ((sine(n.into(), 440.0, rate) * 1e4) as i16).to_le_bytes())
        .collect();
    for _ in 0..seconds {
        file.write_all(&second).unwrap();
    }
    file.rewind().unwrap();
    file
}

#[test]
fn an_hour_is_inspected() {
    let file = long(8000, 1, 3600);
    let mut found = None;
    let info = allocation_counter::measure(|| {
        found = Some(inspect(file, &Limits::default()).unwrap());
    });
    assert_eq!(found.unwrap().duration_ms, 3_600_000);
    assert!(info.bytes_max < ALLOCATED_BYTES_MAX, "{} bytes", info.bytes_max);
}

fn small(file: File) -> Converted {
    let output = tempfile::tempfile().unwrap();
    convert(file, output, &Profile::classic(), &Limits::default(), &mut go_on).unwrap()
}

#[test]
fn an_hour_is_converted() {
    let file = long(8000, 2, 3600);
    let mut made = None;
    let info = allocation_counter::measure(|| made = Some(small(file)));
    assert_eq!(made.unwrap().frames, 3600 * 8000);
    assert!(info.bytes_max < ALLOCATED_BYTES_MAX, "{} bytes", info.bytes_max);
}

fn resident_bytes_max() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// A process of its own, since other tests allocate as well.
#[test]
fn a_process_does_not_grow() {
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "memory::ten_minutes_in_this_process", "--ignored"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&status.stdout);
    assert!(status.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "run by a_process_does_not_grow, alone in its process"]
fn ten_minutes_in_this_process() {
    small(file(&wav(16_000, 2, 16_000, |n, _| 0.5 * sine(n, 440.0, 16_000))));
    let before = resident_bytes_max();
    let made = small(long(16_000, 2, 600));
    assert_eq!(made.song.duration_ms, 600_000);
    let grown = resident_bytes_max() - before;
    assert!(grown < RESIDENT_BYTES_MAX, "{grown} bytes");
}
