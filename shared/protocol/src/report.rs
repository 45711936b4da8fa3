//! Move reports: what a move did, and what was verified and how, signed by the master.

use crate::{KeyId, Refused, Signer, sign};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tourbus_domain::{ArtistId, JobId, ServerId};

/// Separates these signatures from any other use of the key.
const DOMAIN: &[u8] = b"tourbus-move-report-v1\0";
/// What a report is called in its own first field.
pub const FORMAT: &str = "tourbus-move-report-v1";

/// What a move did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveReport {
    /// [`FORMAT`].
    pub format: String,
    /// The job.
    pub job_id: JobId,
    /// Who was moved.
    pub artist: ReportedArtist,
    /// From where.
    pub from: ReportedServer,
    /// To where.
    pub to: ReportedServer,
    /// Who asked: an email address; empty for a job without a batch.
    pub requested_by: String,
    /// Why, in that person's words; may be empty.
    pub reason: String,
    /// When it was asked for.
    pub queued_at: DateTime<Utc>,
    /// When a worker began.
    pub started_at: Option<DateTime<Utc>>,
    /// When the new server became the home.
    pub cut_over_at: Option<DateTime<Utc>>,
    /// When the old copy had been set aside.
    pub finished_at: DateTime<Utc>,
    /// Files of the tree.
    pub files: u64,
    /// Bytes of the tree.
    pub bytes: u64,
    /// The list of every file with its hashes, as the source sealed it after writes were frozen.
    pub manifest: ReportedManifest,
    /// How the tree travelled.
    pub transfer: Transfer,
    /// What was verified, in the order in which it was.
    pub verified: Vec<Verification>,
}

/// Who was moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedArtist {
    /// The artist.
    pub id: ArtistId,
    /// The name at that time.
    pub name: String,
}

/// One end of a move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedServer {
    /// The server.
    pub id: ServerId,
    /// The name at that time.
    pub name: String,
}

/// The list of every file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedManifest {
    /// BLAKE3 of the manifest's bytes, hex.
    pub blake3: String,
    /// Which round of syncing sealed it, from 1.
    pub round: u32,
}

/// How the tree travelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Pieces that the tree was sent in, each verified by itself.
    pub segments: u64,
    /// Steps that were tried again.
    pub retries: u64,
    /// The last try's number: of all tries of all steps.
    pub epoch: u64,
}

/// One thing that was verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// What.
    pub what: String,
    /// How.
    pub how: String,
}

/// A report with the master's signature. The report is kept byte for byte, as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedReport {
    /// Which of the master's keys signed it.
    pub key_id: KeyId,
    /// That key, hex. Believe it only if you know it from elsewhere.
    pub public_key: String,
    /// Ed25519 over a prefix and `report`, base64.
    pub signature: String,
    /// A [`MoveReport`], as JSON text.
    pub report: String,
}

impl SignedReport {
    /// Signs a report.
    pub fn sign(report: &MoveReport, signer: &Signer) -> Result<Self, serde_json::Error> {
        let report = serde_json::to_string(report)?;
        let public_key = signer.public_key_hex();
        Ok(Self {
            key_id: KeyId::of_hex(&public_key),
            signature: signer.sign_bytes(DOMAIN, report.as_bytes()),
            public_key,
            report,
        })
    }

    /// Checks the signature by this key (hex); by the report's own if none is given, which proves
    /// no more than that nobody has changed the report since somebody signed it.
    pub fn check(&self, public_key: Option<&str>) -> Result<MoveReport, Refused> {
        let key = public_key.unwrap_or(&self.public_key);
        sign::verify_bytes(DOMAIN, self.report.as_bytes(), &self.signature, key)?;
        let report: MoveReport = serde_json::from_str(&self.report)
            .map_err(|e| Refused::Malformed(format!("the report cannot be read: {e}")))?;
        if report.format != FORMAT {
            let what = format!("the report is of the format {:?}, not {FORMAT:?}", report.format);
            return Err(Refused::Malformed(what));
        }
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> MoveReport {
        let at = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        MoveReport {
            format: FORMAT.to_owned(),
            job_id: JobId::new(),
            artist: ReportedArtist { id: ArtistId::new(), name: "Nova".to_owned() },
            from: ReportedServer { id: ServerId::new(), name: "Main".to_owned() },
            to: ReportedServer { id: ServerId::new(), name: "Two".to_owned() },
            requested_by: "a@b".to_owned(),
            reason: String::new(),
            queued_at: at,
            started_at: Some(at),
            cut_over_at: Some(at),
            finished_at: at,
            files: 3,
            bytes: 5,
            manifest: ReportedManifest { blake3: "00".to_owned(), round: 1 },
            transfer: Transfer { segments: 1, retries: 0, epoch: 5 },
            verified: Vec::new(),
        }
    }

    #[test]
    fn a_report_is_what_was_signed_and_by_whom() {
        let master = Signer::from_bytes(&[7; 32]);
        let signed = SignedReport::sign(&report(), &master).unwrap();
        let key = master.public_key_hex();
        assert_eq!(signed.check(Some(&key)).unwrap().files, 3);
        assert!(signed.check(None).is_ok());

        let stranger = Signer::from_bytes(&[8; 32]).public_key_hex();
        assert_eq!(signed.check(Some(&stranger)), Err(Refused::BadSignature));
        let altered = SignedReport {
            report: signed.report.replace("\"files\":3", "\"files\":4"),
            ..signed.clone()
        };
        assert_ne!(altered.report, signed.report);
        assert_eq!(altered.check(None), Err(Refused::BadSignature));
        assert!(matches!(signed.check(Some("no key")), Err(Refused::Malformed(_))));
    }
}
