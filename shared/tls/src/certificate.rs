//! Certificate and key, and taking up changes of their files.

use crate::{Stamp, TlsError, files};
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tourbus_config::TlsConfig;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The certificate that new connections get.
#[derive(Debug)]
pub(crate) struct Certificates {
    config: TlsConfig,
    now: RwLock<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Certificates {
    /// Reads the files.
    pub(crate) fn load(config: &TlsConfig) -> Result<Arc<Self>, TlsError> {
        let now = RwLock::new(Arc::new(read(config, &ring::default_provider())?));
        Ok(Arc::new(Self { config: config.clone(), now }))
    }

    /// What TLS does with them.
    pub(crate) fn server_config(self: &Arc<Self>) -> Result<ServerConfig, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|source| unusable(&self.config, source))?;
        let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(self) as _;
        let mut config = builder.with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }

    /// Takes up changes of the files until it is dropped.
    pub(crate) async fn watch(self: Arc<Self>) {
        let mut seen = stamp(&self.config);
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        loop {
            ticks.tick().await;
            let found = stamp(&self.config);
            if found == seen {
                continue;
            }
            seen = found;
            match read(&self.config, &ring::default_provider()) {
                Ok(new) => {
                    *self.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
                    tracing::info!(certificate = ?self.config.certificate, "tls.reloaded");
                }
                // Between the two files of a renewal this is to be expected: the second one is
                // a change of its own.
                Err(error) => tracing::error!(%error, "tls.kept_the_certificate_before"),
            }
        }
    }
}

fn stamp(config: &TlsConfig) -> [Stamp; 2] {
    [&config.certificate, &config.key].map(|path| Stamp::of(path))
}

fn read(config: &TlsConfig, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let (chain, key) = files::pair(&config.certificate, &config.key)?;
    CertifiedKey::from_der(chain, key, provider).map_err(|source| unusable(config, source))
}

fn unusable(config: &TlsConfig, source: rustls::Error) -> TlsError {
    files::unusable(&config.certificate, &config.key, source)
}
