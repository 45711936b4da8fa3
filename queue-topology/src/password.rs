//! Whether a user's password is the right one, from the hash that the broker keeps.

use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// Bytes of salt in front of the hash; see "Credentials and Passwords" in `RabbitMQ`'s manual.
const SALT_BYTES: usize = 4;

/// The default hash of `RabbitMQ`, and the only one checked here.
const SHA256: &str = "rabbit_password_hashing_sha256";

/// Whether `hash` is a hash of `password`; also false for an algorithm other than the default,
/// in which case the password is set anew.
pub(crate) fn matches(password: &SecretString, hash: &str, algorithm: &str) -> bool {
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
        assert!(matches(&"test12".into(), hash, SHA256));
        assert!(!matches(&"test13".into(), hash, SHA256));
        assert!(!matches(&"test12".into(), hash, "rabbit_password_hashing_sha512"));
        assert!(!matches(&"test12".into(), "", SHA256));
    }
}
