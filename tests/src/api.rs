//! A client of the JSON API, as a script would be one.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::time::Duration;

/// One master's API, with a token.
#[derive(Clone)]
pub struct Api {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Api {
    /// `base` is an address such as `http://127.0.0.1:8080`.
    pub fn new(base: &str, token: &str) -> Result<Self> {
        let http = tourbus_http::plain()?.timeout(Duration::from_secs(20)).build()?;
        Ok(Self { http, base: base.to_owned(), token: token.to_owned() })
    }

    /// The address that it was made with.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The token that it was made with.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// `GET /api/v1{path}`, as JSON.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let request = self.http.get(format!("{}/api/v1{path}", self.base));
        let (status, body) = self.send(request).await?;
        if status != 200 {
            bail!("GET {path} answered {status}: {body}");
        }
        Ok(body)
    }

    /// `POST /api/v1{path}`: status and JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Result<(u16, Value)> {
        let request = self.http.post(format!("{}/api/v1{path}", self.base)).json(body);
        self.send(request).await
    }

    /// The same with an `Idempotency-Key`.
    pub async fn post_once(&self, path: &str, body: &Value, key: &str) -> Result<(u16, Value)> {
        let request = self.http.post(format!("{}/api/v1{path}", self.base)).json(body);
        self.send(request.header("idempotency-key", key)).await
    }

    /// `PATCH /api/v1{path}`: status and JSON.
    pub async fn patch(&self, path: &str, body: &Value) -> Result<(u16, Value)> {
        let request = self.http.patch(format!("{}/api/v1{path}", self.base)).json(body);
        self.send(request).await
    }

    /// `DELETE /api/v1{path}`: the status.
    pub async fn delete(&self, path: &str) -> Result<u16> {
        let request = self.http.delete(format!("{}/api/v1{path}", self.base));
        Ok(self.send(request).await?.0)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<(u16, Value)> {
        let answer = request.bearer_auth(&self.token).send().await?;
        let status = answer.status().as_u16();
        let text = answer.text().await?;
        let body = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).with_context(|| format!("{status}, no JSON: {text}"))?
        };
        Ok((status, body))
    }

    /// Queues moves; the whole answer, which must be a 202.
    pub async fn move_artists(&self, artists: &[String], target: &str) -> Result<Value> {
        let body = json!({ "artist_ids": artists, "target_server_id": target });
        let (status, answer) = self.post("/moves", &body).await?;
        if status != 202 {
            bail!("POST /moves answered {status}: {answer}");
        }
        Ok(answer)
    }

    /// Every item of a keyset-paged collection. `path` has a query already, or none.
    pub async fn all(&self, path: &str) -> Result<Vec<Value>> {
        let glue = if path.contains('?') { '&' } else { '?' };
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let after = cursor.map_or_else(String::new, |c| format!("&cursor={c}"));
            let page = self.get(&format!("{path}{glue}limit=100{after}")).await?;
            let found = page["items"].as_array().context("a page without items")?;
            items.extend(found.iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => return Ok(items),
            }
        }
    }
}
