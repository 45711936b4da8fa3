//! Uploads to an artist's home server, as scripts do them: leave from the master, then tus.
#![allow(clippy::unwrap_used, missing_docs, reason = "support of tests: panics are reports")]

use crate::support::{Artist, Cluster};
use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

/// Leave to write to an artist's tree, and the way there.
#[derive(Clone)]
pub struct Leave {
    http: reqwest::Client,
    /// `http://127.0.0.1:port/artists/slug`: libc does not resolve the servers' names.
    pub base: String,
    host: String,
    pub token: String,
}

impl Leave {
    /// Asks the master; until the artist has a tree it says no.
    pub async fn ask(cluster: &Cluster, artist: &Artist) -> Option<Self> {
        let path = format!("/artists/{}/upload-grants", artist.id);
        let (status, given) = cluster.api.post(&path, &json!({})).await.ok()?;
        if status != 200 {
            return None;
        }
        let url = reqwest::Url::parse(given["url"].as_str()?).ok()?;
        let host = format!("{}:{}", url.host_str()?, url.port()?);
        let path = url.path().strip_suffix("/uploads")?;
        Some(Self {
            http: tourbus_http::plain().unwrap().build().unwrap(),
            base: format!("http://127.0.0.1:{}{path}", url.port()?),
            host,
            token: given["token"].as_str()?.to_owned(),
        })
    }

    pub fn request(&self, method: Method, place: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}/{place}", self.base));
        let request = request.header("host", &self.host).header("tus-resumable", "1.0.0");
        request.bearer_auth(&self.token)
    }

    /// Begins an upload; `uploads/{id}`, or the answer that it got instead.
    pub async fn begin(&self, kind: &str, name: &str, bytes: u64) -> Result<String, Response> {
        let pair = |key: &str, value: &str| format!("{key} {}", STANDARD.encode(value));
        let metadata = format!("{},{}", pair("filename", name), pair("kind", kind));
        let request = self.request(Method::POST, "uploads").header("upload-length", bytes);
        let answer = request.header("upload-metadata", metadata).send().await.unwrap();
        if answer.status() != 201 {
            return Err(answer);
        }
        let location = answer.headers()["location"].to_str().unwrap();
        Ok(format!("uploads/{}", location.rsplit('/').next().unwrap()))
    }

    pub async fn send(&self, place: &str, offset: u64, bytes: &[u8]) -> reqwest::Result<Response> {
        let request = self.request(Method::PATCH, place).header("upload-offset", offset);
        let request = request.header("content-type", "application/offset+octet-stream");
        request.body(bytes.to_vec()).send().await
    }

    /// How much has arrived.
    pub async fn offset(&self, place: &str) -> Option<u64> {
        let answer = self.request(Method::HEAD, place).send().await.ok()?;
        answer.headers().get("upload-offset")?.to_str().ok()?.parse().ok()
    }

    /// All that the artist has.
    pub async fn shelf(&self) -> Value {
        self.request(Method::GET, "workshop").send().await.unwrap().json().await.unwrap()
    }

    /// Uploads a whole song; the answer to its last request.
    pub async fn song(&self, name: &str, bytes: &[u8]) -> Response {
        let place = self.begin("song", name, bytes.len() as u64).await.unwrap();
        self.send(&place, 0, bytes).await.unwrap()
    }
}

/// Our HTTP for a tus client that others have written. It blocks: call it where one may.
pub struct Http {
    pub leave: Leave,
    pub runtime: tokio::runtime::Handle,
}

impl tus_client::http::HttpHandler for Http {
    fn handle_request(
        &self,
        request: tus_client::http::HttpRequest<'_>,
    ) -> Result<tus_client::http::HttpResponse, tus_client::Error> {
        let method: Method = request.method.to_string().to_uppercase().parse().unwrap();
        let mut sent =
            self.leave.http.request(method, &request.url).header("host", &self.leave.host);
        for (name, value) in &request.headers {
            sent = sent.header(name, value);
        }
        let sent =
            sent.bearer_auth(&self.leave.token).body(request.body.unwrap_or_default().to_vec());
        let answer = self.runtime.block_on(sent.send());
        let answer = answer.map_err(|e| tus_client::Error::HttpHandlerError(e.to_string()))?;
        let text =
            |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
                (name.to_string(), value.to_str().unwrap_or_default().to_owned())
            };
        Ok(tus_client::http::HttpResponse {
            status_code: answer.status().as_u16().into(),
            headers: answer.headers().iter().map(text).collect(),
        })
    }
}
