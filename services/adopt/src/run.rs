//! One run over the whole list.

use crate::{
    build,
    layout::{self, Plan},
    list::{self, ListError, Wanted},
    master::{Answer, Master, MasterError, Server},
    probe,
    report::{Line, Outcome, Report},
};
use indicatif::{ProgressBar, ProgressStyle};
use secrecy::SecretString;
use std::{
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};
use tourbus_config::ClientTlsConfig;
use tourbus_domain::Slug;
use tourbus_mediaroot::MediaRoot;

/// Disk that stays free, in bytes.
const DISK_RESERVE_BYTES: u64 = 512 << 20;

/// What is taken over, from where to where.
#[derive(Debug)]
pub struct Options {
    /// The list of artists.
    pub artists: PathBuf,
    /// Tells communities apart whose old ids are alike; empty for the only one.
    pub community: String,
    /// The directory with one directory for each artist.
    pub media: PathBuf,
    /// This server.
    pub server: Slug,
    /// This server's media root.
    pub media_root: PathBuf,
    /// Base URL of the master.
    pub master: String,
    /// An admin's API token.
    pub token: SecretString,
    /// Whom to believe by https.
    pub tls: ClientTlsConfig,
    /// Only looks and tells.
    pub dry_run: bool,
}

/// Why nothing could be done.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// There is no list.
    #[error(transparent)]
    List(#[from] ListError),
    /// The master.
    #[error(transparent)]
    Master(#[from] MasterError),
    /// The media root is none.
    #[error("{path} is no media root that can be written: {message}")]
    MediaRoot {
        /// Where.
        path: PathBuf,
        /// Why not, and how to mend it.
        message: String,
    },
    /// The server of this name has another media root, or does not run.
    #[error("{message}")]
    OtherServer {
        /// What was found, and how to mend it.
        message: String,
    },
    /// Not all would fit.
    #[error(
        "{wanted} bytes are to be copied, and {free} are free on the disk of {path}: make room, or \
         take over fewer artists at a time"
    )]
    NoRoom {
        /// The media root.
        path: PathBuf,
        /// Bytes to be copied.
        wanted: u64,
        /// Bytes that may be written.
        free: u64,
    },
}

/// Takes over every artist of the list that it can.
pub async fn run(options: &Options) -> Result<Report, AdoptError> {
    let master = Master::new(&options.master, options.token.clone(), &options.tls)?;
    let server = master.server(options.server.as_str()).await?;
    let (wanted, rejected) = list::check(list::read(&options.artists)?, &options.community);
    let mut report = Report { artists: Vec::new(), rejected };
    let mut plans = Vec::new();
    for wanted in wanted {
        let dir = options.media.join(dir_of(&wanted));
        match layout::plan(&dir, &wanted.listed) {
            Ok(plan) => plans.push((dir, wanted, plan)),
            Err(error) => report.artists.push(failed(&wanted, &Plan::default(), error.to_string())),
        }
    }
    let root = media_root(&options.media_root)?;
    probe::is_of(&root, &server, &options.server, &options.tls).await?;
    room(&root, &plans)?;
    if options.dry_run {
        for (_, wanted, plan) in &plans {
            report.artists.push(match master.ask_for(&server, wanted, plan).await {
                Ok(Answer { new: true, .. }) => line(wanted, plan, Outcome::Would),
                Ok(Answer { new: false, .. }) => line(wanted, plan, Outcome::Known),
                Err(error) => failed(wanted, plan, error.to_string()),
            });
        }
        report.artists.sort_by_key(|a| a.line);
        return Ok(report);
    }
    let run = Run { master, server, root, bar: bar(&plans) };
    for (dir, wanted, plan) in plans {
        run.bar.set_message(wanted.listed.name.clone());
        report.artists.push(match run.take(dir, &wanted, &plan).await {
            Ok(outcome) => line(&wanted, &plan, outcome),
            Err(error) => failed(&wanted, &plan, error),
        });
    }
    run.bar.finish_and_clear();
    report.artists.sort_by_key(|a| a.line);
    Ok(report)
}

fn dir_of(wanted: &Wanted) -> &str {
    let Wanted { listed, .. } = wanted;
    if listed.dir.is_empty() { &listed.id } else { &listed.dir }
}

/// What every artist of a run is taken over with.
struct Run {
    master: Master,
    server: Server,
    root: MediaRoot,
    bar: ProgressBar,
}

impl Run {
    /// First the master is asked, then files are copied where nobody sees them, then the master is
    /// told, and only then is the artist's page there.
    async fn take(&self, dir: PathBuf, wanted: &Wanted, plan: &Plan) -> Result<Outcome, String> {
        let Self { master, server, root, bar } = self;
        let asked = master.ask_for(server, wanted, plan).await.map_err(|e| e.to_string())?;
        // Known and elsewhere: moved since. Known, here and in its place: done before.
        if !asked.new && (!asked.here || root.tree(wanted.artist).exists()) {
            bar.inc(plan.bytes());
            return Ok(Outcome::Known);
        }
        let (place, whose, what, counter) =
            (root.clone(), wanted.clone(), plan.clone(), bar.clone());
        blocking(move || build::draft(&place, &dir, &whose, &what, &|bytes| counter.inc(bytes)))
            .await?;
        let told = master.adopt(server, wanted, plan).await;
        let (place, whose) = (root.clone(), wanted.clone());
        match told {
            Ok(Answer { here: true, .. }) => {
                blocking(move || build::publish(&place, &whose)).await?;
                Ok(Outcome::Adopted)
            }
            Ok(Answer { here: false, .. }) => {
                blocking(move || build::discard(&place, &whose)).await?;
                Ok(Outcome::Known)
            }
            Err(error @ MasterError::Refused(_)) => {
                blocking(move || build::discard(&place, &whose)).await?;
                Err(error.to_string())
            }
            // What was copied is there for the next run.
            Err(error) => Err(error.to_string()),
        }
    }
}

async fn blocking(
    act: impl FnOnce() -> Result<(), build::BuildError> + Send + 'static,
) -> Result<(), String> {
    match tokio::task::spawn_blocking(act).await {
        Ok(done) => done.map_err(|e| e.to_string()),
        Err(panic) => Err(io::Error::other(panic).to_string()),
    }
}

fn line(wanted: &Wanted, plan: &Plan, outcome: Outcome) -> Line {
    Line {
        line: wanted.line,
        id: wanted.listed.id.clone(),
        artist_id: wanted.artist,
        slug: wanted.slug.to_string(),
        outcome,
        songs: plan.songs.len(),
        files: plan.files.len(),
        bytes: plan.bytes(),
        notes: plan.left.clone(),
        error: String::new(),
    }
}

fn failed(wanted: &Wanted, plan: &Plan, error: String) -> Line {
    Line { error, ..line(wanted, plan, Outcome::Failed) }
}

/// A media root that the services of this server can go on with: what we make must be theirs.
fn media_root(path: &Path) -> Result<MediaRoot, AdoptError> {
    let bad = |message: String| AdoptError::MediaRoot { path: path.to_owned(), message };
    let owner = std::fs::metadata(path).map_err(|e| bad(e.to_string()))?.uid();
    let we = rustix::process::geteuid().as_raw();
    if owner != we {
        return Err(bad(format!(
            "it belongs to user {owner}, and this is user {we}; run this as the user whose it is"
        )));
    }
    let root = MediaRoot::new(path);
    root.prepare().and_then(|()| root.probe()).map_err(|e| bad(e.to_string()))?;
    Ok(root)
}

fn room(root: &MediaRoot, plans: &[(PathBuf, Wanted, Plan)]) -> Result<(), AdoptError> {
    let missing = plans.iter().filter(|(_, wanted, _)| !root.tree(wanted.artist).exists());
    let wanted: u64 = missing.map(|(_, _, plan)| plan.bytes()).sum();
    let free = root.space().map_or(u64::MAX, |s| s.free_bytes);
    if wanted.saturating_add(DISK_RESERVE_BYTES) > free {
        return Err(AdoptError::NoRoom { path: root.path().to_owned(), wanted, free });
    }
    Ok(())
}

/// Seen on a terminal, and nowhere else.
fn bar(plans: &[(PathBuf, Wanted, Plan)]) -> ProgressBar {
    let bar = ProgressBar::new(plans.iter().map(|(_, _, plan)| plan.bytes()).sum());
    let style =
        "{bar:30} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta} {wide_msg}";
    bar.with_style(
        ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()),
    )
}
