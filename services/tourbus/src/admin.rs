//! Accounts from the command line: for whoever may read the configuration of web.

use crate::{
    args::{API_TOKEN, AdminAccount, EnsureAccount, PASSWORD},
    people::connect,
};
use anyhow::{Context, bail, ensure};
use std::{io::Read, process::ExitCode};
use tourbus_store::{By, NewAccount, Role, Store};
use tourbus_web::{password, password_rules};

/// Shortest token, in bytes.
const TOKEN_MIN: usize = 32;
/// Letters and digits that nobody mistakes for one another.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// A drawn password: groups of letters, 5 bits each.
const GROUPS: usize = 5;
const GROUP_CHARS: usize = 5;
/// Accounts that are named when an email fits none.
const NAMED_MAX: u32 = 20;

/// As the audit log names us.
fn by() -> By {
    By::named("command line")
}

/// `tourbus admin create`.
pub async fn create(args: AdminAccount) -> anyhow::Result<ExitCode> {
    let store = connect(&args.file).await?;
    let (password_hash, drawn) = new_password(&args).await?;
    let new = NewAccount { email: args.email.clone(), password_hash, role: Role::Admin };
    let made = store.create_account(&by(), new).await?;
    store.close().await;
    made.with_context(|| {
        format!(
            "{}: no account was made; `tourbus admin reset-password` gives one a new password",
            args.email
        )
    })?;
    println!("{} is an admin now.", args.email);
    tell(drawn);
    Ok(ExitCode::SUCCESS)
}

/// `tourbus admin reset-password`.
pub async fn reset_password(args: AdminAccount) -> anyhow::Result<ExitCode> {
    let store = connect(&args.file).await?;
    let (hash, drawn) = new_password(&args).await?;
    let Some(reset) = store.reset_password(&by(), &args.email, &hash).await? else {
        let known = known(&store).await?;
        bail!("there is no account {}: {known}", args.email);
    };
    let tokens = store.account(reset.id).await?.map_or(0, |a| a.tokens);
    store.close().await;
    println!("{} has a new password; {} of its sessions were ended.", args.email, reset.sessions);
    if reset.enabled {
        println!("The account was disabled; it may sign in again.");
    }
    if tokens > 0 {
        println!("Its {tokens} API tokens stay valid: revoke on its page what is not trusted.");
    }
    tell(drawn);
    Ok(ExitCode::SUCCESS)
}

async fn known(store: &Store) -> anyhow::Result<String> {
    let accounts = store.accounts(None, NAMED_MAX).await?;
    if accounts.is_empty() {
        return Ok("there are no accounts; make one with `tourbus admin create`".to_owned());
    }
    let named: Vec<String> = accounts.iter().map(|a| format!("{} ({})", a.email, a.role)).collect();
    Ok(format!("the accounts are {}", named.join(", ")))
}

/// The hash of the password from standard input, or of one that is drawn and returned too.
async fn new_password(args: &AdminAccount) -> anyhow::Result<(String, Option<String>)> {
    ensure!(tourbus_web::is_email(&args.email), "--email {:?} is no email address", args.email);
    let (password, drawn) = if args.password_stdin {
        let mut text = String::new();
        std::io::stdin()
            .take(password_rules::BYTES_MAX as u64 + 2)
            .read_to_string(&mut text)
            .context("the password cannot be read from standard input")?;
        (text.trim_end_matches(['\n', '\r']).to_owned(), None)
    } else {
        let drawn = drawn();
        (drawn.clone(), Some(drawn))
    };
    password_rules::check(&password, &args.email)?;
    Ok((password::hash(password).await?, drawn))
}

fn drawn() -> String {
    let letter = |byte: u8| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]);
    let group = || rand::random::<[u8; GROUP_CHARS]>().map(letter).iter().collect::<String>();
    (0..GROUPS).map(|_| group()).collect::<Vec<_>>().join("-")
}

fn tell(drawn: Option<String>) {
    if let Some(password) = drawn {
        println!("password: {password}");
        println!("It is shown only here, once. Change it after signing in.");
    }
}

/// `tourbus account ensure`.
pub async fn ensure_account(args: EnsureAccount) -> anyhow::Result<ExitCode> {
    let store = connect(&args.file).await?;
    let found = store.account_by_email(&args.email).await?;
    let id = match found {
        // Its password may have been changed since, its token revoked: neither comes back.
        Some((account, _)) => account.id,
        None => make(&store, &args).await?,
    };
    store.close().await;
    println!("{id}");
    Ok(ExitCode::SUCCESS)
}

async fn make(store: &Store, args: &EnsureAccount) -> anyhow::Result<uuid::Uuid> {
    ensure!(tourbus_web::is_email(&args.email), "--email {:?} is no email address", args.email);
    let password = args.password.clone().with_context(|| {
        format!("set {PASSWORD} to the account's password; on the command line others could see it")
    })?;
    password_rules::check(&password, &args.email).with_context(|| PASSWORD.to_owned())?;
    if let Some(token) = &args.api_token {
        ensure!(token.len() >= TOKEN_MIN, "{API_TOKEN} is too short: use {TOKEN_MIN} random bytes");
    }
    let password_hash = password::hash(password).await?;
    let new = NewAccount { email: args.email.clone(), password_hash, role: args.role };
    let id = store.create_account(&by(), new).await?.with_context(|| args.email.clone())?;
    if let Some(token) = &args.api_token {
        store.ensure_api_token(id, token, "made by tourbus account").await?;
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawn_password_is_a_good_one() {
        let password = drawn();
        assert_eq!(password.len(), 29);
        assert_eq!(password_rules::check(&password, "admin@example.org"), Ok(()));
        assert_ne!(password, drawn());
    }
}
