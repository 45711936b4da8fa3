//! Where a request comes from.

use crate::{app::App, problem::Problem};
use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{Extensions, HeaderMap, request::Parts},
};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use tourbus_config::Network;

/// The header in which a proxy names whom it speaks for.
const FORWARDED: &str = "x-forwarded-for";
/// Addresses of that header that are looked at, from the right.
const HOPS_MAX: usize = 16;

/// The client's address: the peer's, unless the peer is a trusted proxy. Then the header is read
/// from the right, where the nearest proxy writes, as far as trusted proxies wrote it: what stands
/// further left may be anybody's invention.
pub fn client_address(extensions: &Extensions, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>().map(|c| c.0.ip());
    let mut nearest = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)).to_canonical();
    let believed = |address: IpAddr| trusted.iter().any(|n| n.holds(address));
    // Several headers are one list, the last header at its end.
    let headers: Vec<&str> =
        headers.get_all(FORWARDED).iter().filter_map(|v| v.to_str().ok()).collect();
    let hops = headers.iter().rev().flat_map(|v| v.rsplit(',')).map(str::trim).take(HOPS_MAX);
    for hop in hops {
        if !believed(nearest) {
            break;
        }
        match hop.parse::<IpAddr>() {
            Ok(address) => nearest = address.to_canonical(),
            Err(_) => break,
        }
    }
    nearest
}

/// The client's address, as [`client_address`] has it.
#[derive(Debug, Clone, Copy)]
pub struct Client(pub IpAddr);

impl FromRequestParts<App> for Client {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let trusted = &app.config.trusted_proxies;
        Ok(Self(client_address(&parts.extensions, &parts.headers, trusted)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 1)));
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED, value.parse().unwrap());
        }
        let trusted: Vec<Network> = trusted.iter().map(|n| n.parse().unwrap()).collect();
        client_address(&extensions, &headers, &trusted).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        assert_eq!(address("192.0.2.1", &["203.0.113.9"], &[]), "192.0.2.1");
        assert_eq!(address("192.0.2.1", &["203.0.113.9"], &["10.0.0.0/8"]), "192.0.2.1");
        assert_eq!(address("10.0.0.1", &["203.0.113.9"], &["10.0.0.0/8"]), "203.0.113.9");
        assert_eq!(address("10.0.0.1", &[], &["10.0.0.0/8"]), "10.0.0.1");
        assert_eq!(address("::ffff:10.0.0.1", &["203.0.113.9"], &["10.0.0.1"]), "203.0.113.9");
    }

    #[test]
    fn what_the_client_invents_is_not_believed() {
        let proxies = ["10.0.0.0/8"];
        assert_eq!(address("10.0.0.1", &["1.1.1.1, 203.0.113.9"], &proxies), "203.0.113.9");
        assert_eq!(address("10.0.0.1", &["1.1.1.1", "203.0.113.9"], &proxies), "203.0.113.9");
        assert_eq!(address("10.0.0.1", &["203.0.113.9, 10.0.0.2"], &proxies), "203.0.113.9");
        assert_eq!(address("10.0.0.1", &["203.0.113.9, junk"], &proxies), "10.0.0.1");
    }
}
