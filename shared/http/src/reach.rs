//! Which addresses somebody else's URL may lead to: public ones, and those that a person allows.
//! The address that was looked at is the one that is connected to, so a name that changes its
//! meaning in between leads nowhere else.

use reqwest::Url;
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};
use tourbus_config::{Network, is_localhost};

/// Longest wait for the name service.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a URL is not asked.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// It is no URL of a server.
    #[error("it is no URL that begins with http:// or https:// and names a host")]
    NoUrl,
    /// The name service knows nothing of it, or does not answer.
    #[error("the name {host} is not found: {why}")]
    NoAddress {
        /// The host.
        host: String,
        /// What the name service says.
        why: String,
    },
    /// It leads to this machine, to a private network, or to nobody's.
    #[error("{host} is at {address}, which is no public address")]
    Private {
        /// The host.
        host: String,
        /// One of its addresses.
        address: IpAddr,
    },
}

/// The address at which a URL may be asked: the first that is public, or in one of `allowed`.
pub async fn address(url: &str, allowed: &[Network]) -> Result<IpAddr, Unreachable> {
    let url = Url::parse(url).map_err(|_| Unreachable::NoUrl)?;
    let host = url.host_str().ok_or(Unreachable::NoUrl)?;
    let port = url.port_or_known_default().ok_or(Unreachable::NoUrl)?;
    let found = addresses(host, port).await.map_err(|error| Unreachable::NoAddress {
        host: host.to_owned(),
        why: error.to_string(),
    })?;
    let may = |ip: &IpAddr| is_public(*ip) || allowed.iter().any(|n| n.holds(*ip));
    match (found.iter().find(|ip| may(ip)), found.first()) {
        (Some(ip), _) => Ok(*ip),
        (None, Some(ip)) => Err(Unreachable::Private { host: host.to_owned(), address: *ip }),
        (None, None) => Err(Unreachable::NoAddress {
            host: host.to_owned(),
            why: "it has no address".to_owned(),
        }),
    }
}

async fn addresses(host: &str, port: u16) -> io::Result<Vec<IpAddr>> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok(vec![ip]);
    }
    if is_localhost(host) {
        return Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]);
    }
    let looked_up = tokio::time::timeout(RESOLVE_TIMEOUT, tokio::net::lookup_host((bare, port)));
    let found = looked_up.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    Ok(found.map(|at| at.ip()).collect())
}

/// Whether an address is one of the public internet's: no machine's own, no private network's, no
/// group's, none that stands for another one.
pub fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

const fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || a == 0
        // Shared between a provider and its customers (RFC 6598).
        || (a == 100 && b & 0xc0 == 64)
        // Protocol assignments (RFC 6890).
        || (a == 192 && b == 0 && c == 0)
        // Relays from IPv6, given up (RFC 7526).
        || (a == 192 && b == 88 && c == 99)
        // Benchmarks (RFC 2544).
        || (a == 198 && b & 0xfe == 18)
        // Groups, and what was never given out.
        || a >= 224;
    !special
}

/// Only what is given out (`2000::/3`), without what is in it for special use: among it addresses
/// that hold an IPv4 address, which may be a private one.
const fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, ..] = ip.segments();
    let special =
        (a == 0x2001 && (b < 0x0200 || b == 0x0db8)) || a == 0x2002 || (a == 0x3fff && b < 0x1000);
    a & 0xe000 == 0x2000 && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_public() {
        for public in ["1.1.1.1", "8.8.8.8", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for other in [
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "0.1.2.3",
            "100.64.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
            "::127.0.0.1",
        ] {
            assert!(!is_public(other.parse().unwrap()), "{other}");
        }
    }

    #[tokio::test]
    async fn a_private_address_must_be_allowed_however_it_is_written() {
        let loopback = ["127.0.0.0/8".parse().unwrap()];
        for url in [
            "http://127.0.0.1:9/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://localhost/",
            "http://a.localhost./",
            "http://[::ffff:127.0.0.1]/",
        ] {
            let refused = address(url, &[]).await;
            assert!(matches!(refused, Err(Unreachable::Private { .. })), "{url}: {refused:?}");
            assert!(address(url, &loopback).await.is_ok(), "{url}");
        }
        let public = address("https://1.1.1.1/", &[]).await.unwrap();
        assert_eq!(public, IpAddr::V4(Ipv4Addr::new(1, 1, 1, 1)));
        assert!(matches!(address("mailto:a@b", &[]).await, Err(Unreachable::NoUrl)));
    }
}
