//! The configuration of each process, from what the master answered and what it may change.

use crate::{
    JoinedError,
    home::{Home, Joined},
};
use serde_json::{Value, json};
use std::{fs, path::PathBuf};
use toml::Table;
use tourbus_protocol::agent::Settings;
use tourbus_supervisor::files;

/// A port of its own choice, on loopback: nobody but this machine looks at health.
const HEALTH: &str = "127.0.0.1:0";

/// A process and its configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    /// Its name, for example `worker-server4-1`.
    pub(crate) name: String,
    /// The subcommand that runs it.
    pub(crate) role: &'static str,
    /// Its configuration file.
    pub(crate) file: PathBuf,
    /// What must be in it.
    text: String,
}

impl Process {
    /// Writes the file, unless it is so already. Whether it was written.
    pub(crate) fn write(&self) -> Result<bool, JoinedError> {
        if fs::read_to_string(&self.file).is_ok_and(|old| old == self.text) {
            return Ok(false);
        }
        files::write_atomic(&self.file, self.text.as_bytes(), 0o600)?;
        Ok(true)
    }
}

/// Every process of the server, in the order in which they start.
pub(crate) fn processes(
    home: &Home,
    joined: &Joined,
    settings: &Settings,
) -> Result<Vec<Process>, JoinedError> {
    let slug = &joined.server.slug;
    let process = |role, name: String, value: &Value| {
        let table = Table::try_from(value)
            .map_err(|e| JoinedError::Invalid(format!("a configuration: {e}")))?;
        let text = format!("# Written by `tourbus server run`: changes here are lost.\n{table}");
        let file = home.configs().join(format!("{name}.toml"));
        Ok::<_, JoinedError>(Process { name, role, file, text })
    };
    let mut all = vec![
        process("agent", format!("agent-{slug}"), &agent(home, joined, settings))?,
        process("media", format!("media-{slug}"), &media(home, joined, settings))?,
    ];
    for n in 1..=joined.workers {
        let config = worker(joined, settings, n);
        all.push(process("worker", format!("worker-{slug}-{n}"), &config)?);
    }
    Ok(all)
}

fn broker(joined: &Joined) -> Value {
    let broker = &joined.broker;
    json!({
        "address": broker.address, "vhost": broker.vhost,
        "user": broker.user, "password": broker.password,
    })
}

fn agent(home: &Home, joined: &Joined, settings: &Settings) -> Value {
    json!({
        "server": joined.server.slug,
        "master_url": settings.main_url,
        "key_file": home.key_file(),
        "state_dir": home.agent(),
        "settings_file": home.settings_file(),
        "media_root": joined.media_root,
        "health": { "listen": HEALTH },
        "broker": broker(joined),
        "staging": settings.staging,
    })
}

fn media(home: &Home, joined: &Joined, settings: &Settings) -> Value {
    json!({
        "server": joined.server.slug,
        "listen": joined.listen,
        "media_root": joined.media_root,
        "key_file": home.key_file(),
        "cluster": { "main_domain": settings.main_domain, "main_url": settings.main_url },
    })
}

fn worker(joined: &Joined, settings: &Settings, n: u8) -> Value {
    json!({
        "server": joined.server.slug,
        "worker": format!("{}-{n}", joined.server.slug),
        "media_root": joined.media_root,
        "health": { "listen": HEALTH },
        "broker": broker(joined),
        "staging": settings.staging,
        "master_public_keys": settings.master_public_keys,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tourbus_config::{AgentConfig, MediaConfig, WorkerConfig};
    use tourbus_protocol::agent::{BrokerAccess, Identity, StagingAccess};

    #[test]
    fn every_process_understands_its_configuration_and_only_changes_are_written() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path()).unwrap();
        home.prepare().unwrap();
        let text = |s: &str| s.to_owned();
        let joined = Joined {
            master_url: text("http://m"),
            token_sha256: text("00"),
            server: Identity {
                id: tourbus_domain::ServerId::new(),
                slug: "server4".parse().unwrap(),
                name: text("Server 4"),
                ip: text("127.0.0.1"),
                url: text("http://server4.localhost:1"),
            },
            broker: BrokerAccess {
                address: text("127.0.0.1:2"),
                vhost: text("v"),
                user: text("u"),
                password: text("p"),
            },
            media_root: home.media(),
            listen: "127.0.0.1:1".parse().unwrap(),
            workers: 2,
        };
        let mut settings = Settings {
            main_domain: text("localhost"),
            main_url: text("http://localhost"),
            master_public_keys: vec![text("00")],
            staging: StagingAccess {
                endpoint: text("http://127.0.0.1:4"),
                region: text("r"),
                bucket: text("b"),
                prefix: String::new(),
                access_key: text("k"),
                secret_key: text("s"),
            },
        };
        let first = processes(&home, &joined, &settings).unwrap();
        assert!(first.iter().all(|p| p.write().unwrap()));
        assert!(first.iter().all(|p| !p.write().unwrap()));
        tourbus_config::load::<AgentConfig>(&first[0].file).unwrap();
        tourbus_config::load::<MediaConfig>(&first[1].file).unwrap();
        tourbus_config::load::<WorkerConfig>(&first[2].file).unwrap();
        assert_eq!(first[3].name, "worker-server4-2");
        settings.master_public_keys.push(text("11"));
        let second = processes(&home, &joined, &settings).unwrap();
        let changed: Vec<_> =
            second.iter().filter(|p| p.write().unwrap()).map(|p| p.role).collect();
        assert_eq!(changed, ["worker", "worker"]);
    }
}
