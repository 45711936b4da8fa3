//! LOFI: a song's small rendition, made here, verified, and only then put in the place of the old.
//!
//! The original is only read. What is made has no name until it is whole, so that nothing is left
//! of it when anything dies; while the artist moves, nothing is put anywhere.

use super::Step;
use crate::{
    context::{Context, Outcome, Stop},
    convert::{Begun, Conversion, Made},
    fault,
};
use chrono::Utc;
use serde_json::Value;
use std::time::Duration;
use tokio::time::sleep;
use tourbus_domain::{ErrorClass, JobError, LofiMade, StepKind, StepResult};
use tourbus_lofi::{Encoding, Profile};
use tourbus_mediaroot::{
    Beneath, Identity, MediaRoot, NotNow, RootError, Unreadable, Writable, WriteFile,
};
use tourbus_protocol::{
    ArtistRef, EventBody, LofiSong, Order, TreePath,
    page::{About, LofiFault, Rendition, Song, WAVEFORMS_DIR, lofi_of},
};
use tourbus_staging::Staging;
use tourbus_telemetry::hold;

/// How long to wait for an artist who is moving, in seconds.
pub(crate) const MOVING_AGAIN_S: u32 = 5;
/// How long to wait for the word that the artist lives elsewhere now, in seconds.
const GONE_AGAIN_S: u32 = 10;
/// How often it is told how far a conversion is.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Parameters.
pub struct Lofi {
    artist: ArtistRef,
    song: LofiSong,
    profile: String,
    spec: Option<Value>,
    anew: bool,
}

impl Step for Lofi {
    const KIND: StepKind = StepKind::Lofi;

    fn from_order(order: Order) -> Option<Self> {
        match order {
            Order::LofiV1 { artist, song, profile, spec, anew } => {
                Some(Self { artist, song, profile, spec, anew })
            }
            _ => None,
        }
    }

    async fn run<S: Staging>(self, ctx: Context<S>) -> Outcome {
        let profile = self.profile()?;
        let task = Task::new(&self, profile)?;
        let ended = task.clone().make(&ctx).await;
        if let Err(Stop::Failed(error)) = &ended
            && error.class == ErrorClass::Permanent
        {
            task.note_fault(&ctx, error).await;
        }
        ended
    }
}

impl Lofi {
    fn profile(&self) -> Result<Profile, JobError> {
        let not_understood = |what: String| {
            let remedy = "Choose another profile on the LOFI page, or delete it and make it anew";
            JobError::new(ErrorClass::Permanent, "profile_not_understood", what, remedy)
        };
        let profile = match &self.spec {
            Some(spec) => serde_json::from_value(spec.clone())
                .map_err(|e| not_understood(format!("profile {:?}: {e}", self.profile)))?,
            None => Profile::named(&self.profile)
                .ok_or_else(|| not_understood(format!("there is no profile {:?}", self.profile)))?,
        };
        profile.validate().map_err(|e| not_understood(e.to_string()))?;
        if !matches!(profile.encoding, Encoding::Mp3 { .. }) {
            return Err(not_understood("small versions of a cluster are MP3".to_owned()));
        }
        Ok(profile)
    }
}

/// What is to be made.
#[derive(Clone)]
struct Task {
    artist: ArtistRef,
    song: LofiSong,
    profile: Profile,
    /// What the profile says, hashed.
    spec: String,
    /// Where it goes.
    lofi: TreePath,
    anew: bool,
}

enum Prepared {
    Kept(Rendition, u64),
    Begun(Box<Begun>),
}

impl Task {
    fn new(order: &Lofi, profile: Profile) -> Result<Self, JobError> {
        let lofi = lofi_of(&order.song.path).ok_or_else(|| {
            let what = "it is no song: songs are files of the directory songs, by their endings";
            let remedy = "Upload it in the workshop";
            JobError::new(ErrorClass::Permanent, "not_a_song", what, remedy)
                .at(order.song.path.to_string())
        })?;
        let spec = serde_json::to_vec(&profile).map_err(|e| {
            JobError::new(ErrorClass::Fatal, "profile_not_understood", e.to_string(), "Report it")
        })?;
        let spec = blake3::hash(&spec).to_hex().to_string();
        let (artist, song, anew) = (order.artist.clone(), order.song.clone(), order.anew);
        Ok(Self { artist, song, profile, spec, lofi, anew })
    }

    async fn make<S: Staging>(self, ctx: &Context<S>) -> Outcome {
        let job = ctx.step.job_id;
        let mut conversion = match ctx.converter.kept(job) {
            Some(conversion) => conversion,
            None => match self.begin(ctx).await? {
                Prepared::Kept(rendition, audio_ms) => {
                    let (made, bytes) = (LofiMade::Kept, rendition.bytes);
                    return Ok(StepResult::Lofi { made, bytes, audio_ms, took_ms: 0 });
                }
                Prepared::Begun(begun) => ctx.converter.begin(*begun, &self.profile, ctx.lane),
            },
        };
        let made = loop {
            tokio::select! {
                made = conversion.made() => break made.map_err(|stop| self.blame(stop))?,
                () = ctx.interrupt.cancelled() => {
                    ctx.converter.keep(job, conversion);
                    return Err(Stop::Interrupted);
                }
                () = sleep(TELL_EVERY) => {
                    let (step, bytes) = (ctx.step, conversion.bytes());
                    ctx.events.emit(EventBody::Progress { step, bytes, totals: None });
                }
            }
        };
        hold::point("lofi.made").await;
        ctx.check()?;
        let took_ms = conversion.took_ms();
        let by = ctx.converter.worker.clone();
        let (bytes, audio_ms) = (made.converted.bytes, made.converted.song.duration_ms);
        let how = made_as(&made);
        ctx.blocking(move || {
            let Conversion { tree, seen, draft, .. } = &conversion;
            draft.sync()?;
            let rendition = self.rendition(&made, seen, by, took_ms);
            self.promote(tree, draft, seen, rendition, &made)
        })
        .await?;
        Ok(StepResult::Lofi { made: how, bytes, audio_ms, took_ms })
    }

    async fn begin<S: Staging>(&self, ctx: &Context<S>) -> Result<Prepared, Stop> {
        let (task, root, issued_at) = (self.clone(), ctx.root.clone(), ctx.issued_at);
        let reserve = ctx.limiter.reserve_bytes();
        ctx.blocking(move || task.prepare(&root, issued_at, reserve)).await
    }

    /// Names the song in what is said of it.
    fn blame(&self, stop: Stop) -> Stop {
        match stop {
            Stop::Failed(error) => Stop::Failed(error.at(self.song.path.to_string())),
            other => other,
        }
    }

    fn prepare(
        &self,
        root: &MediaRoot,
        issued_at: chrono::DateTime<Utc>,
        reserve_bytes: u64,
    ) -> Result<Prepared, Stop> {
        let tree = root.writable(self.artist.id, issued_at, Utc::now()).map_err(not_now)?;
        let song = tree.tree().read(&self.song.path).map_err(|e| self.unread(&e))?;
        let seen = song.identity;
        let about = tourbus_mediaroot::about(tree.tree()).map_err(unreadable)?;
        let known = about.songs.iter().find(|s| s.id == self.song.id);
        if let Some(kept) = known.filter(|_| !self.anew).and_then(|s| self.kept(&tree, s, &seen)) {
            return Ok(Prepared::Kept(kept, known.map_or(0, |s| s.duration_ms)));
        }
        // It may become as large as the song, and is seldom a quarter of it.
        let free = root.space()?.free_bytes;
        if free < reserve_bytes.saturating_add(seen.size) {
            return Err(fault::disk_full(free, seen.size, reserve_bytes).into());
        }
        let draft = tree.tree().unnamed()?;
        let output = std::os::fd::AsFd::as_fd(&draft).try_clone_to_owned();
        let output = output.map_err(|e| fault::from_io(&e, "cannot open it twice".to_owned()))?;
        let song = song.into_fd();
        Ok(Prepared::Begun(Box::new(Begun { tree, seen, song, draft, output })))
    }

    /// The rendition that is there, if it is the very one that is asked for.
    fn kept(&self, tree: &Writable, song: &Song, seen: &Identity) -> Option<Rendition> {
        let there = song.lofi.as_ref()?;
        let same = there.spec == self.spec
            && !song.awaits_lofi
            && (there.of_bytes, there.of_mtime_ns) == (seen.size, nanoseconds(seen))
            && tree.tree().size(&self.lofi).ok()? == Some(there.bytes);
        same.then(|| there.clone())
    }

    fn rendition(&self, made: &Made, seen: &Identity, by: String, took_ms: u64) -> Rendition {
        let it = &made.converted;
        Rendition {
            profile: self.profile.name.clone(),
            spec: self.spec.clone(),
            made: made_as(made),
            bytes: it.bytes,
            frames: it.frames,
            sample_rate_hz: it.sample_rate_hz,
            channels: it.channels,
            bitrate_bps: it.bitrate_bps,
            gain_db: it.gain_db,
            loudness_lufs: it.song.loudness,
            true_peak_dbtp: it.song.true_peak_dbtp,
            of_bytes: seen.size,
            of_mtime_ns: nanoseconds(seen),
            by,
            at: Utc::now(),
            took_ms,
            cpu_ms: made.cpu_ms,
        }
    }

    /// Puts it into its place, and notes it beside its song, in one instant in which no move looks.
    fn promote(
        &self,
        tree: &Writable,
        draft: &WriteFile,
        seen: &Identity,
        rendition: Rendition,
        made: &Made,
    ) -> Result<(), Stop> {
        let promoted: Result<(), Fault> = tree.change(|tree, about| {
            let now = tree.read(&self.song.path).map_err(|e| self.unread(&e))?.identity;
            if now != *seen {
                return Err(Fault::Stop(song_changed(&self.song.path).into()));
            }
            let waveform = self.waveform(tree, about, made)?;
            let via = TreePath::known(format!(".uploads/{}.lofi", self.song.id));
            tree.name(draft, &via, &self.lofi)?;
            if let Some(song) = about.songs.iter_mut().find(|s| s.path == self.song.path) {
                song.lofi = Some(rendition);
                song.awaits_lofi = false;
                song.lofi_fault = None;
                song.duration_ms = made.converted.song.duration_ms;
                song.waveform = song.waveform.take().or(waveform);
            }
            Ok(())
        });
        promoted.map_err(Stop::from)
    }

    /// Draws the song's waveform, if it has none.
    fn waveform(
        &self,
        tree: &Beneath,
        about: &About,
        made: &Made,
    ) -> Result<Option<TreePath>, Fault> {
        let song = about.songs.iter().find(|s| s.path == self.song.path);
        if song.is_none_or(|s| s.waveform.is_some()) {
            return Ok(None);
        }
        let path = TreePath::known(format!("{WAVEFORMS_DIR}/{}.dat", self.song.id));
        let file = tree.write(&path)?;
        file.set_len(0)?;
        file.write_at(&made.converted.song.peaks.to_dat(), 0)?;
        file.flush()?;
        Ok(Some(path))
    }

    /// Tells the artist why there is none. A hint: what stands in its way is logged.
    async fn note_fault<S: Staging>(&self, ctx: &Context<S>, error: &JobError) {
        let (task, root, issued_at) = (self.clone(), ctx.root.clone(), ctx.issued_at);
        let message = tourbus_domain::full_stop(error.message.clone());
        let message = format!("{message} {}", error.remedy).trim().to_owned();
        let fault = LofiFault { code: error.code.clone(), message };
        let noted = ctx.blocking(move || {
            let tree = root.writable(task.artist.id, issued_at, Utc::now()).map_err(not_now)?;
            let noted: Result<(), Fault> = tree.change(|_, about| {
                let of = |s: &&mut Song| s.path == task.song.path;
                if let Some(song) = about.songs.iter_mut().find(of) {
                    song.lofi_fault = Some(fault);
                }
                Ok(())
            });
            noted.map_err(Stop::from)
        });
        if let Err(stop) = noted.await {
            tracing::debug!(?stop, "lofi.fault_not_noted");
        }
    }

    /// The original cannot be opened.
    fn unread(&self, error: &RootError) -> Stop {
        if error.is_missing() {
            let remedy = "Upload it again, or delete it in the workshop";
            let code = "song_missing";
            let error = JobError::new(ErrorClass::Permanent, code, "the song is not there", remedy);
            return error.at(self.song.path.to_string()).into();
        }
        fault::from_root(error).at(self.song.path.to_string()).into()
    }
}

/// Why a change was not made.
enum Fault {
    NotNow(NotNow),
    Unreadable(Unreadable),
    Stop(Stop),
}

impl From<NotNow> for Fault {
    fn from(error: NotNow) -> Self {
        Self::NotNow(error)
    }
}

impl From<Unreadable> for Fault {
    fn from(error: Unreadable) -> Self {
        Self::Unreadable(error)
    }
}

impl From<Stop> for Fault {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<RootError> for Fault {
    fn from(error: RootError) -> Self {
        Self::Stop(error.into())
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NotNow(error) => not_now(error),
            Fault::Unreadable(error) => unreadable(error),
            Fault::Stop(stop) => stop,
        }
    }
}

/// An artist who moves is waited for. One who is not here lives elsewhere by now, and the job
/// follows; unless the tree has been lost, which a few tries tell.
pub(super) fn not_now(error: NotNow) -> Stop {
    match error {
        NotNow::Moving => Stop::Snoozed { reason: "the artist is moving", after_s: MOVING_AGAIN_S },
        NotNow::Gone => {
            let class = ErrorClass::RateLimited { after_s: GONE_AGAIN_S };
            JobError { class, ..fault::tree_missing() }.into()
        }
        NotNow::Root(error) => error.into(),
    }
}

pub(super) fn unreadable(error: Unreadable) -> Stop {
    match error {
        Unreadable::Root(error) => error.into(),
        Unreadable::Walk(error) => fault::from_walk(&error).into(),
        Unreadable::Damaged(what) => JobError::new(
            ErrorClass::Permanent,
            "page_damaged",
            format!("artist.json cannot be understood: {what}"),
            "Mend artist.json in the artist's tree, then retry",
        )
        .at(About::FILE)
        .into(),
    }
}

fn song_changed(path: &TreePath) -> JobError {
    JobError::new(
        ErrorClass::Transient,
        "song_changed",
        "the song was changed while it was converted",
        "It is converted again by itself",
    )
    .at(path.to_string())
}

const fn made_as(made: &Made) -> LofiMade {
    match made.converted.made {
        tourbus_lofi::Made::Copied => LofiMade::Copied,
        tourbus_lofi::Made::Encoded => LofiMade::Encoded,
    }
}

fn nanoseconds(of: &Identity) -> i64 {
    of.mtime.s.saturating_mul(1_000_000_000).saturating_add(i64::from(of.mtime.ns))
}
