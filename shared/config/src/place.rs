//! Where something is reached: whether the way there is encrypted, and whether it leaves this
//! machine.

use std::{fmt, net::IpAddr};
use url::{Host, Url};

/// The port of plain AMQP, where none is named.
const AMQP_PORT: u16 = 5672;
/// The same by TLS.
const AMQPS_PORT: u16 = 5671;

/// Where a broker is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerPlace {
    /// Whether by TLS.
    pub tls: bool,
    /// Name or address; an IPv6 address without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// A text that is no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPlace {
    /// It is no address of a broker.
    #[error(
        "{0:?} is no address of a broker: it is host:port, amqp://host:port or amqps://host:port"
    )]
    Broker(String),
    /// It is no base URL.
    #[error("{0:?} is no base URL: it begins with http:// or https:// and names a host")]
    Url(String),
}

impl BrokerPlace {
    /// From `amqps://host:port`, `amqp://host:port`, or `host:port`, which is plain.
    pub fn parse(address: &str) -> Result<Self, NoPlace> {
        let no_place = || NoPlace::Broker(address.to_owned());
        let (tls, rest) = match address.split_once("://") {
            None => (false, address),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("amqp") => (false, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("amqps") => (true, rest),
            Some(_) => return Err(no_place()),
        };
        let rest = rest.trim_end_matches('/');
        // User, password and virtual host have settings of their own.
        if rest.contains(['/', '@', '?', '#']) || rest.chars().any(char::is_whitespace) {
            return Err(no_place());
        }
        let named = address.contains("://");
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| no_place())?)
            }
            _ if named => (rest, if tls { AMQPS_PORT } else { AMQP_PORT }),
            _ => return Err(no_place()),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || port == 0 {
            return Err(no_place());
        }
        Ok(Self { tls, host: host.to_owned(), port })
    }

    /// Whether what is sent there can be read on its way.
    pub fn is_readable(&self) -> bool {
        !self.tls && !is_this_machine(&self.host)
    }
}

impl fmt::Display for BrokerPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "amqps" } else { "amqp" };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

/// Whether a URL is https; it must be a base URL.
pub fn is_https(base_url: &str) -> Result<bool, NoPlace> {
    let no_url = || NoPlace::Url(base_url.to_owned());
    let url = Url::parse(base_url).map_err(|_| no_url())?;
    match (url.scheme(), url.host()) {
        ("https", Some(_)) => Ok(true),
        ("http", Some(_)) => Ok(false),
        _ => Err(no_url()),
    }
}

/// Whether what is sent to a base URL can be read on its way: it is neither https nor this machine.
pub fn is_readable(base_url: &str) -> Result<bool, NoPlace> {
    let tls = is_https(base_url)?;
    let url = Url::parse(base_url).map_err(|_| NoPlace::Url(base_url.to_owned()))?;
    let here = match url.host() {
        Some(Host::Domain(name)) => is_localhost(name),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).to_canonical().is_loopback(),
        None => false,
    };
    Ok(!tls && !here)
}

fn is_this_machine(host: &str) -> bool {
    let ip = host.parse::<IpAddr>();
    is_localhost(host) || ip.is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// Whether a host name means this machine, whatever the name service says (RFC 6761).
pub fn is_localhost(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(address: &str) -> String {
        BrokerPlace::parse(address).map_or_else(|e| e.to_string(), |p| p.to_string())
    }

    #[test]
    fn a_broker_is_plain_unless_it_says_amqps() {
        assert_eq!(place("localhost:5672"), "amqp://localhost:5672");
        assert_eq!(place("amqp://rabbit"), "amqp://rabbit:5672");
        assert_eq!(place("amqps://rabbit.example"), "amqps://rabbit.example:5671");
        assert_eq!(place("amqps://rabbit.example:99/"), "amqps://rabbit.example:99");
        assert_eq!(place("[::1]:1"), "amqp://[::1]:1");
        assert_eq!(place("amqps://[2001:db8::7]"), "amqps://[2001:db8::7]:5671");
    }

    #[test]
    fn what_is_no_broker_is_named() {
        let wrong = [
            "",
            "localhost",
            ":5672",
            "rabbit:x",
            "rabbit:0",
            "http://rabbit:1",
            "amqps://",
            "amqp://user:pass@rabbit:1",
            "amqps://rabbit:1/vhost",
            "a b:1",
        ];
        for wrong in wrong {
            assert!(place(wrong).contains("no address of a broker"), "{wrong}");
        }
    }

    #[test]
    fn only_what_leaves_this_machine_unencrypted_is_readable() {
        for here in [
            "https://community.example",
            "http://127.0.0.1:8080",
            "http://127.9.9.9",
            "http://[::1]:8080",
            "http://[::ffff:127.0.0.1]:8080",
            "http://tourbus.localhost:8080",
            "http://LOCALHOST",
        ] {
            assert_eq!(is_readable(here), Ok(false), "{here}");
        }
        for beyond in [
            "http://community.example",
            "http://10.0.0.1",
            "http://localhost.example",
            "http://notlocalhost",
            "http://0.0.0.0:1",
        ] {
            assert_eq!(is_readable(beyond), Ok(true), "{beyond}");
        }
        for none in ["", "community.example", "mailto:a@b", "ftp://a"] {
            assert!(is_readable(none).is_err(), "{none}");
        }
        let broker = |address| BrokerPlace::parse(address).unwrap().is_readable();
        assert!(broker("rabbit:5672") && broker("amqp://10.0.0.1:1"));
        assert!(!broker("amqps://rabbit:1") && !broker("[::1]:1") && !broker("a.localhost:1"));
    }
}
