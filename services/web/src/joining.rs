//! Letting servers in: tokens, the answer to a server that joins, the program that it fetches.

pub mod binary;
pub mod enrol;
pub mod let_in;
pub mod report;
pub mod script;

use crate::{WebError, problem::Problem, serve::visitor_key};
use secrecy::ExposeSecret;
use std::path::PathBuf;
use tourbus_config::{StagingConfig, WebConfig};
use tourbus_protocol::{
    agent::{BrokerPlace, Settings, StagingAccess},
    visitor::VisitorKey,
};
use tourbus_store::{Store, StoreError};
use tourbus_tls::TlsError;
use tourbus_topology::Management;

/// The file beside which the command is run, when a private authority vouches for the master.
pub(crate) const MAIN_CA_FILE: &str = "main-ca.pem";

/// What servers that join are told, and how the broker is prepared for them.
pub struct Joining {
    /// The broker's management API.
    pub management: Management,
    /// Its virtual host.
    pub vhost: String,
    /// What every server is told.
    pub settings: Settings,
    /// Where the broker is.
    pub broker_address: String,
    /// How long a token lives, in seconds.
    pub token_ttl_s: u32,
}

impl Joining {
    /// From web's configuration; none when servers cannot join. Certificates are read now.
    pub fn new(config: &WebConfig) -> Result<Option<Self>, WebError> {
        let Some(joining) = &config.joining else { return Ok(None) };
        let read = |setting, file: &Option<PathBuf>| {
            file.as_ref().map(|path| tourbus_tls::ca_file(setting, path)).transpose()
        };
        let settings = Settings {
            main_domain: config.cluster.main_domain.clone(),
            main_url: config.cluster.main_url.clone(),
            main_ca: read("joining.main_ca_file", &joining.main_ca_file)?,
            broker: Some(BrokerPlace {
                address: joining.broker_address.clone(),
                ca: read("joining.broker_ca_file", &joining.broker_ca_file)?,
            }),
            master_public_keys: joining.master_public_keys.clone(),
            visitor_public_keys: visitor_key(config)?
                .iter()
                .map(VisitorKey::public_key_hex)
                .collect(),
            staging: staging_access(&joining.staging)?,
        };
        Ok(Some(Self {
            management: Management::new(&config.management)?,
            vhost: config.management.vhost.clone(),
            settings,
            broker_address: joining.broker_address.clone(),
            token_ttl_s: joining.token_ttl_s,
        }))
    }
}

impl Joining {
    /// What a server is told at this moment: the master's keys may have been rotated since its
    /// configuration was written.
    pub async fn settings_now(&self, store: &Store) -> Result<Settings, StoreError> {
        let keys = store.master_keys().await?;
        let mut settings = self.settings.clone();
        if !keys.is_empty() {
            settings.master_public_keys = keys.into_iter().map(|k| k.public_key).collect();
        }
        Ok(settings)
    }
}

fn staging_access(staging: &StagingConfig) -> Result<StagingAccess, TlsError> {
    Ok(StagingAccess {
        ca: tourbus_tls::authorities(&staging.tls)?,
        endpoint: staging.endpoint.clone(),
        region: staging.region.clone(),
        bucket: staging.bucket.clone(),
        prefix: staging.prefix.clone(),
        access_key: staging.access_key.clone(),
        secret_key: staging.secret_key.expose_secret().to_owned(),
    })
}

/// 409: this master's configuration lets nobody in.
pub fn not_set_up() -> Problem {
    Problem::conflict("joining_not_set_up", "This master is not set up to let servers join.")
        .remedy("Add the section [joining] to web's configuration, and restart web.")
}
