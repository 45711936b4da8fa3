//! Spans: what was done for one request, on every process that it came through.
//!
//! Web begins a trace for each request that changes something; jobs that follow keep it, orders
//! and events carry it. Where [`crate::otlp`] is set up, spans are sent there; log lines carry
//! `trace_id` in any case.

use crate::otlp;
use std::time::SystemTime;
use tourbus_domain::TraceParent;

tokio::task_local! {
    static CURRENT: TraceParent;
}

/// The request that is being answered by this task, if it has a trace.
pub fn current() -> Option<TraceParent> {
    CURRENT.try_with(|trace| *trace).ok()
}

/// Answers a request within its trace.
pub async fn within<T>(trace: TraceParent, act: impl Future<Output = T>) -> T {
    CURRENT.scope(trace, act).await
}

/// What a span stands for, as OTLP counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// Work within one process.
    Internal = 1,
    /// A request that was answered.
    Server = 2,
    /// A message that was sent.
    Producer = 4,
    /// A message that was dealt with.
    Consumer = 5,
}

/// Something that has a beginning and an end.
#[derive(Debug, Clone)]
pub struct Span {
    /// Its trace and its own id.
    pub context: TraceParent,
    /// What it is part of.
    pub parent: Option<TraceParent>,
    /// What was done; a few words, never an id.
    pub name: String,
    /// What it stands for.
    pub kind: SpanKind,
    /// When it began.
    pub start: SystemTime,
    /// When it ended.
    pub end: SystemTime,
    /// What else is known of it.
    pub attributes: Vec<(&'static str, String)>,
    /// Why it failed.
    pub error: Option<String>,
}

impl Span {
    /// Begins one, as a part of `parent`.
    pub fn begin(parent: TraceParent, kind: SpanKind, name: impl Into<String>) -> Self {
        Self::of(parent.child(), Some(parent), kind, name)
    }

    /// Begins one whose id is known already.
    pub fn of(
        context: TraceParent,
        parent: Option<TraceParent>,
        kind: SpanKind,
        name: impl Into<String>,
    ) -> Self {
        let (start, name) = (SystemTime::now(), name.into());
        let attributes = Vec::new();
        Self { context, parent, name, kind, start, end: start, attributes, error: None }
    }

    /// Says more about it.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: &impl ToString) -> Self {
        self.attributes.push((key, value.to_string()));
        self
    }

    /// Ends it, and sends it if spans are wanted. Never waits: what is too much is dropped.
    pub fn end(mut self) {
        self.end = SystemTime::now();
        if self.context.is_sampled() {
            otlp::send(self);
        }
    }
}
