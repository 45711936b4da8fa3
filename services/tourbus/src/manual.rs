//! What the command line says of itself: completions and manual pages.

use crate::args::Args;
use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;
use std::{path::Path, process::ExitCode};

/// `tourbus completions`.
pub fn completions(shell: Shell) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "tourbus", &mut script);
    print(&script)
}

/// `tourbus man`: a page for each command, or the first one on standard output.
pub fn pages(dir: Option<&Path>) -> anyhow::Result<ExitCode> {
    let Some(dir) = dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Args::command()).render(&mut page)?;
        return print(&page);
    };
    let cannot = || format!("cannot write the manual pages into {}", dir.display());
    std::fs::create_dir_all(dir).with_context(cannot)?;
    clap_mangen::generate_to(Args::command(), dir).with_context(cannot)?;
    Ok(ExitCode::SUCCESS)
}

pub fn print(bytes: &[u8]) -> anyhow::Result<ExitCode> {
    match tourbus_cli::print(&String::from_utf8_lossy(bytes)) {
        // Whoever reads it has had enough.
        Ok(()) | Err(tourbus_cli::CliError::Unread) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page() {
        let dir = tempfile::tempdir().unwrap();
        pages(Some(dir.path())).unwrap();
        for page in
            ["tourbus", "tourbus-moves-queue", "tourbus-verify-findings", "tourbus-lofi-status"]
        {
            let text = std::fs::read_to_string(dir.path().join(format!("{page}.1"))).unwrap();
            assert!(text.contains(".SH NAME"), "{page}");
        }
        assert!(!dir.path().join("tourbus-convert.1").exists(), "nobody types it");
    }
}
