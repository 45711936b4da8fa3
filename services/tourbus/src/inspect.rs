//! `tourbus inspect`: what a song is, in a process that may break without harm to another.

use crate::confine::{Bounds, confine};
use std::{fs::File, io, os::fd::AsFd, process::ExitCode};
use tourbus_lofi::{Limits, inspect};
use tourbus_media::Inspected;

/// Memory that reading a song may take, in bytes. It needs a few MiB.
const MEMORY_BYTES_MAX: u64 = 1 << 30;
/// Time on a core that it may take, in seconds. An hour of music needs a few.
const CPU_S_MAX: u64 = 300;

/// Looks at standard input, which must be a file.
pub fn run() -> anyhow::Result<ExitCode> {
    // The answer goes through a pipe: not a byte to a file.
    confine(&Bounds { memory_bytes: MEMORY_BYTES_MAX, cpu_s: CPU_S_MAX, file_bytes: 0 })?;
    let file = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let answer = match inspect(file, &Limits::default()) {
        Ok(inspection) => Inspected::Song(Box::new(inspection)),
        Err(error) if error.is_transient() => Inspected::Failed { detail: error.to_string() },
        Err(error) => {
            Inspected::Refused { code: error.code().to_owned(), detail: error.to_string() }
        }
    };
    serde_json::to_writer(io::stdout().lock(), &answer)?;
    Ok(ExitCode::SUCCESS)
}
