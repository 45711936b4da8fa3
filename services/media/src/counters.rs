//! What is counted. Handles are made once: finding one by name costs more than a small file.

use http::StatusCode;
use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

/// Statuses that are counted by themselves; all others by their class.
const STATUSES: [u16; 8] = [200, 206, 304, 308, 400, 403, 404, 416];

/// Counters of this service.
pub(crate) struct Counters {
    statuses: [Counter; STATUSES.len()],
    other: Counter,
    error: Counter,
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
        describe_counter!("tourbus_media_requests_total", "Answers, by status");
        describe_counter!("tourbus_media_bytes_total", "Bytes of files sent to listeners");
        describe_counter!("tourbus_media_disk_reads_total", "Reads that waited for the disk");
        describe_gauge!("tourbus_media_streams", "Files being sent now");
        let status = |s: &str| counter!("tourbus_media_requests_total", "status" => s.to_owned());
        Self {
            statuses: STATUSES.map(|s| status(&s.to_string())),
            other: status("other"),
            error: status("5xx"),
            bytes: counter!("tourbus_media_bytes_total"),
            streams: gauge!("tourbus_media_streams"),
            disk_reads: counter!("tourbus_media_disk_reads_total"),
        }
    }

    /// Counts one answer.
    pub(crate) fn answered(&self, status: StatusCode) {
        let at = STATUSES.iter().position(|s| *s == status.as_u16());
        let counter = at
            .map_or(if status.is_server_error() { &self.error } else { &self.other }, |at| {
                &self.statuses[at]
            });
        counter.increment(1);
    }
}
