//! Certificate and key, and taking up changes of their files.

use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};
use tourbus_config::TlsConfig;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read the file of tls.{setting}, {}: {source}", path.display())]
    Unreadable {
        /// Which setting names it.
        setting: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds something else.
    #[error("tls.{setting}: {} holds no {what} in PEM form ({why})", path.display())]
    NotPem {
        /// Which setting names it.
        setting: &'static str,
        /// Which file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// Why it does not.
        why: String,
    },
    /// They do not fit each other, or are of a kind that we do not know.
    #[error(
        "tls.certificate {} and tls.key {} cannot be used together: {source}",
        certificate.display(), key.display()
    )]
    Unusable {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

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

/// What changes when a file is replaced or written.
fn stamp(config: &TlsConfig) -> [Option<(SystemTime, u64)>; 2] {
    [&config.certificate, &config.key].map(|path| {
        let meta = fs::metadata(path).ok()?;
        Some((meta.modified().ok()?, meta.len()))
    })
}

fn read(config: &TlsConfig, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let (setting, path) = ("certificate", &config.certificate);
    let not_pem =
        |why: String| TlsError::NotPem { setting, path: path.clone(), what: "certificate", why };
    let pem = bytes(setting, path)?;
    let chain = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| not_pem(e.to_string()))?;
    if chain.is_empty() {
        return Err(not_pem("it is empty".to_owned()));
    }
    let (setting, path) = ("key", &config.key);
    let key = PrivateKeyDer::from_pem_slice(&bytes(setting, path)?).map_err(|e| {
        TlsError::NotPem { setting, path: path.clone(), what: "private key", why: e.to_string() }
    })?;
    CertifiedKey::from_der(chain, key, provider).map_err(|source| unusable(config, source))
}

fn bytes(setting: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Unreadable { setting, path: path.to_owned(), source })
}

fn unusable(config: &TlsConfig, source: rustls::Error) -> TlsError {
    let TlsConfig { certificate, key } = config.clone();
    TlsError::Unusable { certificate, key, source }
}
