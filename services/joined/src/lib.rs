//! One joined server on its own machine: joining the cluster, and running its processes.
//!
//! ```text
//! <dir>/                 0700
//!   server.key           the server's private key; never leaves this directory
//!   join.json            what the master answered, and how this server was asked to be
//!   settings.json        what the master may change; the agent writes it
//!   config/*.toml        one for each process, written anew from the two above
//!   agent/               the number of the agent's last report, and how the checks stand
//!   media/               the media root, unless another was asked for
//!   processes.json       who runs
//! ```
//!
//! [`join()`] makes all this and asks the master; it can be repeated after any failure and goes
//! on where it was. [`run()`] keeps media, workers and agent running, and restarts those whose
//! settings have changed at the master.

mod ask;
mod configs;
mod encryption;
mod error;
mod home;
mod join;
mod run;
mod systemd;
mod watch;

pub use error::JoinedError;
pub use home::CertificateFiles;
pub use join::{JoinOptions, join};
pub use run::run;
