//! `tourbus convert`: a song's small version, in a process that may break without harm to another.
//!
//! Standard input is the song, standard output the small version: both files. What is to be said goes
//! to standard error, as lines of JSON.

use crate::{
    args::Convert,
    confine::{Bounds, confine},
};
use rustix::time::{ClockId, clock_gettime};
use std::{
    fs::File,
    io::{self, Write as _},
    ops::ControlFlow,
    os::fd::AsFd,
    process::ExitCode,
};
use tourbus_lofi::{
    ConvertError, Converted, Encoding, Limits, Profile, VerifyError, convert, verify,
};
use tourbus_worker::convert::{CPU_S_MAX, MEMORY_BYTES_MAX, Made, Told};

/// Progress is told when it has grown by this much.
const PROGRESS_STEP: f32 = 0.01;
/// Room for tags and for what an encoder rounds up, in bytes.
const SPARE_BYTES: u64 = 1 << 20;

/// Makes it and decodes it again.
pub fn run(options: &Convert) -> anyhow::Result<ExitCode> {
    let profile: Profile = serde_json::from_str(&options.profile)?;
    let limits = Limits::default();
    let confined = confine(&Bounds {
        memory_bytes: MEMORY_BYTES_MAX,
        cpu_s: CPU_S_MAX,
        file_bytes: largest(&profile, &limits),
    })?;
    rustix::process::nice(options.nice)?;
    let (song, output) = (open(io::stdin())?, open(io::stdout())?);
    let told = match make(song, output, &profile, &limits) {
        Ok(converted) => Told::Done(Box::new(Made { converted, cpu_ms: cpu_ms(), confined })),
        Err(fault) => fault.told(),
    };
    say(&told)?;
    Ok(ExitCode::SUCCESS)
}

fn open(stream: impl AsFd) -> io::Result<File> {
    Ok(File::from(stream.as_fd().try_clone_to_owned()?))
}

/// The largest file that a song could become.
fn largest(profile: &Profile, limits: &Limits) -> u64 {
    let seconds = limits.duration_ms_max / 1000;
    let bytes_per_s = match profile.encoding {
        Encoding::Mp3 { bitrate_bps_max } => u64::from(bitrate_bps_max) / 8,
        Encoding::Wav {} => u64::from(profile.sample_rate_hz_max) * 4,
    };
    seconds * bytes_per_s + SPARE_BYTES
}

enum Fault {
    Convert(ConvertError),
    Verify(VerifyError),
    Write(io::Error),
}

impl Fault {
    fn told(self) -> Told {
        match self {
            Self::Convert(ConvertError::Write(error)) | Self::Write(error) => {
                let full = error.kind() == io::ErrorKind::StorageFull;
                let code = if full { "disk_full" } else { "disk_error" };
                Told::Failed {
                    code: code.to_owned(),
                    detail: format!("the small version could not be written: {error}"),
                }
            }
            Self::Convert(error @ (ConvertError::Encoder(_) | ConvertError::Stopped)) => {
                Told::Failed { code: error.code().to_owned(), detail: error.to_string() }
            }
            // The disk is at fault, not the song.
            Self::Convert(error @ ConvertError::Song(_)) if error.is_transient() => {
                Told::Failed { code: error.code().to_owned(), detail: error.to_string() }
            }
            Self::Convert(error) => {
                Told::Refused { code: error.code().to_owned(), detail: error.to_string() }
            }
            Self::Verify(error) => {
                Told::Failed { code: "not_verified".to_owned(), detail: error.to_string() }
            }
        }
    }
}

fn make(song: File, output: File, profile: &Profile, limits: &Limits) -> Result<Converted, Fault> {
    let mut told = 0.0;
    let mut progress = |part: f32| {
        if part >= told + PROGRESS_STEP {
            told = part;
            // Nobody listens any more: nobody wants it any more.
            if say(&Told::Progress(part)).is_err() {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    };
    let converted =
        convert(song, &output, profile, limits, &mut progress).map_err(Fault::Convert)?;
    output.set_len(converted.bytes).map_err(Fault::Write)?;
    verify(output, converted.frames, limits).map_err(Fault::Verify)?;
    Ok(converted)
}

fn say(told: &Told) -> io::Result<()> {
    let mut line = serde_json::to_vec(told)?;
    line.push(b'\n');
    io::stderr().lock().write_all(&line)
}

/// Time on the processor so far, in milliseconds.
fn cpu_ms() -> u64 {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    u64::try_from(spent.tv_sec * 1000 + spent.tv_nsec / 1_000_000).unwrap_or(0)
}
