//! `tourbus lofi`: the small version of one song, without any cluster.

use crate::args::LofiFile;
use anyhow::{Context, bail};
use indicatif::{DecimalBytes, ProgressBar, ProgressStyle};
use std::{
    fs::{self, File},
    io::IsTerminal,
    ops::ControlFlow,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};
use tourbus_lofi::{Converted, Encoding, Format, Limits, Made, Profile, convert, verify};

/// Steps of the progress bar.
const STEPS: f32 = 1000.0;
/// What a file must hold.
const PROFILE_HELP: &str = "docs/lofi.md shows one, such as {\"name\": \"mine\", \"encoding\": {\"mp3\": \
     {\"bitrate_bps_max\": 48000}}, \"channels_max\": 1, \"sample_rate_hz_max\": 44100}";
/// Names of songs end with these, and promise what is in them.
const SONGS: [&str; 5] = ["mp3", "wav", "flac", "ogg", "m4a"];

/// Makes it under a name beside the real one, decodes it again, and then gives it its name.
pub fn run(args: &LofiFile) -> anyhow::Result<ExitCode> {
    let profile = profile(&args.profile)?;
    if [&args.input, &args.output].contains(&&PathBuf::from("-")) {
        bail!(
            "a song is read more than once, so - cannot be a pipe: name a file (./- if it is called that)"
        );
    }
    let cannot_open = || format!("cannot open {}", args.input.display());
    // To open a pipe is to wait for its other end.
    if !fs::metadata(&args.input).with_context(cannot_open)?.is_file() {
        bail!("{} is no file: name the file of a song", args.input.display());
    }
    let from = File::open(&args.input).with_context(cannot_open)?;
    // The small version is made under a name that nobody else has.
    let mut partial = args.output.clone().into_os_string();
    partial.push(format!(".{:08x}.partial", rand::random::<u32>()));
    let partial = Path::new(&partial);
    if same(&args.input, &args.output) {
        bail!("{} is the song itself: give the small version another name", args.output.display());
    }
    fits(&args.output, &profile)?;
    let cannot =
        || format!("cannot write {} (made as {})", args.output.display(), partial.display());
    let made = File::options().read(true).write(true).create_new(true).open(partial);
    let made = make(from, made.with_context(cannot)?, &profile);
    let made = made.and_then(|made| {
        fs::rename(partial, &args.output)
            .with_context(|| format!("cannot write {}", args.output.display()))?;
        Ok(made)
    });
    if made.is_err() && partial.exists() {
        fs::remove_file(partial).with_context(|| format!("cannot remove {}", partial.display()))?;
    }
    let (converted, seconds) = made?;
    println!("{}", told(&converted, seconds, fs::metadata(&args.input)?.len()));
    Ok(ExitCode::SUCCESS)
}

fn make(from: File, to: File, profile: &Profile) -> anyhow::Result<(Converted, f64)> {
    let bar = if std::io::stderr().is_terminal() {
        ProgressBar::new(STEPS as u64)
    } else {
        ProgressBar::hidden()
    };
    let style = ProgressStyle::with_template("{bar:40} {percent} % {eta}");
    let bar = bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let since = Instant::now();
    let limits = Limits::default();
    let converted = convert(from, &to, profile, &limits, &mut |done| {
        bar.set_position((done * STEPS) as u64);
        ControlFlow::Continue(())
    })?;
    bar.finish_and_clear();
    let seconds = since.elapsed().as_secs_f64();
    to.set_len(converted.bytes)?;
    to.sync_all()?;
    verify(to, converted.frames, &limits)?;
    Ok((converted, seconds))
}

fn profile(text: &str) -> anyhow::Result<Profile> {
    if let Some(known) = Profile::named(text) {
        return Ok(known);
    }
    let path = Path::new(text);
    if !path.exists() {
        bail!(
            "there is no profile {text:?}: use classic, standard or preview, or a file that holds one"
        );
    }
    let file = fs::read_to_string(path).with_context(|| format!("cannot read {text}"))?;
    let own: Profile = serde_json::from_str(&file)
        .with_context(|| format!("{text} holds no profile; {PROFILE_HELP}"))?;
    own.validate().with_context(|| text.to_owned())?;
    Ok(own)
}

/// Whether a small version can have this name.
fn fits(output: &Path, profile: &Profile) -> anyhow::Result<()> {
    let shown = output.display();
    if fs::metadata(output).is_ok_and(|there| !there.is_file()) {
        bail!("{shown} is no file, and stays as it is: give the small version another name");
    }
    let dir = output.parent().filter(|dir| !dir.as_os_str().is_empty());
    if let Some(dir) = dir.filter(|dir| !dir.is_dir()) {
        bail!("there is no directory {}: make it first", dir.display());
    }
    let makes = match profile.encoding {
        Encoding::Mp3 { .. } => Format::Mp3,
        Encoding::Wav {} => Format::Wav,
    }
    .extension();
    let named = output.extension().and_then(|e| e.to_str()).unwrap_or("").to_ascii_lowercase();
    if named != makes && SONGS.contains(&named.as_str()) {
        let name = &profile.name;
        bail!("the profile {name} makes {makes}: end the name of {shown} with .{makes}");
    }
    Ok(())
}

fn same(a: &Path, b: &Path) -> bool {
    let file = |path| fs::metadata(path).map(|file| (file.dev(), file.ino()));
    matches!((file(a), file(b)), (Ok(a), Ok(b)) if a == b)
}

fn told(made: &Converted, seconds: f64, was_bytes: u64) -> String {
    let song = &made.song;
    let how = match made.made {
        Made::Copied => "small enough already, copied".to_owned(),
        Made::Encoded => {
            let speed = song.duration_ms as f64 / 1000.0 / seconds.max(0.001);
            format!("encoded at {speed:.0} times real time")
        }
    };
    let gain = if made.gain_db < 0.0 {
        format!(", {:.1} dB quieter", -made.gain_db)
    } else {
        String::new()
    };
    let larger = if made.bytes > was_bytes {
        "; larger than the song, whose bitrate is below the least that MP3 has here"
    } else {
        ""
    };
    format!(
        "{} kbit/s, {} Hz, {} channel{}: {} from {}, {how}{gain}{larger}",
        (made.bitrate_bps + 500) / 1000,
        made.sample_rate_hz,
        made.channels,
        if made.channels == 1 { "" } else { "s" },
        DecimalBytes(made.bytes),
        DecimalBytes(was_bytes),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_small_version_would_harm_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let song = dir.path().join("song.wav");
        fs::write(&song, b"x").unwrap();
        let said = |input: &Path, output: &Path| {
            let (input, output) = (input.to_owned(), output.to_owned());
            run(&LofiFile { input, output, profile: "classic".to_owned() }).unwrap_err().to_string()
        };
        let new = dir.path().join("new.mp3");
        assert!(said(dir.path(), &new).contains("is no file"));
        assert!(said(&song, Path::new("/dev/null")).contains("stays as it is"));
        assert!(said(&song, &song).contains("the song itself"));
        let linked = dir.path().join("linked.mp3");
        fs::hard_link(&song, &linked).unwrap();
        assert!(said(&song, &linked).contains("the song itself"), "under another name");
        fs::remove_file(&linked).unwrap();
        // Somebody's own file of a name like ours stays.
        let own = dir.path().join("y.mp3.partial");
        fs::write(&own, b"own").unwrap();
        assert!(!said(&song, &dir.path().join("y.mp3")).is_empty());
        assert_eq!(fs::read(&own).unwrap(), b"own");
        assert!(said(&song, Path::new("-")).contains("name a file"));
        assert!(said(&song, &dir.path().join("none/x.mp3")).contains("no directory"));
        assert!(said(&song, &dir.path().join("x.wav")).contains("end the name of"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing was left");
    }

    #[test]
    fn a_profile_is_a_name_or_a_file() {
        assert_eq!(profile("classic").unwrap().name, "classic");
        assert!(profile("nothing").unwrap_err().to_string().contains("use classic, standard"));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p.json");
        fs::write(&path, "classic, but louder").unwrap();
        let said = profile(path.to_str().unwrap()).unwrap_err().to_string();
        let example = said.split_once("such as ").unwrap().1;
        serde_json::from_str::<Profile>(example).unwrap().validate().unwrap();
        let text =
            serde_json::to_string(&Profile { channels_max: 7, ..Profile::standard() }).unwrap();
        fs::write(&path, text).unwrap();
        assert!(profile(path.to_str().unwrap()).is_err(), "seven channels");
        fs::write(&path, serde_json::to_string(&Profile::preview()).unwrap()).unwrap();
        assert_eq!(profile(path.to_str().unwrap()).unwrap(), Profile::preview());
    }
}
