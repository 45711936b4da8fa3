//! What is counted. Handles are made once: finding one by name costs more than a small file.

use http::StatusCode;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use std::time::Duration;

/// Statuses that are counted by themselves; all others by their class.
const STATUSES: [u16; 8] = [200, 206, 304, 308, 400, 403, 404, 416];

/// What was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Route {
    /// A file of an artist, or a part of one.
    File,
    /// An artist's page.
    Page,
    /// The workshop, uploads included.
    Workshop,
    /// Anything else.
    Other,
}

/// Counters of this service.
pub(crate) struct Counters {
    statuses: [Counter; STATUSES.len()],
    other: Counter,
    error: Counter,
    /// How long answers took to begin, by [`Route`].
    routes: [Histogram; 4],
    /// Bytes of files that were handed to connections.
    pub(crate) bytes: Counter,
    /// Files that are being sent.
    pub(crate) streams: Gauge,
    /// Reads that had to wait for the disk.
    pub(crate) disk_reads: Counter,
}

impl Counters {
    /// Registers all with this process's recorder, if there is one.
    pub(crate) fn new() -> Self {
        let route = |r: &'static str| histogram!("tourbus_media_answer_seconds", "route" => r);
        let status = |s: &str| counter!("tourbus_media_requests_total", "status" => s.to_owned());
        Self {
            statuses: STATUSES.map(|s| status(&s.to_string())),
            other: status("other"),
            error: status("5xx"),
            routes: ["file", "page", "workshop", "other"].map(route),
            bytes: counter!("tourbus_media_bytes_total"),
            streams: gauge!("tourbus_media_streams"),
            disk_reads: counter!("tourbus_media_disk_reads_total"),
        }
    }

    /// Counts one answer, and how long it took to begin.
    pub(crate) fn answered(&self, route: Route, status: StatusCode, took: Duration) {
        self.routes[route as usize].record(took);
        let at = STATUSES.iter().position(|s| *s == status.as_u16());
        let counter = at
            .map_or(if status.is_server_error() { &self.error } else { &self.other }, |at| {
                &self.statuses[at]
            });
        counter.increment(1);
    }
}
