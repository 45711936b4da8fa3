//! Making connections.

use crate::{
    Fault, Stream, TlsError,
    files::{self, bytes, certificates},
    following::Following,
};
use rustls::{
    ClientConfig, ConfigBuilder, RootCertStore, SignatureScheme, WantsVerifier,
    client::{ResolvesClientCert, WantsClientCert},
    crypto::ring,
    pki_types::ServerName,
    sign::CertifiedKey,
};
use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tourbus_config::{ClientTlsConfig, is_localhost};

pub(crate) const CA_FILE: &str = "tls.ca_file";

/// How we speak TLS to somebody, by these settings. Their files are read now; whom `ca_file`
/// names is read again when it has changed.
pub fn client_config(config: &ClientTlsConfig) -> Result<ClientConfig, TlsError> {
    if let Some(path) = &config.ca_file {
        let following = Following::new(path.clone())?;
        // Dangerous is only a verifier that does not verify: this one lets webpki do it.
        return ours(builder()?.dangerous().with_custom_certificate_verifier(following), config);
    }
    let roots = match &config.ca_pem {
        Some(pem) => private("it", pem.as_bytes())?,
        None => everybodys()?,
    };
    ours(builder()?.with_root_certificates(roots), config)
}

/// For those who never speak TLS, but must have a configuration: it believes nobody.
pub fn client_config_for_nobody() -> Result<ClientConfig, TlsError> {
    Ok(builder()?.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, TlsError> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)
}

fn ours(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    config: &ClientTlsConfig,
) -> Result<ClientConfig, TlsError> {
    match (&config.certificate, &config.key) {
        (Some(certificate), Some(key)) => {
            let (chain, private) = files::pair(certificate, key)?;
            builder
                .with_client_auth_cert(chain, private)
                .map_err(|source| files::unusable(certificate, key, source))
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}

/// The certificates of the private authorities that are believed, as PEM that has been looked at;
/// none if this machine's own are.
pub fn authorities(config: &ClientTlsConfig) -> Result<Option<String>, TlsError> {
    match (&config.ca_file, &config.ca_pem) {
        (Some(path), _) => ca_file(CA_FILE, path).map(Some),
        (None, Some(pem)) => {
            certificates("tls.ca_pem", "it", pem.as_bytes())?;
            Ok(Some(pem.clone()))
        }
        (None, None) => Ok(None),
    }
}

/// The certificates in a file that is the value of this setting, as PEM that has been looked at.
pub fn ca_file(setting: &'static str, path: &Path) -> Result<String, TlsError> {
    let pem = bytes(setting, path)?;
    let origin = path.display().to_string();
    certificates(setting, &origin, &pem)?;
    String::from_utf8(pem).map_err(|e| {
        let (what, why) = ("certificate", e.to_string());
        TlsError::NotPem { setting, origin, what, why }
    })
}

/// The authorities in a text.
pub(crate) fn private(origin: &str, pem: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(CA_FILE, origin, pem)? {
        roots.add(certificate).map_err(|e| TlsError::NotPem {
            setting: CA_FILE,
            origin: origin.to_owned(),
            what: "certificate of an authority",
            why: e.to_string(),
        })?;
    }
    Ok(roots)
}

/// What this machine believes.
fn everybodys() -> Result<RootCertStore, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added > 0 {
        return Ok(roots);
    }
    let first = found.errors.first().map(ToString::to_string);
    Err(TlsError::NoAuthorities { why: first.unwrap_or_else(|| "there are none".to_owned()) })
}

/// A connection that was made.
#[derive(Debug)]
pub struct Made {
    /// The connection.
    pub stream: Stream,
    /// What it means if the other side hangs up without a word: it asked for a certificate. With
    /// TLS 1.3 it judges ours only when we believe the connection to stand, and what it says then
    /// is lost as often as not.
    pub if_hung_up: Option<Fault>,
}

/// Connects, by TLS if settings for it are given; their files are read now. A failed handshake's
/// reason is in the error: see [`Fault::of`].
pub async fn connect(host: &str, port: u16, tls: Option<&ClientTlsConfig>) -> io::Result<Made> {
    let connector = match tls {
        None => None,
        Some(config) => {
            let mut config = client_config(config).map_err(io::Error::other)?;
            let asked = Asked::of(&mut config);
            Some((TlsConnector::from(Arc::new(config)), asked))
        }
    };
    // The C library does not resolve names under localhost; every browser does.
    let reached = if is_localhost(host) { "localhost" } else { host };
    let stream = TcpStream::connect((reached, port)).await?;
    stream.set_nodelay(true)?;
    let Some((connector, asked)) = connector else {
        return Ok(Made { stream: Stream::Plain(stream), if_hung_up: None });
    };
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let stream = connector.connect(name, stream).await?;
    Ok(Made { stream: Stream::Tls(Box::new(stream.into())), if_hung_up: asked.fault() })
}

/// Whether the other side asks for a certificate of ours, and whether it got one.
#[derive(Debug)]
struct Asked {
    ours: Arc<dyn ResolvesClientCert>,
    asked: AtomicBool,
}

impl Asked {
    fn of(config: &mut ClientConfig) -> Arc<Self> {
        let ours = Arc::clone(&config.client_auth_cert_resolver);
        let this = Arc::new(Self { ours, asked: AtomicBool::new(false) });
        config.client_auth_cert_resolver = Arc::clone(&this) as Arc<dyn ResolvesClientCert>;
        this
    }

    fn fault(&self) -> Option<Fault> {
        if !self.asked.load(Ordering::Relaxed) {
            return None;
        }
        Some(if self.ours.has_certs() {
            Fault::CertificateRefused { why: "it hung up".to_owned() }
        } else {
            Fault::CertificateWanted
        })
    }
}

impl ResolvesClientCert for Asked {
    fn resolve(&self, hints: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.ours.resolve(hints, schemes)
    }

    fn has_certs(&self) -> bool {
        self.ours.has_certs()
    }
}
