//! Whether a process is ready.

use std::{net::Ipv4Addr, time::Duration};
use tokio::net::TcpStream;
use tourbus_supervisor::{ChildSpec, Readiness, run_once};

/// Longest wait for one look.
const LOOK_MAX: Duration = Duration::from_secs(5);

/// A way to look.
pub enum Probe {
    /// A port of 127.0.0.1 takes connections.
    Tcp(u16),
    /// A URL answers 200.
    Http(String),
    /// A command ends with exit code 0.
    Command(Box<ChildSpec>),
    /// RabbitMQ's management API says that the node runs, and the AMQP port takes connections.
    RabbitMq {
        /// A client for the management API.
        http: reqwest::Client,
        /// Its base URL.
        management: String,
        /// AMQP's port.
        amqp: u16,
        /// Administrator.
        user: String,
        /// Its password.
        password: String,
    },
}

impl Probe {
    /// Looks once. The error says what is missing.
    pub async fn check(&self) -> Result<(), String> {
        let looked = tokio::time::timeout(LOOK_MAX, self.look()).await;
        looked.unwrap_or_else(|_| Err(format!("no answer within {LOOK_MAX:?}")))
    }

    async fn look(&self) -> Result<(), String> {
        match self {
            Self::Tcp(port) => tcp(*port).await,
            Self::Http(url) => {
                let http = tourbus_http::plain().map_err(|e| e.to_string())?;
                let http = http.build().map_err(|e| e.to_string())?;
                let answer = http.get(url).send().await.map_err(|e| format!("{url}: {e}"))?;
                let status = answer.status();
                if status == 200 {
                    return Ok(());
                }
                let body = answer.text().await.unwrap_or_default();
                Err(format!("{url} answers {status}: {}", body.trim()))
            }
            Self::Command(spec) => {
                let output = run_once(spec, LOOK_MAX).await.map_err(|e| e.to_string())?;
                let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
                if output.status.success() { Ok(()) } else { Err(said) }
            }
            Self::RabbitMq { http, management, amqp, user, password } => {
                let url = format!("{management}/api/nodes?columns=running");
                let request = http.get(&url).basic_auth(user, Some(password));
                let answer = request.send().await.map_err(|e| format!("{url}: {e}"))?;
                let status = answer.status();
                let nodes: Vec<Node> =
                    answer.json().await.map_err(|e| format!("{url} answers {status}: {e}"))?;
                if nodes.is_empty() || nodes.iter().any(|n| !n.running) {
                    return Err("the node is not running yet".to_owned());
                }
                tcp(*amqp).await
            }
        }
    }
}

#[derive(serde::Deserialize)]
struct Node {
    running: bool,
}

async fn tcp(port: u16) -> Result<(), String> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
    stream.map(drop).map_err(|e| format!("port {port}: {e}"))
}

impl Readiness for Probe {
    async fn check(&self) -> Result<(), String> {
        Self::check(self).await
    }
}
