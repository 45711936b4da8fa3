//! Looking at an uploaded song: in a process of its own, for what strangers send may be made to
//! break whoever reads it.

use super::problem::Problem;
use serde::{Deserialize, Serialize};
use std::{
    os::{fd::OwnedFd, unix::process::ExitStatusExt as _},
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::{io::AsyncReadExt as _, process::Command, sync::Semaphore, time::timeout};
use tourbus_lofi::Inspection;

/// Longest time for one song.
const INSPECT_WAIT: Duration = Duration::from_secs(10 * 60);
/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 4 << 20;

/// What `tourbus inspect` says of a file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inspected {
    /// It is a song.
    Song(Box<Inspection>),
    /// It is none.
    Refused {
        /// A stable name for the reason.
        code: String,
        /// The reason, for whoever sent it.
        detail: String,
    },
    /// It could not be read: that is not its fault.
    Failed {
        /// The reason.
        detail: String,
    },
}

/// Starts the processes that look, a few at a time.
pub(crate) struct Inspector {
    program: PathBuf,
    turns: Semaphore,
}

impl Inspector {
    /// Runs this program's `inspect`.
    pub(crate) fn new(program: PathBuf) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        Self { program, turns: Semaphore::new(cores) }
    }

    /// What a file really is.
    pub(super) async fn inspect(&self, file: OwnedFd) -> Result<Inspection, Problem> {
        let _turn = self.turns.acquire().await;
        let failed = |what: &str, error: &dyn std::fmt::Display| {
            tracing::error!(%error, program = %self.program.display(), "inspect.{what}");
            Problem::internal()
        };
        let mut child = Command::new(&self.program)
            .arg("inspect")
            .env_clear()
            .stdin(Stdio::from(file))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| failed("not_started", &e))?;
        let mut text = Vec::new();
        let stdout = child.stdout.take();
        let looked = timeout(INSPECT_WAIT, async {
            if let Some(stdout) = stdout {
                stdout.take(ANSWER_BYTES_MAX).read_to_end(&mut text).await?;
            }
            child.wait().await
        });
        let status = match looked.await {
            Ok(status) => status.map_err(|e| failed("unreadable", &e))?,
            // Time on a core is bounded in the process: it is the disk that is slow.
            Err(timeout) => return Err(failed("too_slow", &timeout)),
        };
        match serde_json::from_slice(&text) {
            Ok(Inspected::Song(inspection)) if status.success() => Ok(*inspection),
            Ok(Inspected::Refused { code, detail }) => Err(Problem::unprocessable(&code, detail)),
            Ok(Inspected::Failed { detail }) => Err(failed("unreadable", &detail)),
            Ok(Inspected::Song(_)) | Err(_) if is_of_the_song(status) => {
                tracing::warn!(%status, "inspect.broke");
                Err(unbearable())
            }
            Ok(Inspected::Song(_)) | Err(_) => Err(failed("died", &status)),
        }
    }
}

/// Whether such an end says something about the song: it took more than it may, or broke the reader.
/// Whoever is stopped with its service, or by a machine that is short of memory, says nothing.
fn is_of_the_song(status: ExitStatus) -> bool {
    const PANICKED: i32 = 101;
    let broke = |signal| {
        matches!(
            signal,
            libc::SIGXCPU
                | libc::SIGXFSZ
                | libc::SIGABRT
                | libc::SIGSEGV
                | libc::SIGBUS
                | libc::SIGILL
        )
    };
    status.signal().is_some_and(broke) || status.code() == Some(PANICKED)
}

fn unbearable() -> Problem {
    let detail = "The file cannot be looked at: reading it breaks the reader, or takes too long.";
    Problem::unprocessable("unbearable", detail).remedy("Export the song anew, and upload that.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_song_did_is_held_against_it() {
        let signal = |n: i32| ExitStatus::from_raw(n);
        assert!(is_of_the_song(signal(libc::SIGXCPU)) && is_of_the_song(signal(libc::SIGSEGV)));
        assert!(is_of_the_song(signal(101 << 8)), "a panic");
        for other in [libc::SIGTERM, libc::SIGKILL, 1 << 8, 127 << 8] {
            assert!(!is_of_the_song(signal(other)), "{other}");
        }
    }
}
