//! Which server this is, and a proof of it for whoever asks with a number of their own.

use crate::{MediaError, answer};
use axum::body::Body;
use http::{Response, StatusCode, header};
use std::fs;
use tourbus_config::MediaConfig;
use tourbus_domain::Slug;
use tourbus_protocol::{ServerKey, agent::IdentityProof, server_key::NONCE_BYTES_MAX};

/// Who answers.
pub(crate) struct Identity {
    server: Slug,
    key: Option<ServerKey>,
}

impl Identity {
    /// Reads the server's key, if there is to be one.
    pub(crate) fn new(config: &MediaConfig) -> Result<Self, MediaError> {
        let read = |path: &std::path::PathBuf| {
            let failed = |message: String| MediaError::Key { path: path.clone(), message };
            let text = fs::read_to_string(path).map_err(|e| failed(e.to_string()))?;
            ServerKey::from_hex(&text).map_err(|e| failed(e.to_string()))
        };
        let key = config.key_file.as_ref().map(read).transpose()?;
        Ok(Self { server: config.server.clone(), key })
    }

    /// The answer to a request with this query.
    pub(crate) fn answer(&self, query: Option<&str>) -> Response<Body> {
        let nonce = query
            .and_then(|q| q.split('&').find_map(|pair| pair.strip_prefix("nonce=")))
            .filter(|n| (16..=NONCE_BYTES_MAX).contains(&n.len()));
        let prove = |(key, nonce): (&ServerKey, &str)| key.sign_identity(&self.server, nonce);
        let proof = IdentityProof {
            server: self.server.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            signature: self.key.as_ref().zip(nonce).map(prove),
        };
        let text = serde_json::to_string(&proof).unwrap_or_default();
        let mut response = answer::whole(StatusCode::OK, "application/json", text);
        answer::set(&mut response, header::CACHE_CONTROL, "no-store");
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tourbus_protocol::server_key::identity_is_proved;

    fn proof(identity: &Identity, query: &str) -> IdentityProof {
        let body = identity.answer(Some(query)).into_body();
        let bytes = futures(axum::body::to_bytes(body, 4096)).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    fn futures<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn it_proves_itself_to_whoever_asks_with_a_number() {
        let key = ServerKey::from_bytes(&[7; 32]);
        let public = key.public_key_hex();
        let identity = Identity { server: "server2".parse().unwrap(), key: Some(key) };
        let nonce = "0123456789abcdef";
        let signature = proof(&identity, &format!("a=b&nonce={nonce}")).signature.unwrap();
        assert!(identity_is_proved(&identity.server, nonce, &signature, &public));
        assert_eq!(proof(&identity, "nonce=short").signature, None);
        let without = Identity { key: None, ..identity };
        assert_eq!(proof(&without, &format!("nonce={nonce}")).signature, None);
    }
}
