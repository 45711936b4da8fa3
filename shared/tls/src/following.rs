//! Believing the authorities that a file names, as it is at each handshake.

use crate::{
    Stamp, TlsError,
    client::{CA_FILE, private},
    files::bytes,
};
use rustls::{
    DigitallySignedStruct, Error, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::ring,
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// A verifier whose authorities follow a file. A change that cannot be used is told, and those
/// before it go on.
#[derive(Debug)]
pub(crate) struct Following {
    path: PathBuf,
    now: Mutex<(Stamp, Arc<WebPkiServerVerifier>)>,
}

impl Following {
    pub(crate) fn new(path: PathBuf) -> Result<Arc<Self>, TlsError> {
        let now = Mutex::new((Stamp::of(&path), read(&path)?));
        Ok(Arc::new(Self { path, now }))
    }

    fn now(&self) -> Arc<WebPkiServerVerifier> {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = Stamp::of(&self.path);
        if stamp != now.0 {
            now.0 = stamp;
            match read(&self.path) {
                Ok(fresh) => {
                    now.1 = fresh;
                    tracing::info!(ca_file = %self.path.display(), "tls.authorities_reloaded");
                }
                Err(error) => tracing::error!(%error, "tls.kept_the_authorities_before"),
            }
        }
        Arc::clone(&now.1)
    }
}

fn read(path: &Path) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
    let origin = path.display().to_string();
    let roots = private(&origin, &bytes(CA_FILE, path)?)?;
    let provider = Arc::new(ring::default_provider());
    let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    built.map_err(|e| TlsError::NotPem {
        setting: CA_FILE,
        origin,
        what: "certificate of an authority",
        why: e.to_string(),
    })
}

impl ServerCertVerifier for Following {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verifier = self.now();
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.now().verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.now().verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.now().supported_verify_schemes()
    }
}
