//! Passwords of broker users, and the hashes of them that the broker keeps.

use crate::parts::Password;
use base64::{Engine, engine::general_purpose::STANDARD};
use rand::Rng;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Bytes of salt in front of the hash; see "Credentials and Passwords" in `RabbitMQ`'s manual.
const SALT_BYTES: usize = 4;

/// The default hash of `RabbitMQ`, and the only one checked here.
const SHA256: &str = "rabbit_password_hashing_sha256";

/// A hash of `password` as the broker takes it: it can be kept where the password must not be.
pub fn password_hash(password: &SecretString) -> String {
    let mut salt = [0; SALT_BYTES];
    rand::rng().fill(&mut salt);
    let salted = Sha256::new().chain_update(salt).chain_update(password.expose_secret());
    STANDARD.encode([salt.as_slice(), salted.finalize().as_slice()].concat())
}

/// The body that makes a user of this password, without tags.
pub(crate) fn user_body(password: &Password) -> Value {
    match password {
        Password::Plain(password) => json!({ "password": password.expose_secret(), "tags": "" }),
        Password::Hash(hash) => {
            json!({ "password_hash": hash, "hashing_algorithm": SHA256, "tags": "" })
        }
    }
}

/// Whether the broker's `hash` is of `password`; also false for an algorithm other than the default,
/// in which case the password is set anew.
pub(crate) fn matches(password: &Password, hash: &str, algorithm: &str) -> bool {
    match password {
        Password::Hash(wanted) => algorithm == SHA256 && wanted == hash,
        Password::Plain(password) => is_hash_of(password, hash, algorithm),
    }
}

fn is_hash_of(password: &SecretString, hash: &str, algorithm: &str) -> bool {
    let Ok(bytes) = STANDARD.decode(hash) else { return false };
    let Some((salt, digest)) = bytes.split_at_checked(SALT_BYTES) else { return false };
    let salted = Sha256::new().chain_update(salt).chain_update(password.expose_secret());
    algorithm == SHA256 && salted.finalize().as_slice() == digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manuals_example_matches() {
        // 908D C60A + sha256(908DC60A "test12"), from the manual.
        let hash = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR";
        let plain = |text: &str| Password::Plain(text.into());
        assert!(matches(&plain("test12"), hash, SHA256));
        assert!(!matches(&plain("test13"), hash, SHA256));
        assert!(!matches(&plain("test12"), hash, "rabbit_password_hashing_sha512"));
        assert!(!matches(&plain("test12"), "", SHA256));
    }

    #[test]
    fn a_hash_stands_for_its_password() {
        let hash = password_hash(&"test12".into());
        assert!(matches(&Password::Plain("test12".into()), &hash, SHA256));
        assert!(matches(&Password::Hash(hash.clone()), &hash, SHA256));
        assert!(!matches(&Password::Hash(hash), &password_hash(&"test12".into()), SHA256));
    }
}
