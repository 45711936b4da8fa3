//! What a process sends and takes over the network, and what of it may be unencrypted.
//!
//! Beyond this machine everything is encrypted, unless `allow_unencrypted` names it.

use crate::{
    BrokerConfig, ClientTlsConfig, ManagementConfig, NoPlace, StagingConfig, TelemetryConfig,
    TlsConfig,
    place::{self, BrokerPlace},
};
use serde::{Deserialize, Serialize};
use std::{fmt, net::SocketAddr};

/// A way over the network, as `allow_unencrypted` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// AMQP to the broker: orders, events, the broker user's password.
    Broker,
    /// S3 to the staging store: artists' files.
    Staging,
    /// HTTP to the broker's management API: its administrator's password.
    Management,
    /// HTTP to the master: passwords, sessions, enrolment tokens, reports.
    MainUrl,
    /// HTTP to a cluster server: sessions, uploads, what listeners hear.
    ServerUrl,
    /// The listener of web, media or the embedded staging server itself.
    Listen,
    /// The listener of health and metrics.
    Health,
    /// OTLP to the collector: what was done when, and for which request.
    Otlp,
    /// HTTP to webhooks: what is told of the cluster.
    Webhooks,
}

impl Way {
    /// Every way.
    pub const ALL: [Self; 9] = [
        Self::Broker,
        Self::Staging,
        Self::Management,
        Self::MainUrl,
        Self::ServerUrl,
        Self::Listen,
        Self::Health,
        Self::Otlp,
        Self::Webhooks,
    ];

    /// Its name in `allow_unencrypted`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Broker => "broker",
            Self::Staging => "staging",
            Self::Management => "management",
            Self::MainUrl => "main_url",
            Self::ServerUrl => "server_url",
            Self::Listen => "listen",
            Self::Health => "health",
            Self::Otlp => "otlp",
            Self::Webhooks => "webhooks",
        }
    }

    const fn encrypted(self) -> &'static str {
        match self {
            Self::Broker => "use amqps://",
            Self::Staging
            | Self::Management
            | Self::MainUrl
            | Self::ServerUrl
            | Self::Otlp
            | Self::Webhooks => "use https://",
            Self::Listen => "set [tls], or listen on loopback behind a proxy that speaks TLS",
            Self::Health => "listen on loopback",
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Way {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = || Self::ALL.map(Self::as_str).join(", ");
        let found = Self::ALL.into_iter().find(|way| way.as_str() == text);
        found.ok_or_else(|| format!("{text:?} is none of {}", all()))
    }
}

/// A configuration whose ways over the network are looked at before it is used.
pub trait Ways {
    /// Looks at every way.
    fn look(&self, inspection: &mut Inspection);

    /// What may be unencrypted beyond this machine.
    fn allow_unencrypted(&self) -> &[Way];

    /// How a person allows a way.
    fn how_to_allow(&self, way: Way) -> String {
        format!("say allow_unencrypted = [\"{way}\"] (docs/deploying.md)")
    }
}

/// What is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WayFault {
    /// The way that would be unencrypted; none for anything else that is wrong.
    pub way: Option<Way>,
    /// What is wrong, with the setting.
    pub cause: String,
    /// How to mend it; empty if the cause says it.
    pub remedy: String,
}

impl fmt::Display for WayFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)?;
        if self.remedy.is_empty() {
            return Ok(());
        }
        write!(f, ". {}", self.remedy)
    }
}

/// Collects what must not be.
#[derive(Debug, Default)]
pub struct Inspection {
    faults: Vec<WayFault>,
}

impl Inspection {
    /// What is wrong with a configuration, in lines; none when nothing is.
    pub fn of(config: &impl Ways) -> Option<String> {
        let wrong: Vec<String> = Self::faults(config).iter().map(ToString::to_string).collect();
        (!wrong.is_empty()).then(|| wrong.join("\n"))
    }

    /// The same, one by one.
    pub fn faults(config: &impl Ways) -> Vec<WayFault> {
        let mut inspection = Self::default();
        config.look(&mut inspection);
        let allowed = config.allow_unencrypted();
        let mut faults = inspection.faults;
        faults.retain(|fault| fault.way.is_none_or(|way| !allowed.contains(&way)));
        for fault in &mut faults {
            if let Some(way) = fault.way {
                fault.remedy = format!(
                    "{}; or, on a network that nobody else can reach, {}",
                    sentence(way.encrypted()),
                    config.how_to_allow(way)
                );
            }
        }
        faults
    }

    /// The broker.
    pub fn broker(&mut self, setting: &str, config: &BrokerConfig) {
        self.broker_address(&format!("{setting}.address"), &config.address);
        let tls = BrokerPlace::parse(&config.address).is_ok_and(|place| place.tls);
        self.tls(&format!("{setting}.tls"), &config.tls, tls);
    }

    /// A broker's address.
    pub fn broker_address(&mut self, setting: &str, address: &str) {
        match BrokerPlace::parse(address) {
            Err(error) => self.wrong(setting, &error),
            Ok(place) if place.is_readable() => {
                self.readable(Way::Broker, setting, &place.to_string());
            }
            Ok(_) => {}
        }
    }

    /// The staging bucket.
    pub fn staging(&mut self, setting: &str, config: &StagingConfig) {
        self.url(Way::Staging, &format!("{setting}.endpoint"), &config.endpoint);
        let tls = place::is_https(&config.endpoint).is_ok_and(|tls| tls);
        self.tls(&format!("{setting}.tls"), &config.tls, tls);
        if config.tls.certificate.is_some() {
            self.other(format!("{setting}.tls.certificate: no store asks for one; take it out"));
        }
    }

    /// The broker's management API.
    pub fn management(&mut self, setting: &str, config: &ManagementConfig) {
        self.url(Way::Management, &format!("{setting}.url"), &config.url);
        let tls = place::is_https(&config.url).is_ok_and(|tls| tls);
        self.tls(&format!("{setting}.tls"), &config.tls, tls);
    }

    /// The collector of spans.
    pub fn telemetry(&mut self, config: &TelemetryConfig) {
        let endpoint = config.otlp_endpoint.as_deref();
        if let Some(url) = endpoint {
            self.url(Way::Otlp, "telemetry.otlp_endpoint", url);
        }
        let tls = endpoint.is_some_and(|url| place::is_https(url).is_ok_and(|tls| tls));
        self.tls("telemetry.otlp_tls", &config.otlp_tls, tls);
    }

    /// A base URL.
    pub fn url(&mut self, way: Way, setting: &str, url: &str) {
        match place::is_readable(url) {
            Err(error) => self.wrong(setting, &error),
            Ok(true) => self.readable(way, setting, url),
            Ok(false) => {}
        }
    }

    /// A listener.
    pub fn listener(
        &mut self,
        way: Way,
        setting: &str,
        listen: SocketAddr,
        tls: Option<&TlsConfig>,
    ) {
        if tls.is_none() && !listen.ip().to_canonical().is_loopback() {
            self.readable(way, setting, &listen.to_string());
        }
    }

    /// Settings of TLS to somewhere.
    pub fn tls(&mut self, setting: &str, config: &ClientTlsConfig, used: bool) {
        if let Some(text) = config.contradiction() {
            self.other(format!("{setting} {text}"));
        }
        if !used && !config.is_default() {
            self.other(format!(
                "{setting} is set, but the address beside it does not say amqps:// or https://: \
                 correct the address, or take {setting} out"
            ));
        }
    }

    fn wrong(&mut self, setting: &str, error: &NoPlace) {
        self.other(format!("{setting}: {error}"));
    }

    fn other(&mut self, cause: String) {
        self.faults.push(WayFault { way: None, cause, remedy: String::new() });
    }

    fn readable(&mut self, way: Way, setting: &str, place: &str) {
        let cause =
            format!("{setting} is {place}: what goes over it could be read and changed on its way");
        self.faults.push(WayFault { way: Some(way), cause, remedy: String::new() });
    }
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
