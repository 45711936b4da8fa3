//! Who is signed in, and what they may write, told by the master to every server: short texts that
//! web signs and a media service believes without asking anybody.
//!
//! A text is `<claims>.<signature>`, both base64url without padding: the claims are JSON, the
//! signature is Ed25519 over a prefix and them. Each kind of claims has a prefix of its own, so that
//! none serves for another. The key is web's own: it signs no orders.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fmt;
use tourbus_domain::{ArtistId, Slug};
use uuid::Uuid;

/// The cookie in which a browser carries a [`Visitor`] to every server.
pub const VISITOR_COOKIE: &str = "tourbus_visitor";
/// How long such a text is good for, in seconds. With [`LATE_MAX_S`], signing out works everywhere
/// within a minute.
pub const VISITOR_TTL_S: i64 = 45;
/// How far a server's clock may be ahead of the master's before it believes nothing, in seconds.
pub const LATE_MAX_S: i64 = 15;
/// Longest text that is looked at, in bytes: browsers keep cookies of 4096.
pub const TEXT_BYTES_MAX: usize = 4096;
/// Artists named in a [`Visitor`] at most; what is more is left out, for the text to fit a cookie.
pub const VISITOR_ARTISTS_MAX: usize = 20;

/// Somebody who is signed in at the master.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visitor {
    /// The account.
    pub account: Uuid,
    /// How pages call them.
    pub name: String,
    /// Public names of the artists who are theirs.
    pub artists: Vec<Slug>,
    /// When it ends, in seconds since 1970.
    pub expires_at_s: i64,
}

/// Leave to write to one artist's tree on one server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The artist's home, as the master knew it.
    pub server: Slug,
    /// The artist.
    pub artist: ArtistId,
    /// Its public name.
    pub slug: Slug,
    /// Whose leave.
    pub account: Uuid,
    /// How large all of the artist's files may be, in bytes.
    pub quota_bytes: u64,
    /// When it was given, in seconds since 1970 on the master's clock.
    pub issued_at_s: i64,
    /// When it ends.
    pub expires_at_s: i64,
}

/// What can be signed.
pub trait Claims: Serialize + DeserializeOwned {
    /// Separates signatures of this kind from every other.
    const PREFIX: &'static [u8];
    /// When it ends, in seconds since 1970.
    fn expires_at_s(&self) -> i64;
}

impl Claims for Visitor {
    const PREFIX: &'static [u8] = b"tourbus-visitor-v1\0";
    fn expires_at_s(&self) -> i64 {
        self.expires_at_s
    }
}

impl Claims for Grant {
    const PREFIX: &'static [u8] = b"tourbus-grant-v1\0";
    fn expires_at_s(&self) -> i64 {
        self.expires_at_s
    }
}

/// Why such a text is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotBelieved {
    /// Not a text of this kind at all.
    #[error("it is not a token of this kind")]
    Malformed,
    /// Signed by nobody whom this server knows.
    #[error("its signature is none of the master's")]
    Forged,
    /// Too late.
    #[error("it has expired")]
    Expired,
}

/// Web's private key for visitors.
#[derive(Clone)]
pub struct VisitorKey {
    key: SigningKey,
}

impl fmt::Debug for VisitorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VisitorKey({})", self.public_key_hex())
    }
}

impl VisitorKey {
    /// From 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.trim(), &mut bytes).ok()?;
        Some(Self { key: SigningKey::from_bytes(&bytes) })
    }

    /// The public key, hex: what media services are told.
    pub fn public_key_hex(&self) -> String {
        hex::encode(self.key.verifying_key().as_bytes())
    }

    /// Signs.
    pub fn sign<C: Claims>(&self, claims: &C) -> Result<String, serde_json::Error> {
        let claims = serde_json::to_vec(claims)?;
        let signature = self.key.sign(&[C::PREFIX, &claims].concat());
        let (claims, signature) =
            (URL_SAFE_NO_PAD.encode(claims), URL_SAFE_NO_PAD.encode(signature.to_bytes()));
        Ok(format!("{claims}.{signature}"))
    }
}

/// A server's side: the public keys that it believes.
#[derive(Debug, Clone, Default)]
pub struct VisitorKeys(Vec<VerifyingKey>);

/// A text that is no public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an Ed25519 public key: 64 hexadecimal digits are expected")]
pub struct NoPublicKey(pub String);

impl VisitorKeys {
    /// Believes these, hex. None: believes nobody.
    pub fn from_hex(public_keys: &[String]) -> Result<Self, NoPublicKey> {
        let parse = |text: &String| {
            let mut bytes = [0; 32];
            hex::decode_to_slice(text, &mut bytes)
                .ok()
                .and_then(|()| VerifyingKey::from_bytes(&bytes).ok())
                .filter(|key| !key.is_weak())
                .ok_or_else(|| NoPublicKey(text.clone()))
        };
        public_keys.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// What a text says, if it is signed by one of the keys and has not ended.
    pub fn believe<C: Claims>(&self, text: &str, now: DateTime<Utc>) -> Result<C, NotBelieved> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(NotBelieved::Malformed);
        }
        let (claims, signature) = text.split_once('.').ok_or(NotBelieved::Malformed)?;
        let decode = |part| URL_SAFE_NO_PAD.decode(part).map_err(|_| NotBelieved::Malformed);
        let (claims, signature) = (decode(claims)?, decode(signature)?);
        let signature = Signature::from_slice(&signature).map_err(|_| NotBelieved::Malformed)?;
        let signed = [C::PREFIX, &claims].concat();
        if !self.0.iter().any(|key| key.verify_strict(&signed, &signature).is_ok()) {
            return Err(NotBelieved::Forged);
        }
        let claims: C = serde_json::from_slice(&claims).map_err(|_| NotBelieved::Malformed)?;
        if now.timestamp() > claims.expires_at_s().saturating_add(LATE_MAX_S) {
            return Err(NotBelieved::Expired);
        }
        Ok(claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    fn grant(now: DateTime<Utc>) -> Grant {
        Grant {
            server: "server2".parse().unwrap(),
            artist: ArtistId::new(),
            slug: "the-rooks".parse().unwrap(),
            account: Uuid::now_v7(),
            quota_bytes: 1,
            issued_at_s: now.timestamp(),
            expires_at_s: now.timestamp() + VISITOR_TTL_S,
        }
    }

    fn pair() -> (VisitorKey, VisitorKeys) {
        let key = VisitorKey::from_hex(&"07".repeat(32)).unwrap();
        let keys = VisitorKeys::from_hex(&[key.public_key_hex()]).unwrap();
        (key, keys)
    }

    #[test]
    fn what_web_signs_is_believed_for_a_minute() {
        let (key, keys) = pair();
        let now = Utc::now();
        let grant = grant(now);
        let text = key.sign(&grant).unwrap();
        assert_eq!(keys.believe::<Grant>(&text, now), Ok(grant));
        let late = now + TimeDelta::seconds(VISITOR_TTL_S + LATE_MAX_S + 1);
        assert!(late - now <= TimeDelta::seconds(61));
        assert_eq!(keys.believe::<Grant>(&text, late), Err(NotBelieved::Expired));
    }

    #[test]
    fn anything_else_is_not() {
        let (key, keys) = pair();
        let now = Utc::now();
        let text = key.sign(&grant(now)).unwrap();
        assert_eq!(keys.believe::<Visitor>(&text, now), Err(NotBelieved::Forged), "another kind");
        let foreign = VisitorKey::from_hex(&"08".repeat(32)).unwrap();
        let forged = foreign.sign(&grant(now)).unwrap();
        assert_eq!(keys.believe::<Grant>(&forged, now), Err(NotBelieved::Forged));
        assert_eq!(VisitorKeys::default().believe::<Grant>(&text, now), Err(NotBelieved::Forged));
        let (claims, signature) = text.split_once('.').unwrap();
        let mut altered = URL_SAFE_NO_PAD.decode(claims).unwrap();
        *altered.last_mut().unwrap() = b' ';
        let altered = format!("{}.{signature}", URL_SAFE_NO_PAD.encode(altered));
        assert_eq!(keys.believe::<Grant>(&altered, now), Err(NotBelieved::Forged));
        for text in ["", ".", "a.b", claims, &"x".repeat(TEXT_BYTES_MAX + 1)] {
            assert_eq!(keys.believe::<Grant>(text, now), Err(NotBelieved::Malformed), "{text}");
        }
        assert!(VisitorKeys::from_hex(&["00".repeat(32)]).is_err(), "weak");
    }

    #[test]
    fn the_longest_visitor_fits_a_cookie() {
        let (key, _) = pair();
        let visitor = Visitor {
            account: Uuid::now_v7(),
            name: "n".repeat(254),
            artists: vec!["a".repeat(63).parse().unwrap(); VISITOR_ARTISTS_MAX],
            expires_at_s: i64::MAX,
        };
        assert!(key.sign(&visitor).unwrap().len() < TEXT_BYTES_MAX - 200);
    }
}
