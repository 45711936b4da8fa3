//! The segment that is being gathered.

use super::journal::{Journal, Record};
use crate::context::{Context, Stop};
use bytes::Bytes;
use std::{collections::HashMap, time::Duration};
use tokio::time::Instant;
use tourbus_domain::{ErrorClass, JobError, SegmentRef};
use tourbus_mediaroot::{Identity, Walked, WalkedKind};
use tourbus_protocol::{Entry, EntryKind, EventBody, Segment, Slice, manifest::Digest, names};
use tourbus_staging::Staging;
use tourbus_telemetry::hold;

/// Slices whose chunks stand in staging, until there are enough to announce.
#[derive(Default)]
pub struct Gathering {
    entries: Vec<Entry>,
    identities: Vec<Identity>,
    /// Where in `entries` an entry of the walk is.
    index: HashMap<usize, usize>,
    bytes: u64,
    since: Option<Instant>,
}

impl Gathering {
    /// Takes the slices of one chunk.
    pub fn add(&mut self, walked: &[Walked], slices: Vec<(usize, Slice)>) {
        for (entry, slice) in slices {
            let WalkedKind::File(identity) = walked[entry].kind else { continue };
            self.since.get_or_insert_with(Instant::now);
            self.bytes += slice.len;
            let at = *self.index.entry(entry).or_insert_with(|| {
                self.entries.push(file(&walked[entry], identity.size, Vec::new()));
                self.identities.push(identity);
                self.entries.len() - 1
            });
            if let EntryKind::File { slices, .. } = &mut self.entries[at].kind {
                slices.push(slice);
            }
        }
    }

    /// When it is to be announced for its age; `None` while it is empty.
    pub fn due(&self, age_ms: u64) -> Option<Instant> {
        self.since.map(|s| s + Duration::from_millis(age_ms))
    }

    /// Whether it is to be announced for its size.
    pub fn is_full(&self, bytes_max: u64, entries_max: usize) -> bool {
        self.bytes >= bytes_max || self.entries.len() >= entries_max
    }

    /// Stages the description, writes the journal, announces: in this order, so that whatever is
    /// announced can be found, and whatever is in the journal stands. Empty: nothing to do.
    pub async fn close<S: Staging>(
        &mut self,
        ctx: &Context<S>,
        round: u32,
        journal: &mut Journal,
    ) -> Result<Option<SegmentRef>, Stop> {
        let gathered = std::mem::take(self);
        if gathered.entries.is_empty() {
            return Ok(None);
        }
        let (job_id, number) = (ctx.step.job_id, journal.next_number());
        let segment = Segment { job_id, number, round, entries: gathered.entries };
        let body = to_json(&segment)?;
        let key = names::segment(job_id, ctx.step.epoch, number);
        let blake3 = Digest::of(&body).to_string();
        let reference = SegmentRef { number, round, key, blake3, bytes: gathered.bytes };
        ctx.staging.put(&reference.key, body).await?;
        hold::point("export.segment_staged").await;
        ctx.entered.check()?;
        let identities = gathered.identities;
        journal.append(Record { reference: reference.clone(), segment, identities })?;
        let (step, segment) = (ctx.step, reference.clone());
        ctx.events.emit(EventBody::Staged { step, segment });
        ctx.events.emit(EventBody::Progress { step, bytes: journal.bytes(), totals: None });
        Ok(Some(reference))
    }
}

/// A file's entry.
pub fn file(walked: &Walked, size: u64, slices: Vec<Slice>) -> Entry {
    let kind = EntryKind::File { size, slices };
    Entry { path: walked.path.clone(), mode: walked.mode, mtime: walked.mtime, kind }
}

/// A description's bytes.
pub fn to_json<T: serde::Serialize>(value: &T) -> Result<Bytes, JobError> {
    serde_json::to_vec(value).map(Bytes::from).map_err(|e| {
        JobError::new(ErrorClass::Fatal, "description_unwritable", e.to_string(), "Report this")
    })
}
