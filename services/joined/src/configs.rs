//! The configuration of each process, from what the master answered and what it may change.

use crate::{
    JoinedError,
    home::{CertificateFiles, Home, Joined},
};
use serde_json::{Value, json};
use std::{fs, path::PathBuf};
use toml::Table;
use tourbus_config::is_https;
use tourbus_protocol::agent::{BrokerPlace, Settings, StagingAccess};
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

/// Where the broker is now, and who vouches for it.
pub(crate) fn broker_place(joined: &Joined, settings: &Settings) -> BrokerPlace {
    let told = settings.broker.clone();
    told.unwrap_or_else(|| BrokerPlace { address: joined.broker.address.clone(), ca: None })
}

fn broker(joined: &Joined, settings: &Settings) -> Value {
    let place = broker_place(joined, settings);
    let mut value = json!({
        "address": place.address, "vhost": joined.broker.vhost,
        "user": joined.broker.user, "password": joined.broker.password,
    });
    if tourbus_config::BrokerPlace::parse(&place.address).is_ok_and(|p| p.tls) {
        value["tls"] = believing(place.ca);
        if let Some(CertificateFiles { certificate, key }) = &joined.broker_tls {
            value["tls"]["certificate"] = json!(certificate);
            value["tls"]["key"] = json!(key);
        }
    }
    value
}

fn staging(settings: &Settings) -> Value {
    let StagingAccess { endpoint, ca, region, bucket, prefix, access_key, secret_key } =
        &settings.staging;
    let mut value = json!({
        "endpoint": endpoint, "region": region, "bucket": bucket, "prefix": prefix,
        "access_key": access_key, "secret_key": secret_key,
    });
    if is_https(endpoint).is_ok_and(|https| https) {
        value["tls"] = believing(ca.clone());
    }
    value
}

/// Who vouches for the master: whom the person here named, and whom the master has named since.
fn main_ca(joined: &Joined, settings: &Settings) -> Option<String> {
    let both: Vec<&str> =
        [&joined.main_ca, &settings.main_ca].into_iter().flatten().map(|pem| pem.trim()).collect();
    (!both.is_empty()).then(|| both.join("\n"))
}

fn believing(ca: Option<String>) -> Value {
    ca.map_or_else(|| json!({}), |ca| json!({ "ca_pem": ca }))
}

fn agent(home: &Home, joined: &Joined, settings: &Settings) -> Value {
    let mut value = json!({
        "server": joined.server.slug,
        "master_url": settings.main_url,
        "key_file": home.key_file(),
        "state_dir": home.agent(),
        "settings_file": home.settings_file(),
        "media_root": joined.media_root,
        "health": { "listen": HEALTH },
        "broker": broker(joined, settings),
        "staging": staging(settings),
        "allow_unencrypted": joined.allow_unencrypted,
    });
    if is_https(&settings.main_url).is_ok_and(|https| https) {
        value["master_tls"] = believing(main_ca(joined, settings));
    }
    value
}

fn media(home: &Home, joined: &Joined, settings: &Settings) -> Value {
    let mut value = json!({
        "server": joined.server.slug,
        "listen": joined.listen,
        "media_root": joined.media_root,
        "key_file": home.key_file(),
        "cluster": { "main_domain": settings.main_domain, "main_url": settings.main_url },
        "visitor_public_keys": settings.visitor_public_keys,
        "allow_unencrypted": joined.allow_unencrypted,
    });
    if let Some(tls) = &joined.tls {
        value["tls"] = json!(tls);
    }
    value
}

fn worker(joined: &Joined, settings: &Settings, n: u8) -> Value {
    json!({
        "server": joined.server.slug,
        "worker": format!("{}-{n}", joined.server.slug),
        "media_root": joined.media_root,
        "health": { "listen": HEALTH },
        "broker": broker(joined, settings),
        "staging": staging(settings),
        "master_public_keys": settings.master_public_keys,
        "allow_unencrypted": joined.allow_unencrypted,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tourbus_config::{AgentConfig, MediaConfig, WorkerConfig};
    use tourbus_protocol::agent::{BrokerAccess, Identity};

    #[test]
    fn every_process_understands_its_configuration_and_only_changes_are_written() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path()).unwrap();
        home.prepare().unwrap();
        let text = |s: &str| s.to_owned();
        let joined = Joined {
            master_url: text("http://m"),
            public_key: None,
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
            main_ca: Some(text("one")),
            tls: None,
            broker_tls: Some(CertificateFiles { certificate: "/c".into(), key: "/k".into() }),
            allow_unencrypted: Vec::new(),
        };
        let mut settings = Settings {
            main_domain: text("localhost"),
            main_url: text("http://localhost"),
            main_ca: None,
            broker: None,
            master_public_keys: vec![text("00")],
            visitor_public_keys: Vec::new(),
            staging: StagingAccess {
                endpoint: text("http://127.0.0.1:4"),
                ca: None,
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

        // The master has moved everything to TLS.
        settings.main_url = text("https://localhost");
        settings.main_ca = Some(text("two\n"));
        settings.broker =
            Some(BrokerPlace { address: text("amqps://rabbit"), ca: Some(text("three")) });
        settings.staging.endpoint = text("https://s3");
        settings.staging.ca = Some(text("four"));
        let third = processes(&home, &joined, &settings).unwrap();
        assert!(third.iter().all(|p| p.write().unwrap()));
        let agent = tourbus_config::load::<AgentConfig>(&third[0].file).unwrap();
        assert_eq!(agent.master_tls.ca_pem.as_deref(), Some("one\ntwo"));
        let worker = tourbus_config::load::<WorkerConfig>(&third[2].file).unwrap();
        assert_eq!(worker.broker.address, "amqps://rabbit");
        assert_eq!(worker.broker.tls.ca_pem.as_deref(), Some("three"));
        assert_eq!(worker.broker.tls.certificate, Some("/c".into()));
        assert_eq!(worker.staging.tls.ca_pem.as_deref(), Some("four"));
    }
}
