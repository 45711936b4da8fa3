//! One binary, every role.

mod admin;
mod args;
mod joining;
mod keys;
mod operate;
mod people;
mod serve;
mod signals;

use args::{Account, Admin, Args, Command, Server};
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
    tourbus_telemetry::init()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Up(options) => operate::up(options).await,
            Command::Migrate(file) => operate::migrate(&file.config).await,
            Command::Topology(topology) => operate::topology(topology).await,
            Command::Join(options) => joining::join(options).await,
            Command::Server(Server::Run(options)) => joining::run(options).await,
            Command::Server(Server::Ensure(server)) => people::ensure_server(server).await,
            Command::Account(Account::Ensure(account)) => admin::ensure_account(account).await,
            Command::Admin(Admin::Create(account)) => admin::create(account).await,
            Command::Admin(Admin::ResetPassword(account)) => admin::reset_password(account).await,
            Command::Keys(command) => keys::run(command).await,
            Command::Service(service) => serve::run(service).await,
        }
    })
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
