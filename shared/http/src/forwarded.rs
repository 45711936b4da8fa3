//! Where a request comes from, behind proxies.

use std::net::IpAddr;

/// The header in which a proxy names whom it speaks for.
pub const FORWARDED: &str = "x-forwarded-for";
/// Addresses of that header that are looked at, from the right.
const HOPS_MAX: usize = 16;

/// The client's address: the peer's, unless the peer is a trusted proxy. Then the header is read
/// from the right, where the nearest proxy writes, as far as trusted proxies wrote it: what stands
/// further left may be anybody's invention. `headers`: the header's values in their order, for
/// several are one list.
pub fn client_address<'a>(
    peer: IpAddr,
    headers: impl DoubleEndedIterator<Item = &'a str>,
    trusted: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let mut nearest = peer.to_canonical();
    let hops = headers.rev().flat_map(|v| v.rsplit(',')).map(str::trim).take(HOPS_MAX);
    for hop in hops {
        if !trusted(nearest) {
            break;
        }
        match hop.parse::<IpAddr>() {
            Ok(address) => nearest = address.to_canonical(),
            Err(_) => break,
        }
    }
    nearest
}
