//! Lock and key: the master signs every work message, a worker checks it before it obeys.

use crate::Work;
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Duration, Utc};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use std::fmt;
use tourbus_domain::Slug;

/// Separates these signatures from any other use of the key.
const DOMAIN: &[u8] = b"tourbus-work-v1\0";

/// How far a worker's clock may lag the master's, in seconds.
pub const CLOCK_SKEW_MAX_S: i64 = 300;

/// Names a public key: the first 8 bytes of it, hex.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(pub String);

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl KeyId {
    /// Of a public key in hex.
    pub fn of_hex(public_key: &str) -> Self {
        Self(public_key.chars().take(16).collect())
    }
}

fn key_id(key: &VerifyingKey) -> KeyId {
    KeyId(hex::encode(&key.as_bytes()[..8]))
}

/// What is on the wire: the order as text, kept byte for byte, and the signature over it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedWork {
    /// Which of the master's keys signed it.
    pub key_id: KeyId,
    /// Ed25519 over a prefix and `work`, base64.
    pub signature: String,
    /// A [`Work`], as JSON text.
    pub work: String,
}

/// Why a worker does not obey a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not our envelope.
    #[error("the message is not a signed work message: {0}")]
    Malformed(String),
    /// Signed by a key that this server does not trust, or not at all.
    #[error("the message is signed by key {0:?}, which this server does not trust")]
    UnknownKey(KeyId),
    /// The signature does not fit.
    #[error("the message's signature does not fit its content")]
    BadSignature,
    /// For somebody else.
    #[error("the message is for server {0}, not for this one")]
    OtherServer(Slug),
    /// Too late.
    #[error("the message expired at {0}")]
    Expired(DateTime<Utc>),
    /// From the future by more than [`CLOCK_SKEW_MAX_S`].
    #[error("the message was issued at {0}, in this server's future: check both clocks")]
    NotYet(DateTime<Utc>),
    /// Signed by the master, but of a kind that this version does not know.
    #[error("the order is not one that this version knows: {0}")]
    UnknownOrder(String),
}

/// The master's private key.
pub struct Signer {
    key: SigningKey,
}

impl Signer {
    /// From the 32 secret bytes.
    pub fn from_bytes(secret: &[u8; 32]) -> Self {
        Self { key: SigningKey::from_bytes(secret) }
    }

    /// The public key, hex: what workers pin.
    pub fn public_key_hex(&self) -> String {
        hex::encode(self.key.verifying_key().as_bytes())
    }

    /// Signs bytes of another kind than orders, which `domain` tells apart: base64.
    pub(crate) fn sign_bytes(&self, domain: &[u8], bytes: &[u8]) -> String {
        STANDARD.encode(self.key.sign(&[domain, bytes].concat()).to_bytes())
    }

    /// Signs an order. The bytes are the message's body.
    pub fn sign(&self, work: &Work) -> Result<Vec<u8>, serde_json::Error> {
        let work = serde_json::to_string(work)?;
        let signature = self.key.sign(&[DOMAIN, work.as_bytes()].concat());
        let signed = SignedWork {
            key_id: key_id(&self.key.verifying_key()),
            signature: STANDARD.encode(signature.to_bytes()),
            work,
        };
        serde_json::to_vec(&signed)
    }
}

/// Checks what [`Signer::sign_bytes`] made, by this public key (hex).
pub(crate) fn verify_bytes(
    domain: &[u8],
    bytes: &[u8],
    signature: &str,
    public_key_hex: &str,
) -> Result<(), Refused> {
    let key = public_key(public_key_hex)?;
    let signature = STANDARD
        .decode(signature)
        .ok()
        .and_then(|bytes| Signature::from_slice(&bytes).ok())
        .ok_or(Refused::BadSignature)?;
    let signed = [domain, bytes].concat();
    key.verify_strict(&signed, &signature).map_err(|_| Refused::BadSignature)
}

fn public_key(text: &str) -> Result<VerifyingKey, Refused> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes)
        .ok()
        .and_then(|()| VerifyingKey::from_bytes(&bytes).ok())
        .ok_or_else(|| Refused::Malformed(format!("{text:?} is no Ed25519 public key")))
}

/// A server's side: the master's public keys that it trusts, and who it is.
#[derive(Debug, Clone)]
pub struct Verifier {
    server: Slug,
    keys: Vec<VerifyingKey>,
}

impl Verifier {
    /// Trusts these public keys (hex), for messages to this server.
    pub fn new(server: Slug, public_keys_hex: &[String]) -> Result<Self, Refused> {
        let keys = public_keys_hex.iter().map(|k| public_key(k)).collect::<Result<_, _>>()?;
        Ok(Self { server, keys })
    }

    /// The keys that it trusts.
    pub fn key_ids(&self) -> Vec<KeyId> {
        self.keys.iter().map(key_id).collect()
    }

    /// Checks a message's body: envelope, key, signature, server, times. The epoch is checked
    /// later, against what this server has seen of the job.
    pub fn check(&self, body: &[u8], now: DateTime<Utc>) -> Result<Work, Refused> {
        let signed: SignedWork =
            serde_json::from_slice(body).map_err(|e| Refused::Malformed(e.to_string()))?;
        let key = self
            .keys
            .iter()
            .find(|k| key_id(k) == signed.key_id)
            .ok_or_else(|| Refused::UnknownKey(signed.key_id.clone()))?;
        let signature = STANDARD
            .decode(&signed.signature)
            .ok()
            .and_then(|bytes| Signature::from_slice(&bytes).ok())
            .ok_or(Refused::BadSignature)?;
        key.verify_strict(&[DOMAIN, signed.work.as_bytes()].concat(), &signature)
            .map_err(|_| Refused::BadSignature)?;
        let work: Work =
            serde_json::from_str(&signed.work).map_err(|e| Refused::UnknownOrder(e.to_string()))?;
        if work.server != self.server {
            return Err(Refused::OtherServer(work.server));
        }
        if now > work.expires_at {
            return Err(Refused::Expired(work.expires_at));
        }
        if work.issued_at > now + Duration::seconds(CLOCK_SKEW_MAX_S) {
            return Err(Refused::NotYet(work.issued_at));
        }
        Ok(work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Order;
    use tourbus_domain::{JobId, StepKey, StepKind};
    use uuid::Uuid;

    fn work(server: &str) -> Work {
        let now = Utc::now();
        Work {
            id: Uuid::now_v7(),
            server: server.parse().unwrap(),
            job_id: JobId::new(),
            key: StepKey { kind: StepKind::Export, seq: 0 },
            epoch: 1,
            floor: 0,
            issued_at: now,
            expires_at: now + Duration::hours(1),
            order: Order::VoidV1,
            trace: None,
        }
    }

    fn pair() -> (Signer, Verifier) {
        let signer = Signer::from_bytes(&[7; 32]);
        let verifier =
            Verifier::new("server2".parse().unwrap(), &[signer.public_key_hex()]).unwrap();
        (signer, verifier)
    }

    #[test]
    fn a_signed_message_is_obeyed() {
        let (signer, verifier) = pair();
        let work = work("server2");
        let body = signer.sign(&work).unwrap();
        assert_eq!(verifier.check(&body, Utc::now()), Ok(work));
        assert_eq!(verifier.key_ids(), [KeyId::of_hex(&signer.public_key_hex())]);
    }

    #[test]
    fn anything_else_is_refused() {
        let (signer, verifier) = pair();
        let now = Utc::now();
        let body = signer.sign(&work("server2")).unwrap();
        let text = String::from_utf8(body.clone()).unwrap();

        let altered = text.replace(r#"\"epoch\":1"#, r#"\"epoch\":9"#);
        assert_ne!(altered, text);
        assert_eq!(verifier.check(altered.as_bytes(), now), Err(Refused::BadSignature));
        assert!(matches!(verifier.check(b"{}", now), Err(Refused::Malformed(_))));
        assert!(matches!(
            verifier.check(&body, now + Duration::hours(2)),
            Err(Refused::Expired(_))
        ));
        assert!(matches!(verifier.check(&body, now - Duration::hours(1)), Err(Refused::NotYet(_))));
        let other = signer.sign(&work("server3")).unwrap();
        assert!(matches!(verifier.check(&other, now), Err(Refused::OtherServer(_))));
        let foreign = Signer::from_bytes(&[8; 32]).sign(&work("server2")).unwrap();
        assert!(matches!(verifier.check(&foreign, now), Err(Refused::UnknownKey(_))));
    }
}
