//! Talking to the master.

use crate::state::Trouble;
use chrono::Utc;
use reqwest::Client;
use serde::Deserialize;
use std::time::Duration;
use tourbus_config::ClientTlsConfig;
use tourbus_http::ClientError;
use tourbus_protocol::{
    ServerKey,
    agent::{Report, ReportAnswer, SignedReport},
};
use tourbus_tls::Fault;

/// Where a joined server is told who vouches for the master.
const CA: &str = "master_tls.ca_file here, or with --master-ca when this server joins again";
/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The master, by its URL.
pub(crate) struct Master {
    http: Client,
    url: String,
}

/// What a report gave.
pub(crate) enum Reported {
    /// It was taken.
    Taken {
        /// The answer.
        answer: Box<ReportAnswer>,
        /// How far this server's clock is ahead of the master's, in seconds.
        clock_ahead_s: f64,
    },
    /// The master has taken one with a higher number.
    Replayed(Trouble),
    /// This server was deleted from the cluster.
    Deleted(Trouble),
    /// It was not taken, or nobody answered.
    Failed(Trouble),
}

/// The master's problem documents, as far as they are told on.
#[derive(Deserialize)]
struct Problem {
    code: String,
    detail: String,
    #[serde(default)]
    remedy: String,
}

impl Master {
    pub(crate) fn new(url: &str, tls: &ClientTlsConfig) -> Result<Self, ClientError> {
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self { http: tourbus_http::client(&url, None, TIMEOUT, tls)?, url })
    }

    pub(crate) async fn report(&self, report: &Report, key: &ServerKey) -> Reported {
        let signed = match SignedReport::new(report, key) {
            Ok(signed) => signed,
            Err(e) => return self.failed(&format!("the report cannot be written: {e}")),
        };
        let sent_at = Utc::now();
        let sent = self.http.post(format!("{}/api/v1/agent/report", self.url)).json(&signed);
        let answer = match sent.send().await {
            Ok(answer) => answer,
            Err(e) => return self.not_reached(e),
        };
        let status = answer.status();
        if status.is_success() {
            let took = Utc::now() - sent_at;
            return match answer.json::<ReportAnswer>().await {
                Ok(answer) => {
                    let ahead = (sent_at + took / 2) - answer.at;
                    let clock_ahead_s = ahead.num_milliseconds() as f64 / 1000.0;
                    Reported::Taken { answer: Box::new(answer), clock_ahead_s }
                }
                Err(e) => self.failed(&format!("the answer is not understood: {e}")),
            };
        }
        match answer.json::<Problem>().await {
            Ok(p) => {
                let trouble = Trouble { cause: p.detail, remedy: p.remedy };
                match p.code.as_str() {
                    "report_replayed" => Reported::Replayed(trouble),
                    "server_deleted" => Reported::Deleted(trouble),
                    _ => Reported::Failed(trouble),
                }
            }
            Err(_) => self.failed(&format!("it answers {status}, which is no answer of a master")),
        }
    }

    fn not_reached(&self, error: reqwest::Error) -> Reported {
        let Some(fault) = Fault::of(&error) else { return self.failed(&tourbus_http::why(error)) };
        Reported::Failed(Trouble {
            cause: format!("The master at {} is not to be trusted: {fault}.", self.url),
            remedy: format!("{}.", fault.remedy(CA, "the master's [tls]")),
        })
    }

    fn failed(&self, why: &str) -> Reported {
        Reported::Failed(Trouble {
            cause: format!("The master at {} cannot be reached: {why}.", self.url),
            remedy: format!(
                "On this server, `curl -v {}/readyz` shows more. Check its name service and \
                 firewall, and that the master is up.",
                self.url
            ),
        })
    }
}
