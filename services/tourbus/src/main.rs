//! One binary, every role.

mod admin;
mod adopt;
mod args;
mod confine;
mod convert;
mod inspect;
mod joining;
mod keys;
mod lofi;
mod manual;
mod operate;
mod people;
mod report;
mod serve;
mod signals;

use args::{Account, Admin, Args, Command, Lofi, Server};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = Args::parse();
    match start(args.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("tourbus: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

fn start(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        // These read what strangers have sent: one thread, and nothing else at hand.
        Command::Inspect => inspect::run(),
        Command::Convert(options) => convert::run(&options),
        // By hand: one song, no cluster.
        Command::VerifyReport(options) => report::run(&options),
        Command::Lofi(Lofi { file: Some(file), .. }) => lofi::run(&file),
        Command::Lofi(Lofi { action: Some(action), .. }) => ask(tourbus_cli::run_lofi(action)),
        Command::Lofi(_) => anyhow::bail!("name a song and its small version: see --help"),
        Command::Operate(command) => ask(tourbus_cli::run(command)),
        Command::Completions(options) => manual::completions(options.shell),
        Command::Man(options) => manual::pages(options.dir.as_deref()),
        Command::Adopt(options) => wait(adopt::run(options)),
        Command::Up(options) => wait(operate::up(options)),
        Command::Migrate(file) => wait(operate::migrate(&file.config)),
        Command::Topology(topology) => wait(operate::topology(topology)),
        Command::Join(options) => wait(joining::join(options)),
        Command::Server(Server::Run(options)) => wait(joining::run(options)),
        Command::Server(Server::Ensure(server)) => wait(people::ensure_server(server)),
        Command::Account(Account::Ensure(account)) => wait(admin::ensure_account(account)),
        Command::Admin(Admin::Create(account)) => wait(admin::create(account)),
        Command::Admin(Admin::ResetPassword(account)) => wait(admin::reset_password(account)),
        Command::Keys(command) => wait(keys::run(command)),
        // These begin to log when they have read how.
        Command::Service(service) => block(serve::run(service)),
    }
}

/// Does what takes more than one thread, with its logs.
fn wait(act: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    tourbus_telemetry::init()?;
    block(act)
}

fn block(act: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(act)
}

/// Does what asks a master: one thread is enough, and nobody reads logs.
fn ask(act: impl Future<Output = u8>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(ExitCode::from(runtime.block_on(act)))
}

/// The whole reason in one line. Many errors show their source themselves: what was said already
/// is not said twice.
fn chain(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_make_sense() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_cause_is_said_once() {
        let error = anyhow::anyhow!("no route").context("cannot connect: no route");
        assert_eq!(chain(&error), "cannot connect: no route");
        let error = anyhow::anyhow!("no route").context("cannot connect");
        assert_eq!(chain(&error), "cannot connect: no route");
    }
}
