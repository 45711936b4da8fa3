//! A collector of spans: OTLP over HTTP, as JSON.

use axum::{Json, Router, extract::State, routing::post};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

/// A span that was received.
#[derive(Debug, Clone)]
pub struct Seen {
    pub service: String,
    pub trace: String,
    pub id: String,
    pub parent: Option<String>,
    pub name: String,
    pub start_ns: u64,
    pub end_ns: u64,
}

impl Seen {
    /// Who did what.
    pub fn title(&self) -> String {
        format!("{} {}", self.service, self.name)
    }
}

type Received = Arc<Mutex<Vec<Seen>>>;

pub struct Collector {
    url: String,
    received: Received,
    _serving: AbortOnDropHandle<()>,
}

impl Collector {
    pub async fn start() -> Self {
        let received = Received::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router =
            Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&received));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, received, _serving: AbortOnDropHandle::new(serving) }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// The spans of a trace.
    pub fn spans(&self, trace: &str) -> Vec<Seen> {
        let received = self.received.lock().unwrap();
        received.iter().filter(|s| s.trace == trace).cloned().collect()
    }
}

fn text(value: &Value, digits: usize) -> String {
    let text = value.as_str().unwrap();
    assert!(text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit()), "{text}");
    text.to_owned()
}

async fn take(State(received): State<Received>, Json(request): Json<Value>) -> Json<Value> {
    for resource in request["resourceSpans"].as_array().unwrap() {
        let attributes = resource["resource"]["attributes"].as_array().unwrap();
        let service = attributes.iter().find(|a| a["key"] == "service.name").unwrap();
        for span in resource["scopeSpans"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|s| s["spans"].as_array().unwrap())
        {
            let at = |key: &str| span[key].as_str().unwrap().parse().unwrap();
            received.lock().unwrap().push(Seen {
                service: service["value"]["stringValue"].as_str().unwrap().to_owned(),
                trace: text(&span["traceId"], 32),
                id: text(&span["spanId"], 16),
                parent: span.get("parentSpanId").map(|p| text(p, 16)),
                name: span["name"].as_str().unwrap().to_owned(),
                start_ns: at("startTimeUnixNano"),
                end_ns: at("endTimeUnixNano"),
            });
        }
    }
    Json(json!({}))
}
