//! A certificate authority of a test's own.
#![allow(clippy::unwrap_used, missing_docs, reason = "support of tests: panics are reports")]

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use std::{
    fs,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};
use tempfile::TempDir;
use tourbus_config::TlsConfig;

/// An authority, and certificates that it vouches for.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: TempDir,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let dir = tempfile::Builder::new().prefix("tourbus-ca-").tempdir().unwrap();
        let authority = Self { issuer, dir };
        fs::write(authority.ca(), authority.pem()).unwrap();
        authority
    }

    /// Its own certificate.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// The file with it.
    pub fn ca(&self) -> PathBuf {
        self.path("ca.pem")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Where a certificate of this name and its key are to be.
    pub fn files(&self, name: &str) -> TlsConfig {
        let path = |kind: &str| self.path(&format!("{name}.{kind}"));
        TlsConfig { certificate: path("pem"), key: path("key") }
    }

    /// A fresh certificate for these names or addresses, and its key, in files of this name.
    pub fn issue(&self, name: &str, names: &[&str]) -> TlsConfig {
        let files = self.files(name);
        self.put(&files, names, |_| {});
        files
    }

    /// The same, over files that may be another authority's.
    pub fn replace(&self, files: &TlsConfig, names: &[&str]) {
        self.put(files, names, |_| {});
    }

    /// A certificate whose time is over.
    pub fn replace_with_expired(&self, files: &TlsConfig, names: &[&str]) {
        self.put(files, names, |params| {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        });
    }

    fn put(&self, files: &TlsConfig, names: &[&str], change: impl FnOnce(&mut CertificateParams)) {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, "tourbus test");
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        put(&files.key, &key.serialize_pem());
        put(&files.certificate, &certificate.pem());
    }
}

/// Whole, or as it was: the files are read again when they change.
fn put(path: &Path, text: &str) {
    let new = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new).unwrap();
    std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    fs::rename(new, path).unwrap();
}
