//! The master's API: one question at a time, pages, and what it says when it says no.

use crate::{
    args::Extent,
    connect::Master,
    error::{CliError, Problem},
};
use reqwest::{Client, Method, RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

/// Longest wait for one answer: queueing fifty thousand moves takes a while.
const ANSWER_WAIT: Duration = Duration::from_secs(120);
/// Longest that a stream of events stays open before it is opened anew.
const STREAM_WAIT: Duration = Duration::from_secs(3600);
/// Items of one page at most; the API's own limit.
const PAGE_MAX: u32 = 1000;
/// How often something is asked that is done once however often it is asked.
const TRIES_MAX: u32 = 3;
/// Between two of these.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What a list is asked by; what is none is left out.
pub type Query<'a> = [(&'a str, Option<String>)];

/// The master's API, with a token.
pub struct Api {
    http: Client,
    base: String,
    token: SecretString,
}

fn with_query(path: &str, query: &Query) -> String {
    let mut text = form_urlencoded::Serializer::new(String::new());
    for (name, value) in query {
        if let Some(value) = value {
            text.append_pair(name, value);
        }
    }
    let text = text.finish();
    if text.is_empty() { path.to_owned() } else { format!("{path}?{text}") }
}

/// What an answer holds, as far as this program knows it.
pub fn read<T: DeserializeOwned>(value: Value) -> Result<T, CliError> {
    serde_json::from_value(value).map_err(|e| {
        CliError::Failed(format!(
            "the master's answer is not what this program expects ({e}): is one of them much older? \
             --json shows it as it is"
        ))
    })
}

impl Api {
    /// Of this master.
    pub fn new(master: Master) -> Result<Self, CliError> {
        let Master { url, token, tls } = master;
        let plain = token.expose_secret().chars().all(|c| c.is_ascii_graphic());
        if !plain || token.expose_secret().is_empty() {
            return Err(CliError::SignedOut("the token holds what no token holds".to_owned()));
        }
        let http = tourbus_http::client(&url, None, ANSWER_WAIT, &tls)
            .map_err(|e| CliError::Usage(e.to_string()))?;
        Ok(Self { http, base: url, token })
    }

    /// Where the master is.
    pub fn url(&self) -> &str {
        &self.base
    }

    /// `GET /api/v1{path}`.
    pub async fn get(&self, path: &str) -> Result<Value, CliError> {
        self.ask(self.request(Method::GET, path), path).await
    }

    /// The same, read.
    pub async fn get_as<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        read(self.get(path).await?)
    }

    /// `POST /api/v1{path}`; null for no body.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, CliError> {
        let request = self.request(Method::POST, path);
        let request = if body.is_null() { request } else { request.json(body) };
        self.ask(request, path).await
    }

    /// `PATCH /api/v1{path}`.
    pub async fn patch(&self, path: &str, body: &Value) -> Result<Value, CliError> {
        self.ask(self.request(Method::PATCH, path).json(body), path).await
    }

    /// `DELETE /api/v1{path}`.
    pub async fn delete(&self, path: &str) -> Result<Value, CliError> {
        self.ask(self.request(Method::DELETE, path), path).await
    }

    /// A POST with an `Idempotency-Key`: it is done once, though an answer may be lost.
    pub async fn post_once(&self, path: &str, body: &Value) -> Result<Value, CliError> {
        let key = Uuid::new_v4().to_string();
        let mut tries = 1;
        loop {
            let request = self.request(Method::POST, path).json(body);
            match self.ask(request.header("idempotency-key", &key), path).await {
                Err(error) if error.passes() && tries < TRIES_MAX => {
                    tries += 1;
                    tokio::time::sleep(TRY_AGAIN_AFTER).await;
                }
                other => return other,
            }
        }
    }

    /// Pages of a list, up to its extent: `{items, next_cursor}`, as one page would be.
    pub async fn list(
        &self,
        path: &str,
        query: &Query<'_>,
        extent: Extent,
    ) -> Result<Value, CliError> {
        self.pages(path, query, extent.limit()).await
    }

    /// The same up to so many items.
    pub async fn pages(
        &self,
        path: &str,
        query: &Query<'_>,
        items_max: Option<u32>,
    ) -> Result<Value, CliError> {
        let mut items: Vec<Value> = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let got = u32::try_from(items.len()).unwrap_or(u32::MAX);
            let left = items_max.map_or(PAGE_MAX, |n| n.saturating_sub(got));
            let mut asked = query.to_vec();
            asked.push(("limit", Some(left.min(PAGE_MAX).to_string())));
            asked.push(("cursor", cursor.take()));
            let mut page = self.get(&with_query(path, &asked)).await?;
            let Some(found) = page["items"].as_array_mut() else {
                return Err(CliError::Failed(format!("the master's answer to {path} is no list")));
            };
            items.append(found);
            let next = page["next_cursor"].as_str().map(str::to_owned);
            let enough = items_max.is_some_and(|n| items.len() >= n as usize);
            if next.is_none() || enough {
                return Ok(json!({ "items": items, "next_cursor": next }));
            }
            cursor = next;
        }
    }

    /// Opens a stream of events. It is the caller's to say how long silence may last.
    pub async fn stream(&self, path: &str, last: Option<&str>) -> Result<Response, CliError> {
        let mut request = self.request(Method::GET, path).timeout(STREAM_WAIT);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let answer = self.send(request).await?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        Err(self.refusal(answer, path).await)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}/api/v1{path}", self.base))
            .bearer_auth(self.token.expose_secret())
    }

    /// The master went away, or never was there.
    pub fn away(&self, error: reqwest::Error) -> CliError {
        CliError::Away { url: self.base.clone(), why: tourbus_http::why(error) }
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, CliError> {
        request.send().await.map_err(|e| self.away(e))
    }

    /// The master has ended a stream.
    pub fn hung_up(&self) -> CliError {
        CliError::Away { url: self.base.clone(), why: "it ended the live view".to_owned() }
    }

    async fn ask(&self, request: RequestBuilder, path: &str) -> Result<Value, CliError> {
        let answer = self.send(request).await?;
        if !answer.status().is_success() {
            return Err(self.refusal(answer, path).await);
        }
        let text = answer.bytes().await.map_err(|e| self.away(e))?;
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&text).map_err(|_| {
            CliError::Failed(format!("{} answers, but not as a master does: is it one?", self.base))
        })
    }

    async fn refusal(&self, answer: Response, path: &str) -> CliError {
        let status = answer.status();
        let to = answer.headers().get("location").and_then(|v| v.to_str().ok()).map(str::to_owned);
        let text = match answer.bytes().await {
            Ok(text) => text,
            Err(error) => return self.away(error),
        };
        match serde_json::from_slice::<Problem>(&text) {
            Ok(problem) if !problem.code.is_empty() => refused(problem, path),
            // A proxy before a master that is being started again.
            _ if matches!(status.as_u16(), 502..=504) => {
                CliError::Away { url: self.base.clone(), why: format!("it answers {status}") }
            }
            _ => {
                let hint = match to {
                    Some(to) => format!("it sends us on to {to}: is that the master?"),
                    None => "in no words that this program knows: is it a master?".to_owned(),
                };
                CliError::Failed(format!("{} answers {status}, {hint}", self.base))
            }
        }
    }
}

fn refused(problem: Problem, path: &str) -> CliError {
    let route = path.split('?').next().unwrap_or(path);
    match (problem.status, problem.code.as_str()) {
        (401, _) => {
            let Problem { detail, remedy, .. } = problem;
            CliError::SignedOut(format!("{detail}\n  {remedy}"))
        }
        // A route that another method has is one that this master does not offer, too.
        (404, "no_such_route") | (405, "wrong_method") => {
            CliError::NotOffered(format!("it has no /api/v1{route}"))
        }
        _ => CliError::Refused(problem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type_stays_in_its_part_of_the_query() {
        let query = [("filter", Some("a&b=ü".to_owned())), ("none", None)];
        assert_eq!(with_query("/artists", &query), "/artists?filter=a%26b%3D%C3%BC");
        assert_eq!(with_query("/artists", &[]), "/artists");
    }

    #[test]
    fn a_missing_route_is_told_as_such() {
        let problem =
            |status, code: &str| Problem { status, code: code.to_owned(), ..Problem::default() };
        let error = refused(problem(404, "no_such_route"), "/balance?tolerance=0.1");
        assert!(error.to_string().contains("older than this program"), "{error}");
        assert!(error.to_string().contains("/api/v1/balance)"), "{error}");
        assert_eq!(refused(problem(404, "not_found"), "/x").code(), 1);
        assert_eq!(refused(problem(401, "unauthorized"), "/x").code(), 4);
    }
}
