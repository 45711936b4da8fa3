//! What of a joined server would go over the network unencrypted. It is refused before anything is
//! kept, unless the person here has said that it may.

use crate::{JoinedError, configs, home::Joined};
use tourbus_config::{Inspection, TlsConfig, Way, Ways, is_https};
use tourbus_protocol::agent::Settings;

/// The way to the master, before it is asked.
pub(crate) fn look_at_master(master: &str, allowed: &[Way]) -> Result<(), JoinedError> {
    refuse(Inspection::of(&Master { url: master, allowed }))
}

/// Every way of a server that joins.
pub(crate) fn look(joined: &Joined, settings: &Settings) -> Result<(), JoinedError> {
    let url = &joined.server.url;
    let meant = joined.listen.ip().is_loopback()
        || joined.tls.is_some()
        || joined.allow_unencrypted.contains(&Way::Listen);
    if is_https(url).is_ok_and(|https| https) && !meant {
        return Err(JoinedError::Invalid(format!(
            "the server's URL is {url}, and the media service has no certificate: give it one with \
             --certificate FILE --key FILE, or let it listen behind a proxy that speaks TLS with \
             --listen 127.0.0.1:PORT"
        )));
    }
    refuse(Inspection::of(&Server { joined, settings }))
}

fn refuse(wrong: Option<String>) -> Result<(), JoinedError> {
    wrong.map_or(Ok(()), |text| Err(JoinedError::Readable(text)))
}

struct Master<'a> {
    url: &'a str,
    allowed: &'a [Way],
}

impl Ways for Master<'_> {
    fn look(&self, inspection: &mut Inspection) {
        inspection.url(Way::MainUrl, "--master", self.url);
    }

    fn allow_unencrypted(&self) -> &[Way] {
        self.allowed
    }

    fn how_to_allow(&self, way: Way) -> String {
        how_to_allow(way)
    }
}

struct Server<'a> {
    joined: &'a Joined,
    settings: &'a Settings,
}

impl Ways for Server<'_> {
    fn look(&self, inspection: &mut Inspection) {
        let Self { joined, settings } = self;
        inspection.url(Way::MainUrl, "the master's URL", &settings.main_url);
        let broker = configs::broker_place(joined, settings);
        inspection.broker_address("the broker's address", &broker.address);
        inspection.url(Way::Staging, "the staging endpoint", &settings.staging.endpoint);
        inspection.url(Way::ServerUrl, "this server's URL", &joined.server.url);
        let tls = joined.tls.clone();
        let tls = tls.map(|f| TlsConfig { certificate: f.certificate, key: f.key });
        inspection.listener(Way::Listen, "--listen", joined.listen, tls.as_ref());
    }

    fn allow_unencrypted(&self) -> &[Way] {
        &self.joined.allow_unencrypted
    }

    fn how_to_allow(&self, way: Way) -> String {
        how_to_allow(way)
    }
}

fn how_to_allow(way: Way) -> String {
    format!("run this again with --allow-unencrypted {way} (several: parted by commas)")
}
