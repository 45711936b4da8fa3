//! The operator's command line: everything it knows and does goes over the master's JSON API.
//!
//! 1. [`args`] says which commands there are; the thin binary reads them.
//! 2. [`connect`] finds the master and the token, [`client`] asks, follows pages, and turns what is
//!    refused into a [`CliError`].
//! 3. Each command of `commands` asks, and shows the answer: as a [`table`] for people, or with
//!    `--json` as the API gave it.
//! 4. `watch` follows a batch until it ends.
//!
//! Standard output has the answer and nothing else; whatever is said beside it is on standard error.

pub mod args;
pub mod client;
mod commands;
pub mod connect;
pub mod error;
mod events;
mod names;
mod numbers;
mod screen;
pub mod table;
pub mod text;
mod view;
mod watch;
mod when;

pub use args::{Command, LofiAction};
pub use error::CliError;
pub use screen::print;

/// Does one command. What went wrong has been said when this returns: the exit status.
pub async fn run(command: Command) -> u8 {
    status(commands::run(command).await)
}

/// The same of the commands of `tourbus lofi`.
pub async fn run_lofi(action: LofiAction) -> u8 {
    status(commands::lofi::run(action).await)
}

fn status(ended: Result<Ended, CliError>) -> u8 {
    match ended {
        Ok(Ended::Well) => 0,
        Ok(Ended::Badly) => 1,
        Err(error) => {
            if let Some(said) = error.said() {
                eprintln!("tourbus: {said}");
            }
            error.code()
        }
    }
}

/// How something ended that was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// As it should.
    Well,
    /// Not all of it: what and why has been said.
    Badly,
}

impl Ended {
    const fn well_if(well: bool) -> Self {
        if well { Self::Well } else { Self::Badly }
    }
}
