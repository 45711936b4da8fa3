//! Spans to a collector: OTLP over HTTP, as JSON (docs/decisions/README.md, 31).
//!
//! *Invariant:* a collector that is away, slow or wrong costs spans and nothing else: nobody waits
//! for it, and memory is bounded.

use crate::trace::Span;
use reqwest::Client;
use serde_json::{Value, json};
use std::{
    sync::OnceLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::sync::{mpsc, oneshot};
use tourbus_config::TelemetryConfig;
use tourbus_http::ClientError;

/// Spans that wait for the collector; more are dropped.
const WAITING_MAX: usize = 4096;
/// Spans in one request.
const BATCH_MAX: usize = 256;
/// How long the first span of a request waits for others.
const GATHER: Duration = Duration::from_millis(500);
/// Longest wait for the collector's answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for the last spans when the process ends.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

enum Message {
    Span(Box<Span>),
    Flush(oneshot::Sender<()>),
}

static EXPORTER: OnceLock<mpsc::Sender<Message>> = OnceLock::new();

/// Sends spans from now on, if an endpoint is configured. Call once, within the runtime.
pub(crate) fn start(config: &TelemetryConfig, service: &str) -> Result<(), ClientError> {
    let Some(endpoint) = &config.otlp_endpoint else { return Ok(()) };
    let client = tourbus_http::client(endpoint, None, ANSWER_TIMEOUT, &config.otlp_tls)?;
    let url = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
    let (sender, waiting) = mpsc::channel(WAITING_MAX);
    if EXPORTER.set(sender).is_ok() {
        let exporter = Exporter { client, url, service: service.to_owned(), trouble: None };
        tokio::spawn(exporter.run(waiting));
    }
    Ok(())
}

pub(crate) fn send(span: Span) {
    let Some(exporter) = EXPORTER.get() else { return };
    if exporter.try_send(Message::Span(Box::new(span))).is_err() {
        count("dropped", 1);
    }
}

/// Sends what waits, for two seconds at most.
pub async fn flush() {
    let Some(exporter) = EXPORTER.get() else { return };
    let (done, sent) = oneshot::channel();
    let flushing = async {
        if exporter.send(Message::Flush(done)).await.is_ok() {
            // Fails only when the exporter is gone, with all that it had.
            sent.await.ok();
        }
    };
    if tokio::time::timeout(FLUSH_TIMEOUT, flushing).await.is_err() {
        tracing::warn!("otlp.last_spans_lost: the collector does not answer");
    }
}

fn count(outcome: &'static str, spans: usize) {
    metrics::counter!("tourbus_otlp_spans_total", "outcome" => outcome).increment(spans as u64);
}

struct Exporter {
    client: Client,
    url: String,
    service: String,
    /// What was last in the way, so that it is logged once.
    trouble: Option<String>,
}

impl Exporter {
    async fn run(mut self, mut waiting: mpsc::Receiver<Message>) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while let Some(first) = waiting.recv().await {
            let mut flushed = take(first, &mut batch);
            let until = tokio::time::Instant::now() + GATHER;
            while batch.len() < BATCH_MAX && flushed.is_none() {
                match tokio::time::timeout_at(until, waiting.recv()).await {
                    Ok(Some(message)) => flushed = take(message, &mut batch),
                    Ok(None) | Err(_) => break,
                }
            }
            self.post(&mut batch).await;
            if let Some(done) = flushed {
                // Whoever flushed may have lost patience.
                done.send(()).ok();
            }
        }
    }

    async fn post(&mut self, batch: &mut Vec<Span>) {
        if batch.is_empty() {
            return;
        }
        let body = request(&self.service, batch);
        let sent = self.client.post(&self.url).json(&body).send().await;
        let trouble = match sent {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("it answers {}", answer.status())),
            Err(error) => Some(tourbus_http::why(error)),
        };
        count(if trouble.is_none() { "sent" } else { "dropped" }, batch.len());
        batch.clear();
        if let Some(why) = trouble.as_ref().filter(|_| trouble != self.trouble) {
            tracing::warn!(
                url = self.url,
                why,
                "otlp.unsent: spans are dropped until it is mended"
            );
        }
        self.trouble = trouble;
    }
}

fn take(message: Message, batch: &mut Vec<Span>) -> Option<oneshot::Sender<()>> {
    match message {
        Message::Span(span) => {
            batch.push(*span);
            None
        }
        Message::Flush(done) => Some(done),
    }
}

/// An `ExportTraceServiceRequest`.
fn request(service: &str, spans: &[Span]) -> Value {
    let resource = [attribute("service.name", service), attribute("service.version", VERSION)];
    json!({ "resourceSpans": [{
        "resource": { "attributes": resource },
        "scopeSpans": [{
            "scope": { "name": "tourbus", "version": VERSION },
            "spans": spans.iter().map(span).collect::<Vec<_>>(),
        }],
    }] })
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn span(span: &Span) -> Value {
    let attributes: Vec<Value> = span.attributes.iter().map(|(k, v)| attribute(k, v)).collect();
    let status = span.error.as_ref().map_or_else(
        || json!({}),
        // 2: an error.
        |message| json!({ "code": 2, "message": message }),
    );
    let mut value = json!({
        "traceId": span.context.trace_id(),
        "spanId": span.context.span_id(),
        "name": span.name,
        "kind": span.kind as u8,
        // 64-bit numbers are texts in JSON.
        "startTimeUnixNano": nanos(span.start),
        "endTimeUnixNano": nanos(span.end),
        "attributes": attributes,
        "status": status,
    });
    if let Some(parent) = span.parent {
        value["parentSpanId"] = json!(parent.span_id());
    }
    value
}

fn attribute(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn nanos(at: SystemTime) -> String {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::SpanKind;
    use tourbus_domain::TraceParent;

    #[test]
    fn a_request_is_as_the_protocol_says() {
        let parent = TraceParent::begin();
        let mut one = Span::begin(parent, SpanKind::Consumer, "export").with("outcome", &"failed");
        one.error = Some("disk".to_owned());
        let value = request("worker", std::slice::from_ref(&one));
        let spans = &value["resourceSpans"][0];
        assert_eq!(spans["resource"]["attributes"][0]["value"]["stringValue"], "worker");
        let span = &spans["scopeSpans"][0]["spans"][0];
        assert_eq!(span["traceId"], parent.trace_id());
        assert_eq!(span["parentSpanId"], parent.span_id());
        assert_eq!(span["spanId"], one.context.span_id());
        assert_eq!(span["kind"], 5);
        assert_eq!(span["status"]["code"], 2);
        assert!(span["startTimeUnixNano"].is_string());
    }
}
