//! Hold points: named places where a test can stop a process, to kill something just there.
//!
//! In release builds a hold point is nothing. In debug builds it is one look at a variable,
//! unless `TOURBUS_HOLD_DIR` names a directory: then a process that reaches point `x` while the
//! file `x` is there writes `x.reached` and waits until the file is gone.

use std::{path::PathBuf, sync::OnceLock, time::Duration};

/// How often a held process looks whether it may go on.
const LOOK_EVERY: Duration = Duration::from_millis(10);

fn dir() -> Option<&'static PathBuf> {
    static DIR: OnceLock<Option<PathBuf>> = OnceLock::new();
    if !cfg!(debug_assertions) {
        return None;
    }
    DIR.get_or_init(|| std::env::var_os("TOURBUS_HOLD_DIR").map(PathBuf::from)).as_ref()
}

/// Stops here for as long as a test says so.
pub async fn point(name: &str) {
    let Some(dir) = dir() else { return };
    let file = dir.join(name);
    if !file.exists() {
        return;
    }
    if let Err(error) = tokio::fs::write(dir.join(format!("{name}.reached")), b"").await {
        tracing::error!(%error, name, "hold.unwritable");
        return;
    }
    tracing::warn!(name, "hold.reached");
    while file.exists() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
