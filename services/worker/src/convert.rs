//! Making a song's small rendition, in a process of its own: what strangers send may be made to break
//! whoever reads it.
//!
//! ```text
//!  worker                                   tourbus convert
//!    stdin: the song, read only ──────────▶ decode · encode · decode again
//!    stdout: a file without a name ◀─────── the small rendition
//!    stderr: a pipe ◀────────────────────── lines of JSON: how far, and how it ended
//! ```
//!
//! That process can open nothing else; its memory, its time and what it may write are
//! bounded.

use crate::context::{Stop, crashed};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    os::fd::OwnedFd,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::{
        Arc, Mutex, Once, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::{Child, ChildStderr, Command},
    time::Instant,
};
use tokio_util::task::AbortOnDropHandle;
use tourbus_domain::{ErrorClass, JobError, JobId, Lane};
use tourbus_lofi::{Converted, Profile};
use tourbus_mediaroot::{Identity, Writable, WriteFile};

/// Longest text that is read from the process, in bytes: a waveform, and a few thousand lines of
/// progress.
const TEXT_BYTES_MAX: u64 = 16 << 20;
/// Time on a core that one song may take, in seconds. Six hours of music take a few minutes.
pub const CPU_S_MAX: u64 = 3600;
/// How long a conversion that was handed back runs on by itself, so that the next delivery of its job
/// finds it.
const KEEP: Duration = Duration::from_mins(1);
/// Memory that it may take, in bytes. It needs a few MiB.
pub const MEMORY_BYTES_MAX: u64 = 512 << 20;

/// A line of what `tourbus convert` tells.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// How far it is, from 0 to 1.
    Progress(f32),
    /// It is made, written and verified.
    Done(Box<Made>),
    /// The song is none, or cannot be converted.
    Refused {
        /// A stable name for the reason.
        code: String,
        /// The reason, for whoever uploaded it.
        detail: String,
    },
    /// Something else stands in the way.
    Failed {
        /// A stable name for the reason.
        code: String,
        /// The reason.
        detail: String,
    },
}

/// A small rendition that is made and verified.
#[derive(Debug, Serialize, Deserialize)]
pub struct Made {
    /// What it is, and what the song is.
    pub converted: Converted,
    /// Time on the processor that it took, in milliseconds.
    pub cpu_ms: u64,
    /// Whether the kernel kept the process to its files.
    pub confined: bool,
}

/// What a conversion begins with.
pub struct Begun {
    /// The artist's tree.
    pub tree: Writable,
    /// The original as it is read.
    pub seen: Identity,
    /// The same, open.
    pub song: OwnedFd,
    /// Where the small rendition goes: a file without a name.
    pub draft: WriteFile,
    /// The same, for the process.
    pub output: OwnedFd,
}

/// A conversion under way. When it is dropped, its process ends.
pub struct Conversion {
    /// The artist's tree.
    pub tree: Writable,
    /// The original as it is read.
    pub seen: Identity,
    /// Where the small rendition goes.
    pub draft: WriteFile,
    since: Instant,
    bytes: Arc<AtomicU64>,
    made: AbortOnDropHandle<Result<Made, Stop>>,
}

impl Conversion {
    /// How much of the original has been dealt with, in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How long it has taken so far, in milliseconds.
    pub fn took_ms(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Waits for its end. May be given up and called again.
    pub async fn made(&mut self) -> Result<Made, Stop> {
        (&mut self.made).await.unwrap_or_else(|e| Err(crashed(&e.to_string()).into()))
    }
}

/// Starts these processes. Cheap to clone.
#[derive(Clone)]
pub struct Converter {
    program: PathBuf,
    /// Which worker this is.
    pub worker: String,
    /// Conversions whose job was handed back before they ended, and since when they wait for it.
    kept: Arc<Mutex<HashMap<JobId, (Instant, Conversion)>>>,
}

impl Converter {
    /// With this program; without it, this very one, even when its file has been replaced.
    pub fn new(program: Option<PathBuf>, worker: String) -> Self {
        let program = program.unwrap_or_else(|| PathBuf::from("/proc/self/exe"));
        Self { program, worker, kept: Arc::default() }
    }

    /// Begins to convert a song.
    pub fn begin(&self, begun: Begun, profile: &Profile, lane: Lane) -> Conversion {
        let Begun { tree, seen, song, draft, output } = begun;
        let (bytes, size) = (Arc::new(AtomicU64::new(0)), seen.size);
        let (this, profile, far) = (self.clone(), profile.clone(), Arc::clone(&bytes));
        let task = tokio::spawn(async move {
            let told = |part: f32| {
                far.store((f64::from(part) * size as f64) as u64, Ordering::Relaxed);
            };
            this.convert(song, output, &profile, lane, told).await
        });
        let made = AbortOnDropHandle::new(task);
        Conversion { tree, seen, draft, since: Instant::now(), bytes, made }
    }

    /// Lets a conversion run on whose job is handed back: no delivery is held for as long as a
    /// conversion may take. Not for ever: the job may go to another worker, or nowhere.
    pub fn keep(&self, job: JobId, conversion: Conversion) {
        let now = Instant::now();
        self.waiting().insert(job, (now, conversion));
        let this = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(KEEP).await;
            let mut waiting = this.waiting();
            if waiting.get(&job).is_some_and(|(since, _)| *since == now) {
                waiting.remove(&job);
            }
        });
    }

    /// The conversion of a job that was handed back, if it is here.
    pub fn kept(&self, job: JobId) -> Option<Conversion> {
        self.waiting().remove(&job).map(|(_, conversion)| conversion)
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<JobId, (Instant, Conversion)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a small rendition of `song` in `output`, which is empty. `told` is told how far it is.
    /// When this is dropped, the process ends.
    async fn convert(
        &self,
        song: OwnedFd,
        output: OwnedFd,
        profile: &Profile,
        lane: Lane,
        told: impl FnMut(f32) + Send,
    ) -> Result<Made, Stop> {
        let spec = serde_json::to_string(profile).map_err(|e| broken(&e.to_string()))?;
        let mut child = Command::new(&self.program)
            .arg("convert")
            .args(["--profile", &spec])
            .args(["--nice", nice(lane)])
            .env_clear()
            .stdin(Stdio::from(song))
            .stdout(Stdio::from(output))
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| broken(&format!("{} cannot be started: {e}", self.program.display())))?;
        let last = match child.stderr.take() {
            Some(text) => listen(text, told).await,
            None => Last::default(),
        };
        // Whoever says more than there is to say is not listened to any longer.
        ended(child, last).await
    }
}

/// The last that the process said.
#[derive(Default)]
struct Last {
    told: Option<Told>,
    /// What was no line of ours: a panic, the loader's complaint.
    other: String,
}

async fn listen(text: ChildStderr, mut told: impl FnMut(f32) + Send) -> Last {
    let mut lines = BufReader::new(text.take(TEXT_BYTES_MAX)).lines();
    let mut last = Last::default();
    // A line that cannot be read is the last.
    while let Ok(Some(line)) = lines.next_line().await {
        match serde_json::from_str(&line) {
            Ok(Told::Progress(part)) => told(part.clamp(0.0, 1.0)),
            Ok(end) => last.told = Some(end),
            Err(_) if last.other.len() + line.len() < 1000 => {
                last.other.push_str(line.trim());
                last.other.push(' ');
            }
            Err(_) => {}
        }
    }
    last
}

async fn ended(mut child: Child, last: Last) -> Result<Made, Stop> {
    let status = child.wait().await.map_err(|e| broken(&e.to_string()))?;
    match last.told {
        Some(Told::Done(made)) if status.success() => {
            if !made.confined {
                static TOLD: Once = Once::new();
                TOLD.call_once(|| {
                    tracing::warn!("convert.not_confined: this kernel has no Landlock");
                });
            }
            Ok(*made)
        }
        Some(Told::Refused { code, detail }) => Err(refused(&code, &detail).into()),
        Some(Told::Failed { code, detail }) => Err(failed(&code, detail).into()),
        Some(Told::Done(_) | Told::Progress(_)) | None => {
            Err(died(status, last.other.trim()).into())
        }
    }
}

/// What one asks for by hand may take a part of every core, and gives way to listeners; what waits
/// by the thousand takes what is left.
const fn nice(lane: Lane) -> &'static str {
    match lane {
        Lane::LofiBulk => "19",
        _ => "5",
    }
}

/// The song is at fault. Its own words say how to mend it.
fn refused(code: &str, detail: &str) -> JobError {
    JobError::new(ErrorClass::Permanent, code, detail.trim_end_matches('.'), "")
}

/// The disk is at fault, or we are.
fn failed(code: &str, detail: String) -> JobError {
    match code {
        "disk_full" => JobError::new(
            ErrorClass::Permanent,
            crate::fault::DISK_FULL,
            detail,
            "Free some space on the media root's disk, or move artists to another server, then \
             retry",
        ),
        "not_verified" => JobError::new(
            ErrorClass::Transient,
            code,
            detail,
            "If it happens again, look for faults of the disk, and report the song",
        ),
        _ => JobError::new(
            ErrorClass::Transient,
            code,
            detail,
            "If it happens again, look at the worker's log and the kernel's (dmesg)",
        ),
    }
}

fn died(status: ExitStatus, said: &str) -> JobError {
    use std::os::unix::process::ExitStatusExt as _;
    let song = |code: &str, what: String| {
        let remedy = "Save the song anew with another program, and upload that";
        JobError::new(ErrorClass::Permanent, code, what, remedy)
    };
    match status.signal() {
        Some(libc::SIGXCPU) => song(
            "song_takes_too_long",
            format!("converting it takes more than {CPU_S_MAX} s on a core"),
        ),
        Some(libc::SIGXFSZ) => {
            song("song_grows", "its small version grows beyond all bounds".to_owned())
        }
        Some(signal @ (libc::SIGABRT | libc::SIGSEGV | libc::SIGBUS | libc::SIGILL)) => song(
            "converter_broke",
            format!("reading it breaks the converter (signal {signal}): {said}"),
        ),
        _ => JobError::new(
            ErrorClass::Transient,
            "converter_ended",
            format!("the converter has ended with {status} and said {said:?}"),
            "If it happens again, look at the kernel's log (dmesg): it may be short of memory",
        ),
    }
}

/// The converter cannot be used at all.
fn broken(what: &str) -> Stop {
    let remedy = "Check that the program is there and that the worker's user may run it";
    JobError::new(ErrorClass::Transient, "converter_missing", what, remedy).into()
}
