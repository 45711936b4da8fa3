//! Whether the media root is there: a disk that is not mounted looks like a server without artists.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio_util::sync::CancellationToken;
use tourbus_telemetry::Health;

/// How often it is looked at.
const WATCH_EVERY: Duration = Duration::from_secs(2);

/// Keeps the part `media_root` of `/readyz` true until `shutdown`.
pub(crate) async fn media_root(root: PathBuf, health: Health, shutdown: CancellationToken) {
    let mut every = tokio::time::interval(WATCH_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = every.tick() => {}
        }
        let path = root.clone();
        let looked = tokio::task::spawn_blocking(move || look(&path)).await;
        let state = looked.map_err(io::Error::other).and_then(|r| r);
        health.set(
            "media_root",
            state.map_err(|e| format!("cannot read the media root {}: {e}", root.display())),
        );
    }
}

/// The root and the public names must be readable; before the first artist there are no names.
fn look(root: &Path) -> io::Result<()> {
    fs::read_dir(root)?;
    match fs::read_dir(root.join(".tourbus/by-slug")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        looked => looked.map(drop),
    }
}
