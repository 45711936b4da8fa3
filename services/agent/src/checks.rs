//! The checks that a server runs itself. Each is independent of the others.

mod broker;
mod master;
mod media_root;
mod staging;

use tourbus_config::AgentConfig;
use tourbus_protocol::CheckResult;

/// What is known of the master, from its last answer.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// Its version.
    pub(crate) master_version: String,
    /// How far this server's clock is ahead of its, in seconds.
    pub(crate) clock_ahead_s: f64,
}

/// Runs all, side by side.
pub(crate) async fn all(config: AgentConfig, facts: Facts) -> Vec<CheckResult> {
    let root = config.media_root.clone();
    let reserve = config.disk_reserve_bytes;
    let disk = tokio::task::spawn_blocking(move || media_root::check(&root, reserve));
    let (disk, broker, staging) =
        tokio::join!(disk, broker::check(&config), staging::check(&config));
    let mut found = vec![
        master::version(&config.master_url, &facts.master_version),
        master::clock(facts.clock_ahead_s),
        broker,
        staging,
    ];
    found.extend(disk.into_iter().flatten());
    found
}
