//! One try of one delivery: who may be asked, what is sent, what counts as arrived.

use super::sign;
use crate::Coordinator;
use chrono::Utc;
use reqwest::{Response, StatusCode, header};
use secrecy::ExposeSecret;
use std::{
    net::IpAddr,
    time::{Duration, Instant},
};
use tourbus_config::{Way, is_readable};
use tourbus_http::reach::{self, Unreachable};
use tourbus_store::{DueDelivery, TriedBody};

/// So much of an answer is read and kept, in bytes.
const ANSWER_BYTES_MAX: usize = 1 << 10;

/// What a try came to.
pub struct Told {
    /// For the log.
    pub body: TriedBody,
    /// What it means for the next one.
    pub verdict: Verdict,
}

/// What a try means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It arrived.
    Arrived,
    /// Another try may help.
    Failed,
    /// No other try will help: it is not allowed to go there.
    NotAllowed,
    /// The receiver wants no more, of anything.
    Gone,
}

impl Verdict {
    const fn of(status: StatusCode) -> Self {
        match status.as_u16() {
            200..=299 => Self::Arrived,
            410 => Self::Gone,
            _ => Self::Failed,
        }
    }
}

impl Coordinator {
    /// Tries once. Ends within the configured time, and the name service's.
    pub(super) async fn tell(&self, due: &DueDelivery) -> Told {
        let began = Instant::now();
        let mut body = TriedBody::default();
        let verdict = match self.may_tell(&due.url).await {
            Err((why, verdict)) => {
                body.error = why;
                verdict
            }
            Ok(ip) => match self.post(due, ip).await {
                Ok(answer) => {
                    let verdict = Verdict::of(answer.status());
                    body.status = Some(answer.status().as_u16());
                    if verdict != Verdict::Arrived {
                        body.error = said(answer.status());
                    }
                    body.answer = beginning(answer).await;
                    verdict
                }
                Err(why) => {
                    body.error = why;
                    Verdict::Failed
                }
            },
        };
        body.latency_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Told { body, verdict }
    }

    async fn may_tell(&self, url: &str) -> Result<IpAddr, (String, Verdict)> {
        let readable = is_readable(url).map_err(|e| (e.to_string(), Verdict::NotAllowed))?;
        if readable && !self.config.allow_unencrypted.contains(&Way::Webhooks) {
            let why = "it was not sent: http:// can be read on its way; use https://, or name \
                       \"webhooks\" in the coordinator's allow_unencrypted";
            return Err((why.to_owned(), Verdict::NotAllowed));
        }
        reach::address(url, &self.config.webhooks.allow_private).await.map_err(|e| match e {
            Unreachable::NoAddress { .. } => (e.to_string(), Verdict::Failed),
            Unreachable::NoUrl => (e.to_string(), Verdict::NotAllowed),
            Unreachable::Private { .. } => (
                format!("it was not sent: {e}; the coordinator's webhooks.allow_private allows it"),
                Verdict::NotAllowed,
            ),
        })
    }

    async fn post(&self, due: &DueDelivery, ip: IpAddr) -> Result<Response, String> {
        let webhooks = &self.config.webhooks;
        let timeout = Duration::from_millis(webhooks.timeout_ms);
        let client = tourbus_http::client(&due.url, Some(ip), timeout, &webhooks.tls)
            .map_err(|e| e.to_string())?;
        let id = format!("msg_{}", due.event_id.simple());
        let now_s = Utc::now().timestamp();
        let secrets = due.secrets.iter().map(ExposeSecret::expose_secret);
        let signature = sign::signature(secrets, &id, now_s, &due.body);
        let request = client
            .post(&due.url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, "Tourbus")
            .header("webhook-id", id)
            .header("webhook-timestamp", now_s.to_string())
            .header("webhook-signature", signature)
            .body(due.body.clone());
        request.send().await.map_err(tourbus_http::why)
    }
}

fn said(status: StatusCode) -> String {
    if status.is_redirection() {
        return format!(
            "it answers {status}: redirects are not followed; use the URL that it leads to"
        );
    }
    format!("it answers {status}")
}

/// The beginning of the answer; what breaks off is kept as far as it came.
async fn beginning(mut answer: Response) -> String {
    let mut bytes: Vec<u8> = Vec::new();
    while bytes.len() < ANSWER_BYTES_MAX {
        match answer.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) | Err(_) => break,
        }
    }
    bytes.truncate(ANSWER_BYTES_MAX);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_success_has_arrived_and_gone_is_gone() {
        let of = |code: u16| Verdict::of(StatusCode::from_u16(code).unwrap());
        assert_eq!((of(200), of(204)), (Verdict::Arrived, Verdict::Arrived));
        assert_eq!(
            (of(301), of(404), of(500)),
            (Verdict::Failed, Verdict::Failed, Verdict::Failed)
        );
        assert_eq!(of(410), Verdict::Gone);
        assert!(said(StatusCode::FOUND).contains("not followed"));
    }
}
