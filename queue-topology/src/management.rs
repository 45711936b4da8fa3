//! A client of `RabbitMQ`'s management API.

use crate::TopologyError;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, Method, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;
use tourbus_config::ManagementConfig;
use tourbus_tls::Fault;

/// Longest wait for one answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The management API, as one user. Cheap to clone.
#[derive(Clone)]
pub struct Management {
    http: Client,
    url: String,
    user: String,
    password: SecretString,
}

impl Management {
    /// A client; nothing is asked yet. The files of `tls` are read now.
    pub fn new(config: &ManagementConfig) -> Result<Self, TopologyError> {
        let http = tourbus_http::client(&config.url, None, REQUEST_TIMEOUT, &config.tls)?;
        Ok(Self {
            http,
            url: config.url.trim_end_matches('/').to_owned(),
            user: config.user.clone(),
            password: config.password.clone(),
        })
    }

    /// Reads; none when there is no such thing.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<Option<T>, TopologyError> {
        match self.send(Method::GET, path, None).await? {
            None => Ok(None),
            Some(response) => self.read(path, response).await.map(Some),
        }
    }

    /// Creates or changes.
    pub(crate) async fn put(&self, path: &str, body: &Value) -> Result<(), TopologyError> {
        let done = self.send(Method::PUT, path, Some(body)).await?;
        done.map(drop).ok_or_else(|| missing(path))
    }

    /// Asks for something to be done.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Response, TopologyError> {
        self.send(Method::POST, path, Some(body)).await?.ok_or_else(|| missing(path))
    }

    /// Deletes; that it is gone already is fine.
    pub(crate) async fn delete(&self, path: &str) -> Result<(), TopologyError> {
        self.send(Method::DELETE, path, None).await.map(drop)
    }

    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        path: &str,
        response: Response,
    ) -> Result<T, TopologyError> {
        response
            .json()
            .await
            .map_err(|e| TopologyError::Answer { path: path.to_owned(), reason: e.to_string() })
    }

    fn unreachable(&self, error: reqwest::Error) -> TopologyError {
        let (url, fault) = (self.url.clone(), Fault::of(&error));
        match fault {
            Some(fault) => TopologyError::Tls { url, fault },
            None => TopologyError::Unreachable { url, why: tourbus_http::why(error) },
        }
    }

    /// The answer, if it is a success; none for 404.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Option<Response>, TopologyError> {
        let mut request = self
            .http
            .request(method, format!("{}/api/{path}", self.url))
            .basic_auth(&self.user, Some(self.password.expose_secret()));
        if let Some(body) = body {
            request = request.json(body);
        }
        let unreachable = |error| self.unreachable(error);
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        if status.is_success() {
            return Ok(Some(response));
        }
        let text = response.text().await.map_err(unreachable)?;
        let path = path.to_owned();
        match status {
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let (user, reason) = (self.user.clone(), reason(&text));
                Err(TopologyError::Forbidden { user, path, reason })
            }
            _ => Err(TopologyError::Refused { path, status, reason: reason(&text) }),
        }
    }
}

fn missing(path: &str) -> TopologyError {
    TopologyError::Refused {
        path: path.to_owned(),
        status: StatusCode::NOT_FOUND,
        reason: "what it belongs to does not exist".to_owned(),
    }
}

/// `{"error": "...", "reason": "..."}`, or whatever it is.
fn reason(text: &str) -> String {
    let json: Option<Value> = serde_json::from_str(text).ok();
    let reason = json.as_ref().and_then(|v| v.get("reason")).map(crate::show::plain);
    reason.unwrap_or_else(|| text.chars().take(200).collect())
}

/// A name as one part of a path.
pub(crate) fn part(name: &str) -> String {
    utf8_percent_encode(name, NON_ALPHANUMERIC).to_string()
}
