//! Signatures as Standard Webhooks has them: `v1,` and the base64 of
//! HMAC-SHA256(secret, `id.timestamp.body`), one for each secret, with spaces between.

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

/// SHA-256 works on blocks of so many bytes.
const BLOCK_BYTES: usize = 64;

/// The value of `webhook-signature`.
pub fn signature<'a>(
    secrets: impl Iterator<Item = &'a [u8]>,
    id: &str,
    timestamp_s: i64,
    body: &str,
) -> String {
    let text = format!("{id}.{timestamp_s}.{body}");
    let one = |secret| format!("v1,{}", STANDARD.encode(hmac_sha256(secret, text.as_bytes())));
    secrets.map(one).collect::<Vec<_>>().join(" ")
}

/// RFC 2104.
fn hmac_sha256(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut block = [0; BLOCK_BYTES];
    if key.len() > BLOCK_BYTES {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Sha256::new().chain_update(block.map(|b| b ^ 0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(block.map(|b| b ^ 0x5c)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, cases 1, 2 and 6.
    #[test]
    fn hmac_is_as_the_standard_has_it() {
        for (key, text, expected) in [
            (
                &[0x0b; 20][..],
                "Hi There",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                b"Jefe",
                "what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                &[0xaa; 131],
                "Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ] {
            assert_eq!(hex::encode(hmac_sha256(key, text.as_bytes())), expected, "{text}");
        }
    }

    /// The example of the specification's reference libraries.
    #[test]
    fn a_signature_is_as_receivers_check_it() {
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", "{\"test\": 2432232314}");
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        let one = std::iter::once(&secret[..]);
        assert_eq!(signature(one, id, 1_614_265_330, body), expected);
        let two = [&secret[..], &secret[..]].into_iter();
        assert_eq!(signature(two, id, 1_614_265_330, body), format!("{expected} {expected}"));
    }
}
