//! HTTP clients from one server to another: limits, no redirects, names under `localhost`.
//!
//! Every browser resolves `*.localhost` to its own machine; the C library does not. So the local
//! stack's names are resolved here.

pub mod forwarded;

use reqwest::{Client, Url, redirect::Policy};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

/// Longest wait for a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no client for a URL.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// It is no URL of a server.
    #[error("{0:?} is no URL of a server: it begins with http:// or https:// and names a host")]
    NoUrl(String),
    /// The client cannot be built.
    #[error("the HTTP client cannot be built: {0}")]
    Build(#[from] reqwest::Error),
}

/// A client for one server, by its base URL. It follows no redirects and knows no proxy; each
/// request ends after `timeout`. With `ip`, the server is reached there, under the URL's name.
pub fn client(
    base_url: &str,
    ip: Option<IpAddr>,
    timeout: Duration,
) -> Result<Client, ClientError> {
    let no_url = || ClientError::NoUrl(base_url.to_owned());
    let url = Url::parse(base_url).map_err(|_| no_url())?;
    let host = url.host_str().ok_or_else(no_url)?;
    let port = url.port_or_known_default().ok_or_else(no_url)?;
    let mut builder = Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(timeout);
    let loopback = is_localhost(host).then_some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    if let Some(ip) = ip.or(loopback) {
        builder = builder.resolve(host, SocketAddr::new(ip, port));
    }
    Ok(builder.build()?)
}

/// Whether a host name means this machine, whatever the name service says (RFC 6761).
pub fn is_localhost(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost")
}

/// Whether secrets may travel to this URL: it is https, or this machine.
pub fn may_carry_secrets(base_url: &str) -> bool {
    Url::parse(base_url).is_ok_and(|url| {
        let host = url.host_str().unwrap_or_default();
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
        url.scheme() == "https"
            || is_localhost(host)
            || address.is_ok_and(|address| address.is_loopback())
    })
}

/// What went wrong with a request, in one line, without the URL.
pub fn why(error: reqwest::Error) -> String {
    let error = error.without_url();
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    // The innermost cause says what happened; what is around it says that something did.
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_travel_encrypted_or_not_at_all_beyond_this_machine() {
        for yes in [
            "https://community.example",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "http://tourbus.localhost:8080",
            "http://LOCALHOST",
        ] {
            assert!(may_carry_secrets(yes), "{yes}");
        }
        for no in ["http://community.example", "http://10.0.0.1", "http://localhost.example", ""] {
            assert!(!may_carry_secrets(no), "{no}");
        }
    }

    #[test]
    fn what_is_no_url_is_named() {
        for bad in ["", "community.example", "mailto:a@b"] {
            assert!(client(bad, None, CONNECT_TIMEOUT).is_err(), "{bad}");
        }
    }
}
