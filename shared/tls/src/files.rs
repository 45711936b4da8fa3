//! Certificates and keys in files.

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read the file of {setting}, {}: {source}", path.display())]
    Unreadable {
        /// Which setting names it.
        setting: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds something else.
    #[error("{setting}: {origin} holds no {what} in PEM form ({why})")]
    NotPem {
        /// Which setting names it.
        setting: &'static str,
        /// Which file, or that it is a text.
        origin: String,
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
    /// This machine believes nobody.
    #[error(
        "this machine knows no certificate authority ({why}): install the package \
         ca-certificates, or name the authority in tls.ca_file"
    )]
    NoAuthorities {
        /// Why not.
        why: String,
    },
    /// TLS itself cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Setup(rustls::Error),
}

const CERTIFICATE: &str = "tls.certificate";

/// What changes when a file is replaced or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp(Option<(SystemTime, u64)>);

impl Stamp {
    /// Of a file as it is now.
    pub fn of(path: &Path) -> Self {
        let stamp = |meta: fs::Metadata| Some((meta.modified().ok()?, meta.len()));
        Self(fs::metadata(path).ok().and_then(stamp))
    }
}

type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// A certificate with those that vouch for it, and its key.
pub(crate) fn pair(certificate: &Path, key: &Path) -> Result<Pair, TlsError> {
    let origin = certificate.display().to_string();
    let chain = certificates(CERTIFICATE, &origin, &bytes(CERTIFICATE, certificate)?)?;
    let (setting, what) = ("tls.key", "private key");
    let key = PrivateKeyDer::from_pem_slice(&bytes(setting, key)?).map_err(|e| {
        let (origin, why) = (key.display().to_string(), e.to_string());
        TlsError::NotPem { setting, origin, what, why }
    })?;
    Ok((chain, key))
}

/// The certificates in a text, at least one.
pub(crate) fn certificates(
    setting: &'static str,
    origin: &str,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let (what, origin) = ("certificate", origin.to_owned());
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => {
            let why = "there is none in it".to_owned();
            Err(TlsError::NotPem { setting, origin, what, why })
        }
        Err(e) => Err(TlsError::NotPem { setting, origin, what, why: e.to_string() }),
    }
}

pub(crate) fn bytes(setting: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Unreadable { setting, path: path.to_owned(), source })
}

pub(crate) fn unusable(certificate: &Path, key: &Path, source: rustls::Error) -> TlsError {
    TlsError::Unusable { certificate: certificate.to_owned(), key: key.to_owned(), source }
}
