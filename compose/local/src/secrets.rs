//! Secrets of a stack: made once, kept in `secrets.json`, readable by nobody else.

use crate::LocalError;
use rand::Rng;
use serde::{Deserialize, Serialize};
use std::{fmt, fs, path::Path};
use tourbus_protocol::{Signer, visitor::VisitorKey};
use tourbus_supervisor::files;

/// Every secret that a stack needs. A second run finds them again, so data stays usable.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    /// PostgreSQL's superuser.
    pub postgres_password: String,
    /// RabbitMQ's administrator; the other broker users' passwords are derived from it.
    pub rabbitmq_password: String,
    /// The staging server's access key id.
    pub s3_access_key: String,
    /// The staging server's secret key.
    pub s3_secret_key: String,
    /// The master's Ed25519 private key: 32 bytes, hex.
    pub signing_key: String,
    /// The first admin's password.
    pub admin_password: String,
    /// The first admin's API token.
    pub api_token: String,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(…)")
    }
}

impl Secrets {
    /// Reads `secrets.json` in `dir`, or makes it.
    pub fn ensure(dir: &Path) -> Result<Self, LocalError> {
        let path = dir.join("secrets.json");
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|e| LocalError::Damaged { path, message: e.to_string() }),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                let secrets = Self::random();
                files::write_json(&path, &secrets, 0o600)?;
                Ok(secrets)
            }
            Err(e) => Err(LocalError::io("read", &path)(e)),
        }
    }

    fn random() -> Self {
        Self {
            postgres_password: random_hex(16),
            rabbitmq_password: random_hex(16),
            s3_access_key: format!("GK{}", random_hex(12)),
            s3_secret_key: random_hex(32),
            signing_key: random_hex(32),
            admin_password: readable_password(),
            api_token: format!("tb_{}", random_hex(32)),
        }
    }

    /// Web's private key for visitors, hex. Made of the signing key, so that stacks from before it
    /// have one too; nobody learns the one from the other.
    pub fn visitor_key(&self) -> String {
        let context = "tourbus 2026-11-24 visitor key of the local stack";
        hex::encode(blake3::derive_key(context, self.signing_key.as_bytes()))
    }

    /// Its public half, hex: what media services are told.
    pub fn visitor_public_key(&self) -> String {
        VisitorKey::from_hex(&self.visitor_key()).map(|k| k.public_key_hex()).unwrap_or_default()
    }

    /// The public half of the signing key, hex: what workers pin.
    pub fn public_key(&self) -> Result<String, LocalError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(&self.signing_key, &mut bytes).map_err(|e| LocalError::Damaged {
            path: "secrets.json".into(),
            message: format!("signing_key: {e}"),
        })?;
        Ok(Signer::from_bytes(&bytes).public_key_hex())
    }
}

fn random_hex(bytes: usize) -> String {
    let mut buffer = vec![0; bytes];
    rand::rng().fill(&mut buffer[..]);
    hex::encode(buffer)
}

/// Four groups of four letters and digits that are hard to mistake: 78 bits, easy to type.
fn readable_password() -> String {
    const ALPHABET: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
    let mut rng = rand::rng();
    let mut group = || -> String {
        (0..4).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])).collect()
    };
    [group(), group(), group(), group()].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn they_are_private_and_the_same_the_second_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = Secrets::ensure(dir.path()).unwrap();
        let again = Secrets::ensure(dir.path()).unwrap();
        assert_eq!(first.admin_password, again.admin_password);
        assert_eq!(first.public_key().unwrap(), again.public_key().unwrap());
        let mode = fs::metadata(dir.path().join("secrets.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(format!("{first:?}"), "Secrets(…)");
    }
}
