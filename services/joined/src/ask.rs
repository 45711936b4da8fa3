//! Asking the master to be let in.

use crate::JoinedError;
use chrono::Utc;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::time::Duration;
use tourbus_config::ClientTlsConfig;
use tourbus_protocol::{
    ServerKey,
    agent::{JoinAnswer, JoinRequest},
};
use tourbus_tls::Fault;

/// Longest wait: the master prepares the broker meanwhile.
const TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
struct Problem {
    code: String,
    detail: String,
    #[serde(default)]
    remedy: String,
}

/// Asks. The token goes into the body only.
pub(crate) async fn ask(
    master_url: &str,
    token: &SecretString,
    key: &ServerKey,
    tls: &ClientTlsConfig,
) -> Result<JoinAnswer, JoinedError> {
    let unreachable = |why: String| JoinedError::Unreachable { url: master_url.to_owned(), why };
    let http = tourbus_http::client(master_url, None, TIMEOUT, tls)
        .map_err(|e| JoinedError::Invalid(format!("--master: {e}")))?;
    let request = JoinRequest {
        token: token.expose_secret().to_owned(),
        public_key: key.public_key_hex(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        at: Utc::now(),
    };
    let sent = http.post(format!("{master_url}/api/v1/join")).json(&request).send().await;
    let answer = sent.map_err(|e| match Fault::of(&e) {
        Some(fault) => untrusted(master_url, fault),
        None => unreachable(tourbus_http::why(e)),
    })?;
    let status = answer.status();
    if status.is_success() {
        return answer.json().await.map_err(|e| unreachable(tourbus_http::why(e)));
    }
    match answer.json::<Problem>().await {
        Ok(Problem { code, detail, remedy }) => Err(JoinedError::Refused { code, detail, remedy }),
        Err(_) => Err(unreachable(format!("it answers {status}, which is no answer of a master"))),
    }
}

fn untrusted(url: &str, fault: Fault) -> JoinedError {
    let remedy = fault.remedy("a file, and that file in --ca", "the master's [tls]");
    JoinedError::Untrusted { url: url.to_owned(), fault, remedy }
}
