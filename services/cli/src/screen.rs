//! What is printed, and what is asked.

use crate::{
    args::Access,
    client::Api,
    connect::{self, Surroundings},
    error::CliError,
    table::Paint,
    text,
};
use serde_json::Value;
use std::io::{self, ErrorKind, IsTerminal, Write};

/// Everything that a command needs.
pub struct Screen {
    /// The master.
    pub api: Api,
    /// Whether its answers are printed as they are.
    pub json: bool,
    /// How tables are shown.
    pub paint: Paint,
}

impl Screen {
    /// For this way to the master.
    pub fn new(access: &Access) -> Result<Self, CliError> {
        let api = Api::new(connect::find(access, Surroundings::here())?)?;
        let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty());
        let terminal = io::stdout().is_terminal();
        let dumb = set("TERM").is_some_and(|t| t == "dumb");
        let colour = terminal && !dumb && set("NO_COLOR").is_none();
        Ok(Self { api, json: access.json, paint: Paint { colour, cut: terminal } })
    }

    /// Prints an answer: as it is, or as `show` puts it.
    pub fn answer(
        &self,
        value: Value,
        show: impl FnOnce(Value) -> Result<String, CliError>,
    ) -> Result<(), CliError> {
        if self.json { print_json(&value) } else { print(&show(value)?) }
    }

    /// Says something beside the answer; with `--json` nobody reads it.
    pub fn beside(&self, said: &str) {
        if !self.json {
            eprintln!("{}", text::lines(said));
        }
    }
}

/// Prints to standard output. That nobody reads it any more is no failure.
pub fn print(said: &str) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    let written = out.write_all(said.as_bytes()).and_then(|()| out.flush());
    written.map_err(|e| match e.kind() {
        ErrorKind::BrokenPipe => CliError::Unread,
        _ => CliError::Failed(format!("cannot print the answer: {e}")),
    })
}

/// Prints one JSON document.
pub fn print_json(value: &Value) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|e| CliError::Failed(format!("cannot print the answer as JSON: {e}")))?;
    print(&format!("{text}\n"))
}

/// Whether somebody is there to be asked.
pub fn somebody_is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks, if somebody is there and has not said yes already. Anything but yes is no.
pub fn ask(question: &str, yes: bool) -> Result<(), CliError> {
    if yes || !somebody_is_there() {
        return Ok(());
    }
    let cannot = |e: io::Error| CliError::Failed(format!("cannot ask: {e}"));
    let mut err = io::stderr();
    write!(err, "{} [y/N] ", text::lines(question)).and_then(|()| err.flush()).map_err(cannot)?;
    let mut said = String::new();
    io::stdin().read_line(&mut said).map_err(cannot)?;
    if matches!(said.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    Err(CliError::Failed("nothing was done".to_owned()))
}
