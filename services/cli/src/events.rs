//! The master's live events, read as they come; broken connections go on where they were.

use crate::{client::Api, error::CliError};
use reqwest::Response;
use serde_json::Value;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

/// The master sends a comment every 15 s. After this much silence the connection is dead.
const SILENCE_MAX: Duration = Duration::from_secs(40);
/// Longest event that is kept, in bytes.
const EVENT_BYTES_MAX: usize = 64 << 20;

/// Something that was told.
#[derive(Debug, PartialEq)]
pub enum Told {
    /// What changed: `{batch, jobs}`.
    Change(Value),
    /// Some changes were missed: read anew.
    Resync,
}

/// Splits a stream into events.
#[derive(Debug, Default)]
struct Parser {
    /// Bytes of the event that is not whole yet.
    bytes: Vec<u8>,
    /// The position of the last event.
    last: Option<String>,
}

impl Parser {
    fn push(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() > EVENT_BYTES_MAX {
            return Err(CliError::Failed("the master's events have no end".to_owned()));
        }
        Ok(())
    }

    /// The next whole event that means something here.
    fn next(&mut self) -> Result<Option<Told>, CliError> {
        while let Some(end) = self.bytes.windows(2).position(|w| w == b"\n\n") {
            let block: Vec<u8> = self.bytes.drain(..end + 2).collect();
            let block = String::from_utf8_lossy(&block);
            let (mut name, mut data) = ("", Vec::new());
            for line in block.lines() {
                let (field, value) = line.split_once(':').unwrap_or((line, ""));
                let value = value.strip_prefix(' ').unwrap_or(value);
                match field {
                    "id" => self.last = Some(value.to_owned()),
                    "event" => name = value,
                    "data" => data.push(value),
                    // Comments, which keep the connection alive, and how long to wait.
                    _ => {}
                }
            }
            match name {
                "change" => {
                    let change = serde_json::from_str(&data.join("\n")).map_err(|e| {
                        CliError::Failed(format!("an event of the master is no JSON: {e}"))
                    })?;
                    return Ok(Some(Told::Change(change)));
                }
                "resync" => return Ok(Some(Told::Resync)),
                _ => {}
            }
        }
        Ok(None)
    }
}

/// The events of one batch.
pub struct Events {
    path: String,
    /// The connection, and when something last came from it.
    open: Option<(Response, Instant)>,
    parser: Parser,
}

impl Events {
    /// Of this batch; not opened yet.
    pub fn new(batch: Uuid) -> Self {
        let path = format!("/events?batch_id={batch}");
        Self { path, open: None, parser: Parser::default() }
    }

    /// The next event. A fresh connection that cannot go on where the last one was says
    /// [`Told::Resync`]. After an error it may be asked again: that connects anew. It may be dropped
    /// while it waits.
    pub async fn next(&mut self, api: &Api) -> Result<Told, CliError> {
        loop {
            if let Some(told) = self.parser.next()? {
                return Ok(told);
            }
            let Some((open, heard)) = &mut self.open else {
                let fresh = self.parser.last.is_none();
                let opened = api.stream(&self.path, self.parser.last.as_deref()).await?;
                self.open = Some((opened, Instant::now()));
                if fresh {
                    return Ok(Told::Resync);
                }
                continue;
            };
            // Counted from the last sign of life: whoever waits here may give up sooner, and ask again.
            match timeout_at(*heard + SILENCE_MAX, open.chunk()).await {
                Ok(Ok(Some(bytes))) => {
                    *heard = Instant::now();
                    self.parser.push(&bytes)?;
                }
                // Half an event is told again.
                Ok(Ok(None)) => {
                    self.broken();
                    return Err(api.hung_up());
                }
                // It fell silent: once more.
                Err(_) => self.broken(),
                Ok(Err(error)) => {
                    self.broken();
                    return Err(api.away(error));
                }
            }
        }
    }

    fn broken(&mut self) {
        self.open = None;
        self.parser.bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events_are_whole_however_they_arrive() {
        let text = ": \n\nid: ab-1\nevent: change\ndata: {\"batch\":\ndata: 1}\n\n\
                    id: ab-2\nevent: other\ndata: x\n\nevent: resync\nid:ab-3\nretry: 2000\ndata: {}\n\n";
        for size in [1, 7, text.len()] {
            let mut parser = Parser::default();
            let mut told = Vec::new();
            for bytes in text.as_bytes().chunks(size) {
                parser.push(bytes).unwrap();
                while let Some(event) = parser.next().unwrap() {
                    told.push(event);
                }
            }
            assert_eq!(told, [Told::Change(json!({ "batch": 1 })), Told::Resync], "{size}");
            assert_eq!(parser.last.as_deref(), Some("ab-3"));
        }
    }

    #[test]
    fn what_is_no_event_is_refused() {
        let mut parser = Parser::default();
        parser.push(b"event: change\ndata: {\n\n").unwrap();
        assert!(parser.next().is_err());
    }
}
