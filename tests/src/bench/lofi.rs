//! Conversions against ffmpeg and the `lame` tool: the same song, target and LAME quality.
#![allow(clippy::print_stdout, reason = "the figures are the output")]

use super::measure::{Cost, median, run};
use anyhow::{Context, Result, bail};
use std::{
    fs,
    io::{Seek, SeekFrom},
    path::{Path, PathBuf},
    process::Command,
};
use tourbus_local::find_tourbus;

/// Where Debian's package wesnoth-1.16-music keeps its pieces.
const MUSIC: &str = "/usr/share/games/wesnoth/1.16/data/core/music";
/// Lengths in minutes, and how often each is converted.
const LENGTHS: [(u32, usize); 2] = [(5, 3), (60, 1)];
/// Bytes of a second of 16 bits, stereo, at 44.1 kHz.
const RAW_BYTES_PER_S: u64 = 44_100 * 2 * 2;
/// LAME's quality, for all three: near best, as our own.
const QUALITY: &str = "2";

/// What a profile is called by the others.
struct Target {
    profile: &'static str,
    ffmpeg: &'static [&'static str],
    lame: &'static [&'static str],
}

const TARGETS: [Target; 2] = [
    Target {
        profile: "standard",
        ffmpeg: &["-ac", "2", "-ar", "44100", "-b:a", "64k"],
        lame: &["-m", "j", "--resample", "44.1", "-b", "64"],
    },
    Target {
        profile: "classic",
        ffmpeg: &["-ac", "1", "-ar", "22050", "-b:a", "32k"],
        lame: &["-m", "m", "--resample", "22.05", "-b", "32"],
    },
];

/// Real music, one piece after the other, as long as it should be. Each piece is decoded by itself:
/// they differ in what their Vorbis is made with.
fn song(dir: &Path, minutes: u32, kind: &str) -> Result<PathBuf> {
    let mut pieces: Vec<PathBuf> = fs::read_dir(MUSIC)
        .with_context(|| format!("{MUSIC} is missing: run compose/install.sh --bench"))?
        .map(|e| Ok(e?.path()))
        .collect::<Result<_>>()?;
    pieces.retain(|p| p.extension().is_some_and(|e| e == "ogg"));
    pieces.sort();
    if pieces.is_empty() {
        bail!("{MUSIC} holds no music: run compose/install.sh --bench");
    }
    let due = u64::from(minutes) * 60 * RAW_BYTES_PER_S;
    let raw = dir.join("pieces.raw");
    let mut samples = fs::File::create(&raw)?;
    let mut have = 0;
    for piece in pieces.iter().cycle() {
        if have >= due {
            break;
        }
        let mut decode = ffmpeg();
        decode.arg("-i").arg(piece).args(["-ac", "2", "-ar", "44100", "-f", "s16le", "-"]);
        decode.stdout(samples.try_clone()?);
        finish(decode, &format!("decode {}", piece.display()))?;
        have = samples.seek(SeekFrom::End(0))?;
    }
    let out = dir.join(format!("{minutes}.{kind}"));
    let mut command = ffmpeg();
    command.args(["-f", "s16le", "-ac", "2", "-ar", "44100", "-i"]).arg(&raw);
    command.args(["-t", &(minutes * 60).to_string()]);
    if kind == "mp3" {
        command.args(["-c:a", "libmp3lame", "-b:a", "320k"]);
    }
    command.arg(&out);
    finish(command, &format!("make {}", out.display()))?;
    fs::remove_file(raw)?;
    Ok(out)
}

fn finish(mut command: Command, what: &str) -> Result<()> {
    let status = command.status().context("ffmpeg: run compose/install.sh --bench")?;
    if !status.success() {
        bail!("ffmpeg cannot {what}");
    }
    Ok(())
}

/// Silent but for what ends it.
fn ffmpeg() -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "fatal", "-y", "-nostdin"]);
    command
}

/// What each of the three costs, alternately.
fn costs(song: &Path, target: &Target, runs: usize, dir: &Path) -> Result<[Vec<Cost>; 3]> {
    let out = dir.join("out.mp3");
    let mut all = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..runs {
        let mut ours = Command::new(find_tourbus()?);
        ours.arg("lofi").args([song, &out]).args(["--profile", target.profile]);
        let mut theirs = ffmpeg();
        theirs.arg("-i").arg(song).args(target.ffmpeg);
        theirs.args(["-c:a", "libmp3lame", "-compression_level", QUALITY]).arg(&out);
        let mut lame = Command::new("lame");
        lame.args(["--quiet", "-q", QUALITY]).args(target.lame).args([song, &out]);
        for (costs, command) in all.iter_mut().zip([ours, theirs, lame]) {
            costs.push(run(command)?);
        }
    }
    Ok(all)
}

/// Prints a row for each length, input and profile.
pub fn lofi() -> Result<()> {
    println!(
        "| song | in | profile | CPU s | of ffmpeg | of lame | wall s | of ffmpeg | peak MiB |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for (minutes, runs) in LENGTHS {
        for kind in ["mp3", "wav"] {
            let dir = tempfile::tempdir()?;
            let song = song(dir.path(), minutes, kind)?;
            for target in &TARGETS {
                let all = costs(&song, target, runs, dir.path())?;
                let cpu = |n: usize| median(all[n].iter().map(|c| c.cpu_s).collect());
                let wall = |n: usize| median(all[n].iter().map(|c| c.wall.as_secs_f64()).collect());
                let peak = all[0].iter().map(|c| c.peak_bytes).max().unwrap_or(0);
                println!(
                    "| {minutes} min | {kind} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.1} |",
                    target.profile,
                    cpu(0),
                    cpu(0) / cpu(1),
                    cpu(0) / cpu(2),
                    wall(0),
                    wall(0) / wall(1),
                    peak as f64 / f64::from(1 << 20),
                );
            }
        }
    }
    Ok(())
}
