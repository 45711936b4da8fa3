//! A server's own key pair: made by the server, its private half never leaves it.

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use std::fmt;
use tourbus_domain::Slug;

/// Each use of the key has a prefix of its own, so that no signature serves for another.
const REPORT: &[u8] = b"tourbus-agent-report-v1\0";
const IDENTITY: &[u8] = b"tourbus-identity-v1\0";

/// Longest nonce that is signed, in bytes.
pub const NONCE_BYTES_MAX: usize = 128;

/// A server's private key.
#[derive(Clone)]
pub struct ServerKey {
    key: SigningKey,
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerKey({})", self.public_key_hex())
    }
}

/// A text that is no private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an Ed25519 private key: 64 hexadecimal digits are expected")]
pub struct NoKey;

impl ServerKey {
    /// From the 32 secret bytes.
    pub fn from_bytes(secret: &[u8; 32]) -> Self {
        Self { key: SigningKey::from_bytes(secret) }
    }

    /// From the text of a key file: 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Result<Self, NoKey> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.trim(), &mut bytes).map_err(|_| NoKey)?;
        Ok(Self::from_bytes(&bytes))
    }

    /// The public key, hex.
    pub fn public_key_hex(&self) -> String {
        hex::encode(self.key.verifying_key().as_bytes())
    }

    /// Signs the text of a report; hex.
    pub fn sign_report(&self, text: &str) -> String {
        self.sign(&[REPORT, text.as_bytes()])
    }

    /// Proves to be this server to whoever has just made up `nonce`; hex.
    pub fn sign_identity(&self, server: &Slug, nonce: &str) -> String {
        self.sign(&identity(server, nonce))
    }

    fn sign(&self, parts: &[&[u8]]) -> String {
        hex::encode(self.key.sign(&parts.concat()).to_bytes())
    }
}

fn identity<'a>(server: &'a Slug, nonce: &'a str) -> [&'a [u8]; 4] {
    [IDENTITY, server.as_str().as_bytes(), b"\0", nonce.as_bytes()]
}

/// Whether a report's text was signed with the private half of this public key (hex).
pub fn report_is_signed(text: &str, signature_hex: &str, public_key_hex: &str) -> bool {
    fits(&[REPORT, text.as_bytes()], signature_hex, public_key_hex)
}

/// Whether an identity was proved with the private half of this public key (hex).
pub fn identity_is_proved(
    server: &Slug,
    nonce: &str,
    signature_hex: &str,
    public_key_hex: &str,
) -> bool {
    fits(&identity(server, nonce), signature_hex, public_key_hex)
}

/// Whether a text is a public key that can be used, hex.
pub fn is_public_key(hex_text: &str) -> bool {
    verifying_key(hex_text).is_some_and(|key| !key.is_weak())
}

fn fits(parts: &[&[u8]], signature_hex: &str, public_key_hex: &str) -> bool {
    let mut bytes = [0; 64];
    let Some(key) = verifying_key(public_key_hex) else { return false };
    hex::decode_to_slice(signature_hex, &mut bytes).is_ok()
        && key.verify_strict(&parts.concat(), &Signature::from_bytes(&bytes)).is_ok()
}

fn verifying_key(hex_text: &str) -> Option<VerifyingKey> {
    let mut bytes = [0; 32];
    // Only one spelling of a key, so that keys can be compared as text.
    let lower = hex_text.bytes().all(|b| !b.is_ascii_uppercase());
    (lower && hex::decode_to_slice(hex_text, &mut bytes).is_ok())
        .then(|| VerifyingKey::from_bytes(&bytes).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_serves_for_one_thing_only() {
        let key = ServerKey::from_bytes(&[7; 32]);
        let public = key.public_key_hex();
        let (server, other): (Slug, Slug) =
            ("server2".parse().unwrap(), "server3".parse().unwrap());
        let report = key.sign_report("{}");
        assert!(report_is_signed("{}", &report, &public));
        assert!(!report_is_signed("{ }", &report, &public));
        assert!(!identity_is_proved(&server, "{}", &report, &public));
        let proof = key.sign_identity(&server, "n");
        assert!(identity_is_proved(&server, "n", &proof, &public));
        assert!(!identity_is_proved(&server, "m", &proof, &public));
        assert!(!identity_is_proved(&other, "n", &proof, &public));
        let foreign = ServerKey::from_bytes(&[8; 32]).public_key_hex();
        assert!(!identity_is_proved(&server, "n", &proof, &foreign));
    }

    #[test]
    fn keys_are_read_and_never_shown() {
        let key = ServerKey::from_hex(&format!("{}\n", "07".repeat(32))).unwrap();
        assert!(is_public_key(&key.public_key_hex()));
        assert!(!format!("{key:?}").contains(&"07".repeat(32)));
        for bad in ["", "zz", &"07".repeat(31)] {
            assert_eq!(ServerKey::from_hex(bad).unwrap_err(), NoKey);
        }
        assert!(!is_public_key(&"00".repeat(32)), "weak");
        assert!(!is_public_key(&key.public_key_hex().to_uppercase()));
    }
}
