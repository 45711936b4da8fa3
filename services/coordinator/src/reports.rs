//! Reports of moves that have succeeded, signed.

use crate::{Coordinator, CoordinatorError};
use std::time::Duration;
use tourbus_domain::JobId;
use tourbus_protocol::{
    SignedReport,
    report::{
        FORMAT, MoveReport, ReportedArtist, ReportedManifest, ReportedServer, Transfer,
        Verification,
    },
};
use tourbus_store::{ReportFacts, StoreError};

/// How often reports that are owed are looked for.
const EVERY: Duration = Duration::from_secs(2);
/// Reports of one round.
const ROUND_MAX: u32 = 200;

impl Coordinator {
    /// Writes what is owed until the end.
    pub(crate) async fn write_reports(&self) -> Result<(), CoordinatorError> {
        while self.pause(EVERY).await {
            if let Err(error) = self.report_round().await {
                tracing::warn!(%error, "reports.database_away");
            }
        }
        Ok(())
    }

    async fn report_round(&self) -> Result<(), StoreError> {
        for facts in self.store.reports_owed(ROUND_MAX).await? {
            let job = JobId(facts.job_id);
            if facts.manifest_blake3.is_none() {
                // Nothing is signed that is not known.
                tracing::error!(%job, "reports.no_manifest");
                continue;
            }
            let signed = SignedReport::sign(&report(facts), &self.signer())
                .and_then(|signed| serde_json::to_value(&signed));
            match signed {
                Ok(signed) => self.store.keep_report(job, &signed).await?,
                Err(error) => tracing::error!(%error, %job, "reports.unwritable"),
            }
        }
        Ok(())
    }
}

fn report(facts: ReportFacts) -> MoveReport {
    let verified = verified(&facts);
    MoveReport {
        format: FORMAT.to_owned(),
        job_id: JobId(facts.job_id),
        artist: ReportedArtist { id: facts.artist_id.into(), name: facts.artist_name },
        from: ReportedServer { id: facts.source_id.into(), name: facts.source_name },
        to: ReportedServer { id: facts.target_id.into(), name: facts.target_name },
        requested_by: facts.requested_by,
        reason: facts.reason,
        queued_at: facts.queued_at,
        started_at: facts.started_at,
        cut_over_at: facts.cut_over_at,
        finished_at: facts.finished_at,
        files: facts.files.unsigned_abs(),
        bytes: facts.bytes.unsigned_abs(),
        manifest: ReportedManifest {
            blake3: facts.manifest_blake3.unwrap_or_default(),
            round: facts.round.unsigned_abs(),
        },
        transfer: Transfer {
            segments: facts.segments.unsigned_abs(),
            retries: facts.retries.unsigned_abs(),
            epoch: facts.epoch.unsigned_abs(),
        },
        verified,
    }
}

/// What every move verifies, in the words of what the workers do.
fn verified(facts: &ReportFacts) -> Vec<Verification> {
    let one = |what: String, how: &str| Verification { what, how: how.to_owned() };
    vec![
        one(
            format!("the pieces ({}) on their way through staging", facts.segments),
            "the target hashed every slice of a file (BLAKE3) before it wrote it, and fetched again \
             what did not fit",
        ),
        one(
            format!(
                "the tree (files: {}, bytes: {}) on the target's disk",
                facts.files, facts.bytes
            ),
            "after the source's writes were frozen, the target read every file back from its disk \
             and compared its size and the BLAKE3 of each slice with the manifest, gave it the \
             manifest's mode and time, flushed the tree and gave it its name",
        ),
        one(
            "the home".to_owned(),
            "changed in one transaction, while the freeze of the source surely held; the old copy \
             was set aside only afterwards",
        ),
    ]
}
