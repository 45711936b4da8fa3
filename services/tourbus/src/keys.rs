//! The master's keys, by hand. The coordinator that runs takes up every change within seconds.

use crate::args::Keys;
use anyhow::ensure;
use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use std::{path::Path, process::ExitCode};
use tourbus_config::CoordinatorConfig;
use tourbus_coordinator::KeyringFile;
use tourbus_protocol::KeyId;
use tourbus_store::{Action, By, Deed, Store, StoreError};

/// `tourbus keys …`.
pub async fn run(command: Keys) -> anyhow::Result<ExitCode> {
    match command {
        Keys::List(file) => list(&read(&file.config)?).await?,
        Keys::Rotate(rotate) => {
            let config = read(&rotate.file.config)?;
            if rotate.now { switch(&config).await? } else { begin(&config).await? }
        }
        Keys::DropOld(file) => drop_old(&read(&file.config)?).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> anyhow::Result<CoordinatorConfig> {
    Ok(tourbus_config::load(path)?)
}

fn keyring(config: &CoordinatorConfig) -> anyhow::Result<KeyringFile> {
    let file = KeyringFile::new(config.keyring.clone(), config.signing_key.clone());
    ensure!(
        file.can_rotate(),
        "set `keyring` in the coordinator's configuration to the file that is to hold the keys, \
         restart the coordinator, then try again"
    );
    Ok(file)
}

async fn begin(config: &CoordinatorConfig) -> anyhow::Result<()> {
    let next = keyring(config)?.change(|ring| ring.begin().map(|next| next.public.clone()))?;
    println!("{next}");
    note(config, Action::KeysRotate, json!({ "next": next })).await;
    eprintln!(
        "The coordinator announces this public key to every server. It signs as soon as all of \
         them obey it; `tourbus keys list` shows who is missing."
    );
    Ok(())
}

async fn switch(config: &CoordinatorConfig) -> anyhow::Result<()> {
    let window = i64::try_from(config.key_window_s).ok().and_then(TimeDelta::try_seconds);
    let drop_at = window.and_then(|w| Utc::now().checked_add_signed(w));
    let drop_at = drop_at.unwrap_or(chrono::DateTime::<Utc>::MAX_UTC);
    keyring(config)?.change(|ring| ring.switch(drop_at))?;
    note(config, Action::KeysSwitch, json!({ "old_until": drop_at })).await;
    eprintln!("The next key signs from now on. The one before it counts until {drop_at}.");
    Ok(())
}

async fn drop_old(config: &CoordinatorConfig) -> anyhow::Result<()> {
    let old = keyring(config)?.change(|ring| Ok(ring.end_old(Utc::now())))?;
    note(config, Action::KeysDrop, json!({ "dropped": old })).await;
    eprintln!("Old keys that count no more from now on: {old}.");
    Ok(())
}

/// Notes in the audit log what was done. The keys have changed by now, and in an emergency must be
/// changeable without the database: that it was not noted is only told.
async fn note(config: &CoordinatorConfig, action: Action, detail: Value) {
    let noted = async {
        let store = Store::connect(&config.database).await?;
        let deed = Deed::done(&By::named("command line"), action, "keys").detail(detail);
        let noted = store.record(&[deed]).await;
        store.close().await;
        noted
    };
    let noted: Result<(), StoreError> = noted.await;
    if let Err(error) = noted {
        eprintln!("It is done, but could not be noted in the audit log: {error}");
    }
}

async fn list(config: &CoordinatorConfig) -> anyhow::Result<()> {
    let ring = KeyringFile::new(config.keyring.clone(), config.signing_key.clone()).read()?;
    let store = Store::connect(&config.database).await?;
    let trust = store.trust_of_servers().await?;
    store.close().await;
    for key in &ring.keys {
        let id = KeyId::of_hex(&key.public);
        let made = key.made_at.format("%Y-%m-%d %H:%M:%S UTC");
        let until = key.drop_at.map(|at| format!(", until {}", at.format("%Y-%m-%d %H:%M:%S UTC")));
        println!(
            "{:<7} {}  since {made}{}",
            key.state.as_str(),
            key.public,
            until.unwrap_or_default()
        );
        for server in &trust {
            let word = match &server.trusts {
                None => "away",
                Some(ids) if ids.contains(&id) => "obeys it",
                Some(_) => "does not obey it",
            };
            println!("        {}: {word}", server.server);
        }
    }
    Ok(())
}
