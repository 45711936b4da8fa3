//! What processes cost, as the kernel counts it.

use anyhow::{Context, Result, bail};
use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Kernel ticks a second; fixed at 100 in Linux's user-space interface.
const TICKS_PER_S: f64 = 100.0;

/// How often a process's memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// CPU seconds (user and system) that a running process has used.
pub fn cpu_s(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name may hold anything: count fields from its closing bracket.
    let rest = stat.rsplit_once(')').context("no name in /proc/pid/stat")?.1;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |n: usize| fields.get(n).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    Ok((ticks(11) + ticks(12)) / TICKS_PER_S)
}

/// The largest resident set that a process has had, in bytes.
pub fn peak_bytes(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).context("no VmHWM")?;
    let kib: u64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
    Ok(kib << 10)
}

/// What a command cost.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// Wall time.
    pub wall: Duration,
    /// CPU seconds of the process and its children.
    pub cpu_s: f64,
    /// CPU seconds of the store meanwhile.
    pub store_cpu_s: f64,
    /// The largest resident set of the process, in bytes, as far as it was looked at.
    pub peak_bytes: u64,
}

impl std::ops::AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.wall += other.wall;
        self.cpu_s += other.cpu_s;
        self.store_cpu_s += other.store_cpu_s;
        self.peak_bytes = self.peak_bytes.max(other.peak_bytes);
    }
}

fn children_cpu_s() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let rest = stat.rsplit_once(')').context("no name in /proc/self/stat")?.1;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |n: usize| fields.get(n).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    Ok((ticks(13) + ticks(14)) / TICKS_PER_S)
}

/// Runs a command to its end.
pub fn run(mut command: Command) -> Result<Cost> {
    let name = command.get_program().to_string_lossy().into_owned();
    let (before, begun) = (children_cpu_s()?, Instant::now());
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("{name} does not start: run compose/install.sh --bench"))?;
    let mut peak = 0;
    let status = loop {
        // Of one that has just ended nothing is known any more.
        peak = peak_bytes(child.id()).unwrap_or(0).max(peak);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::park_timeout(LOOK_EVERY);
    };
    if !status.success() {
        bail!("{name} ended with {status}");
    }
    let (wall, cpu_s) = (begun.elapsed(), children_cpu_s()? - before);
    Ok(Cost { wall, cpu_s, store_cpu_s: 0.0, peak_bytes: peak })
}

/// Runs `rclone copy` with a given configuration file.
pub fn rclone(config: &Path, from: &str, to: &str) -> Result<Cost> {
    let mut command = Command::new("rclone");
    command.args(["copy", "--s3-no-check-bucket", "--config"]).arg(config).args([from, to]);
    // rclone 1.60 reads it even for plain http, and fails on it.
    command.env_remove("AWS_CA_BUNDLE");
    run(command)
}

/// The middle one of an odd number of values.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
