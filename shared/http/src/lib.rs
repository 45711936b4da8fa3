//! HTTP clients from one server to another: limits, no redirects, TLS, names under `localhost`.
//!
//! Every browser resolves `*.localhost` to its own machine; the C library does not. So the local
//! stack's names are resolved here.
//!
//! Every client of the project is made here: reqwest has no TLS of its own in this build, and
//! panics when it is asked for a client without ours.

pub mod forwarded;
pub mod reach;

use reqwest::{Client, ClientBuilder, Url, redirect::Policy};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};
use tourbus_config::{ClientTlsConfig, is_https, is_localhost};
use tourbus_tls::{Fault, TlsError};

/// Longest wait for a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no client for a URL.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// It is no URL of a server.
    #[error("{0:?} is no URL of a server: it begins with http:// or https:// and names a host")]
    NoUrl(String),
    /// Certificates that it needs cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The client cannot be built.
    #[error("the HTTP client cannot be built: {0}")]
    Build(#[from] reqwest::Error),
}

/// A client for one server, by its base URL. It follows no redirects and knows no proxy; each
/// request ends after `timeout`. With `ip`, the server is reached there, under the URL's name.
/// The files of `tls` are read now, if the URL is https.
pub fn client(
    base_url: &str,
    ip: Option<IpAddr>,
    timeout: Duration,
    tls: &ClientTlsConfig,
) -> Result<Client, ClientError> {
    let no_url = || ClientError::NoUrl(base_url.to_owned());
    let url = Url::parse(base_url).map_err(|_| no_url())?;
    let host = url.host_str().ok_or_else(no_url)?;
    let port = url.port_or_known_default().ok_or_else(no_url)?;
    let tls = if is_https(base_url).map_err(|_| no_url())? {
        tourbus_tls::client_config(tls)?
    } else {
        tourbus_tls::client_config_for_nobody()?
    };
    let mut builder = limited(tls).timeout(timeout);
    let loopback = is_localhost(host).then_some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    if let Some(ip) = ip.or(loopback) {
        builder = builder.resolve(host, SocketAddr::new(ip, port));
    }
    Ok(builder.build()?)
}

/// What a client for plain http to any address is built from: for tests, and for the local stack.
/// By https it believes nobody.
pub fn plain() -> Result<ClientBuilder, TlsError> {
    Ok(limited(tourbus_tls::client_config_for_nobody()?))
}

#[allow(clippy::disallowed_methods, reason = "this is the replacement")]
fn limited(tls: impl std::any::Any) -> ClientBuilder {
    Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
}

/// What went wrong with a request, in one line, without the URL.
pub fn why(error: reqwest::Error) -> String {
    let error = error.without_url();
    if let Some(fault) = Fault::of(&error) {
        return fault.to_string();
    }
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
    fn what_is_no_url_is_named() {
        for bad in ["", "community.example", "mailto:a@b"] {
            assert!(
                client(bad, None, CONNECT_TIMEOUT, &ClientTlsConfig::default()).is_err(),
                "{bad}"
            );
        }
    }
}
