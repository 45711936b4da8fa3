//! From a delivery to what it tells.

use super::catalogues::CatalogueFrom;
use tourbus_broker::Delivery;
use tourbus_domain::{Slug, TraceParent};
use tourbus_protocol::{Event, EventBody, names};
use tourbus_store::{HeartbeatFrom, InputError, PlaysFrom, StoreError, Teller, Told};

/// A delivery, understood.
pub(super) enum Parsed {
    Heartbeat(HeartbeatFrom),
    /// With the try's span.
    Told(Told, Option<TraceParent>),
    Plays(PlaysFrom),
    Catalogue(CatalogueFrom),
    /// It was published, which is all that it is for.
    Checked,
}

/// Why an event goes to the dead letters.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("not an event: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("the routing key names no server")]
    BadKey,
    #[error("it says that it comes from server {claimed}, but was published as {published}")]
    Forged { claimed: Slug, published: String },
    #[error("{0}")]
    NotApplied(InputError),
    #[error("{0}")]
    PlaysNotApplied(StoreError),
    #[error("{0}")]
    CatalogueNotApplied(StoreError),
}

/// Reads an event, and checks that its sender is who it claims to be: the broker lets a server's
/// user publish under its own routing key only.
pub(super) fn event(delivery: &Delivery) -> Result<Parsed, Refused> {
    read(&delivery.body, &delivery.routing_key)
}

pub(super) fn read(body: &[u8], routing_key: &str) -> Result<Parsed, Refused> {
    let event: Event = serde_json::from_slice(body)?;
    let published = names::server_of_event_key(routing_key).ok_or(Refused::BadKey)?;
    if published != event.server {
        let published = published.to_string();
        return Err(Refused::Forged { claimed: event.server, published });
    }
    let Event { server, worker, body, trace, .. } = event;
    let step = body.step().copied();
    match (body, step) {
        (EventBody::Heartbeat(beat), _) => {
            Ok(Parsed::Heartbeat(HeartbeatFrom { server, worker, beat }))
        }
        (EventBody::Plays { batch, counts }, _) => {
            Ok(Parsed::Plays(PlaysFrom { server, batch, counts }))
        }
        (EventBody::Catalogue(catalogue), _) => {
            Ok(Parsed::Catalogue(CatalogueFrom { server, catalogue }))
        }
        (EventBody::Checked, _) => Ok(Parsed::Checked),
        (body, Some(step)) => match body.into_input() {
            Some(input) => {
                let by = Teller::Server { slug: server, worker };
                Ok(Parsed::Told(Told { job_id: step.job_id, input, by }, trace))
            }
            None => Err(Refused::BadKey),
        },
        (_, None) => Err(Refused::BadKey),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tourbus_domain::Input;

    const JOB: &str = "0195f000-0000-7000-8000-000000000001";

    fn started(server: &str) -> Vec<u8> {
        serde_json::to_vec(&json!({
            "id": JOB, "server": server, "worker": "w", "at": "2026-01-01T00:00:00Z",
            "event": "started",
            "step": { "job_id": JOB, "kind": "export", "seq": 0, "epoch": 3 },
        }))
        .unwrap()
    }

    #[test]
    fn an_event_is_what_its_routing_key_vouches_for() {
        let Ok(Parsed::Told(told, None)) = read(&started("server2"), "server.server2.started")
        else {
            panic!("refused");
        };
        assert!(matches!(told.input, Input::Started(step) if step.epoch == 3));
        let worker = "w".to_owned();
        assert_eq!(told.by, Teller::Server { slug: "server2".parse().unwrap(), worker });
        let forged = read(&started("server2"), "server.server3.started");
        assert!(matches!(forged, Err(Refused::Forged { .. })));
        assert!(matches!(read(&started("server2"), "nonsense"), Err(Refused::BadKey)));
        assert!(matches!(read(b"{", "server.server2.started"), Err(Refused::Malformed(_))));
    }
}
