//! Dead letters: from the broker's queue into the database, each with what is wrong with it, so
//! that a person can find and settle them in the browser. What somebody requeues is taken up here: an
//! order is sent again as a new message, an event is read again.

use crate::{Coordinator, CoordinatorError, events, patience::Patience};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;
use tourbus_broker::{Death, Delivery};
use tourbus_domain::{Lane, Slug, StepRef};
use tourbus_protocol::{Refused, SignedWork, Verifier, Work, names};
use tourbus_store::{DeadLetterRow, NewDeadLetter, StoreError};

/// Letters in hand at most.
const PREFETCH: u16 = 50;
/// Letters after which it is looked how many wait.
const LOOK_AFTER: u32 = 1000;
/// Pause while too many wait, or when one cannot be kept.
const FULL_PAUSE: Duration = Duration::from_secs(30);
/// The fault of a letter of which only the bytes could be kept.
const UNSTORABLE: &str = "unstorable";
/// Longest text about a letter that is kept, in characters.
const TEXT_CHARS_MAX: usize = 1000;
/// Letters taken up again in one round.
const AGAIN_MAX: u32 = 100;
/// Whoever takes letters up claims this.
const AGAIN_CLAIM: &str = "dead-letters";
/// Letters that somebody requeued are looked for this often, even when nobody calls.
const AGAIN_EVERY: Duration = Duration::from_secs(5);
/// Pause before listening anew after an error.
const PAUSE: Duration = Duration::from_secs(1);

impl Coordinator {
    /// Keeps dead letters until the end; not while more wait than anybody will read.
    pub(crate) async fn keep_dead_letters(&self) -> Result<(), CoordinatorError> {
        while !self.shutdown.is_cancelled() {
            match self.store.dead_letters_are_full().await {
                Ok(false) => self.keep_some().await,
                Ok(true) => {
                    tracing::error!("dead_letters.full: the broker keeps the rest");
                    self.pause(FULL_PAUSE).await;
                }
                Err(error) => {
                    tracing::warn!(%error, "dead_letter.database_away");
                    self.pause(PAUSE).await;
                }
            }
        }
        Ok(())
    }

    /// As many as are kept before it is looked again how many wait.
    async fn keep_some(&self) {
        let mut letters = self.broker.consume(names::DEAD_QUEUE, PREFETCH, "coordinator.dead");
        for _ in 0..LOOK_AFTER {
            let letter = tokio::select! {
                () = self.shutdown.cancelled() => break,
                letter = letters.next() => letter,
            };
            let Some(letter) = letter else { break };
            self.keep(letter).await;
        }
        letters.stop().await;
    }

    /// What cannot be kept as it is, is kept as bytes; while the database is away, it stays on the
    /// broker's queue.
    async fn keep(&self, letter: Delivery) {
        let mut new = describe(&letter, &self.public_keys(), Utc::now());
        let mut patience = Patience::new("dead_letter");
        loop {
            match self.store.keep_dead_letter(&new, letter.redelivered).await {
                Ok(true) => {
                    metrics::counter!("tourbus_dead_letters_total", "reason" => new.reason.clone(),
                        "fault" => new.fault)
                    .increment(1);
                    let (queue, reason, fault) = (&new.queue, &new.reason, new.fault);
                    tracing::warn!(queue, reason, fault, "dead_letter.kept");
                    break;
                }
                Ok(false) => break,
                Err(error) if patience.after(&error, self).await => {}
                Err(error) if !error.is_transient() && new.fault != UNSTORABLE => {
                    new = bare(new, &error.to_string());
                }
                Err(error) => {
                    tracing::error!(%error, "dead_letter.not_kept: it stays on the broker's queue");
                    self.pause(FULL_PAUSE).await;
                    return;
                }
            }
        }
        if letter.ack().await.is_err() {
            tracing::debug!("dead_letter.ack_lost: it comes again, and is known then");
        }
    }

    /// Every key that has signed what may still be about.
    fn public_keys(&self) -> Vec<String> {
        match self.keyring.read() {
            Ok(keyring) => keyring.public_keys(),
            Err(error) => {
                tracing::warn!(%error, "dead_letter.keys_unread");
                vec![self.signer().public_key_hex()]
            }
        }
    }

    /// Takes up letters that somebody requeued, until the end.
    pub(crate) async fn read_dead_letters(&self) -> Result<(), CoordinatorError> {
        while !self.shutdown.is_cancelled() {
            let read = tokio::select! {
                () = self.shutdown.cancelled() => break,
                read = self.read_as_told() => read,
            };
            if let Err(error) = read {
                tracing::warn!(%error, "dead_letter.database_away");
                self.pause(PAUSE).await;
            }
        }
        Ok(())
    }

    async fn read_as_told(&self) -> Result<(), StoreError> {
        let mut listener = self.store.listen_dead_letters().await?;
        loop {
            if self.take_some_up().await? {
                continue;
            }
            if let Ok(told) = tokio::time::timeout(AGAIN_EVERY, listener.next()).await {
                told?;
            }
        }
    }

    /// One coordinator at a time: the second to send a step again would find it superseded. Whether
    /// there may be more.
    async fn take_some_up(&self) -> Result<bool, StoreError> {
        let Some(claim) = self.store.claim(AGAIN_CLAIM).await? else { return Ok(false) };
        let letters = self.store.dead_letters_to_read(AGAIN_MAX).await?;
        for letter in &letters {
            let note = self.take_up(letter).await?;
            self.store.dead_letter_taken_up(letter.id, note.as_deref()).await?;
        }
        claim.release().await?;
        Ok(letters.len() >= AGAIN_MAX as usize)
    }

    /// Sends an order again, or applies an event. Returns why it could not be. `Err` only when the
    /// database is away.
    async fn take_up(&self, letter: &DeadLetterRow) -> Result<Option<String>, StoreError> {
        if letter.sort == "work" {
            let sent = self.store.send_dead_letter_again(letter, &self.config.moves).await;
            return match sent {
                Ok(why) => Ok(why.map(str::to_owned)),
                Err(error) if error.is_transient() => Err(error),
                Err(error) => Ok(Some(shown(&error.to_string()))),
            };
        }
        match self.apply_again(&letter.body, &letter.routing_key).await {
            Ok(()) => Ok(None),
            Err(events::Again::Refused(why)) => Ok(Some(shown(&why))),
            Err(events::Again::Away(error)) => Err(error),
        }
    }
}

/// A letter of which the database takes nothing but its bytes.
fn bare(letter: NewDeadLetter, why: &str) -> NewDeadLetter {
    NewDeadLetter {
        fault: UNSTORABLE,
        detail: shown(why),
        routing_key: String::new(),
        kind: None,
        step: None,
        headers: json!({}),
        ..letter
    }
}

/// What is wrong with a letter: a stable name, and words.
struct Fault(&'static str, String);

/// A letter, as far as it can be read.
fn describe(letter: &Delivery, keys: &[String], now: DateTime<Utc>) -> NewDeadLetter {
    let death = letter.deaths.first();
    let queue = death.map(|d| shown(&d.queue)).unwrap_or_default();
    let reason = death.map_or_else(|| "unknown".to_owned(), |d| shown(&d.reason));
    let lane = lane_of(&queue);
    let is_work = queue != names::EVENTS_QUEUE;
    // The broker keeps the key that it was published with; what a header says of it, the publisher
    // may have written.
    let routing_key = letter.routing_key.clone();
    let read = if is_work {
        read_work(&letter.body, lane.as_ref().map(|(server, _)| server), keys, now)
    } else {
        read_event(&letter.body, &routing_key)
    };
    let Read { kind, step, fault } = read;
    let Fault(fault, detail) = fault.unwrap_or_else(|| nothing_wrong(&reason, is_work));
    // Whoever can publish may write what no column takes: the body alone is kept as it is.
    let (kind, detail, routing_key) =
        (kind.map(|k| shown(&k)), shown(&detail), shown(&routing_key));
    let died_at = death.and_then(|d| DateTime::from_timestamp(d.at_s.cast_signed(), 0));
    NewDeadLetter {
        fingerprint: fingerprint(letter, death),
        died_at: died_at.filter(|at| at.timestamp() > 0).unwrap_or(now),
        queue,
        server_slug: lane.as_ref().map(|(server, _)| server.to_string()),
        lane: lane.as_ref().map(|(_, lane)| lane.to_string()),
        reason,
        fault,
        detail,
        routing_key,
        is_work,
        kind,
        step,
        headers: headers(letter),
        body: letter.body.clone(),
    }
}

/// A text that a column takes: of bounded length, without a NUL.
fn shown(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).map(|c| if c == '\0' { '\u{fffd}' } else { c }).collect()
}

/// The server and the lane of a lane's queue.
fn lane_of(queue: &str) -> Option<(Slug, Lane)> {
    let (server, lane) = queue.strip_prefix(names::LANE_PREFIX)?.split_once('.')?;
    Some((server.parse().ok()?, lane.parse().ok()?))
}

/// What can be read of a message, and what is wrong with it.
#[derive(Default)]
struct Read {
    kind: Option<String>,
    step: Option<StepRef>,
    fault: Option<Fault>,
}

fn read_work(body: &[u8], server: Option<&Slug>, keys: &[String], now: DateTime<Utc>) -> Read {
    // What it says it is; whether that is true, the signature tells.
    let said = serde_json::from_slice::<SignedWork>(body)
        .ok()
        .and_then(|signed| serde_json::from_str::<Work>(&signed.work).ok());
    let checked = match server {
        Some(server) => Verifier::new(server.clone(), keys).and_then(|v| v.check(body, now)),
        None => Err(Refused::Malformed("the broker does not say whose lane it was on".to_owned())),
    };
    let fault = checked.err().map(|refused| {
        let name = match &refused {
            Refused::Malformed(_) => "malformed",
            Refused::UnknownKey(_) => "unknown_key",
            Refused::BadSignature => "bad_signature",
            Refused::OtherServer(_) => "other_server",
            Refused::Expired(_) => "expired",
            Refused::NotYet(_) => "not_yet",
            Refused::UnknownOrder(_) => "unknown_order",
        };
        Fault(name, refused.to_string())
    });
    // Nobody vouches for what is not signed: it names no job of ours.
    let forged = fault.as_ref().is_some_and(|Fault(name, _)| {
        matches!(*name, "malformed" | "unknown_key" | "bad_signature")
    });
    let step = said.as_ref().filter(|_| !forged).map(Work::step_ref);
    Read { kind: said.map(|w| w.key.kind.to_string()), step, fault }
}

fn read_event(body: &[u8], routing_key: &str) -> Read {
    let event = serde_json::from_slice::<Value>(body).ok();
    let kind = event.as_ref().and_then(|e| e["event"].as_str()).map(str::to_owned);
    let step = event.and_then(|e| serde_json::from_value(e["step"].clone()).ok());
    let fault = events::fault(body, routing_key).map(|(name, why)| Fault(name, why));
    Read { kind, step, fault }
}

/// The message itself is sound.
fn nothing_wrong(reason: &str, is_work: bool) -> Fault {
    match (reason, is_work) {
        ("delivery_limit", true) => Fault(
            "kills_its_worker",
            "the message is sound, but was handed back until the broker had enough: each worker \
             that took it may have died of it"
                .to_owned(),
        ),
        ("delivery_limit", false) => Fault(
            "never_applied",
            "the event is sound, but was handed back until the broker had enough".to_owned(),
        ),
        (_, true) => Fault(
            "refused_by_worker",
            "the message is sound as far as the master can see; the log of that server's workers \
             says why they refused it"
                .to_owned(),
        ),
        (_, false) => Fault(
            "not_applied",
            "the event is sound, but could not be applied; the coordinator's log says why"
                .to_owned(),
        ),
    }
}

fn headers(letter: &Delivery) -> Value {
    let death = |d: &Death| {
        json!({
            "queue": shown(&d.queue), "reason": shown(&d.reason), "count": d.count,
            "time": d.at_s,
        })
    };
    json!({
        "x-death": letter.deaths.iter().map(death).collect::<Vec<_>>(),
        "message_id": letter.message_id.as_deref().map(shown),
        "user_id": letter.user_id.as_deref().map(shown),
    })
}

fn fingerprint(letter: &Delivery, death: Option<&Death>) -> Vec<u8> {
    let mut hash = Sha256::new();
    let (queue, at_s) = death.map_or(("", 0), |d| (&*d.queue, d.at_s));
    for part in [queue.as_bytes(), b"\0", &at_s.to_be_bytes()] {
        hash.update(part);
    }
    hash.update(letter.message_id.as_deref().unwrap_or_default());
    hash.update(b"\0");
    hash.update(&letter.body);
    hash.finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Duration as Span;
    use tourbus_domain::{JobId, StepKey, StepKind};
    use tourbus_protocol::{Order, Signer};
    use uuid::Uuid;

    fn body(signer: &Signer, expires_in_s: i64) -> (Vec<u8>, StepRef) {
        let now = Utc::now();
        let work = Work {
            id: Uuid::now_v7(),
            server: "server2".parse().unwrap(),
            job_id: JobId::new(),
            key: StepKey { kind: StepKind::Export, seq: 0 },
            epoch: 3,
            floor: 0,
            issued_at: now - Span::hours(1),
            expires_at: now + Span::seconds(expires_in_s),
            order: Order::VoidV1,
            trace: None,
        };
        (signer.sign(&work).unwrap(), work.step_ref())
    }

    #[test]
    fn a_lane_is_read_from_the_name_of_its_queue() {
        let (server, lane) = lane_of("tourbus.lane.server2.lofi-bulk").unwrap();
        assert_eq!((server.as_str(), lane), ("server2", Lane::LofiBulk));
        assert!(lane_of("tourbus.events").is_none());
    }

    #[test]
    fn what_no_column_takes_is_shown_as_something_else() {
        let body = br#"{"event":"a\u0000b","step":7}"#;
        let it = read_event(body, "server.server2.started");
        assert_eq!(it.kind.as_deref(), Some("a\0b"));
        assert_eq!(shown(&it.kind.unwrap()), "a\u{fffd}b");
        assert_eq!(shown(&"x".repeat(5000)).len(), TEXT_CHARS_MAX);
    }

    #[test]
    fn only_what_is_signed_names_a_job() {
        let ours = Signer::from_bytes(&[7; 32]);
        let keys = [ours.public_key_hex()];
        let server: Slug = "server2".parse().unwrap();
        let read = |body: &[u8]| read_work(body, Some(&server), &keys, Utc::now());
        let name = |read: &Read| read.fault.as_ref().map(|f| f.0);

        let (sound, step) = body(&ours, 60);
        let it = read(&sound);
        assert_eq!((name(&it), it.step, it.kind.as_deref()), (None, Some(step), Some("export")));
        let (late, step) = body(&ours, -60);
        let it = read(&late);
        assert_eq!((name(&it), it.step), (Some("expired"), Some(step)));
        let (forged, _) = body(&Signer::from_bytes(&[8; 32]), 60);
        let it = read(&forged);
        assert_eq!((name(&it), it.step), (Some("unknown_key"), None));
        assert_eq!(name(&read(b"{")), Some("malformed"));
    }
}
