//! Accepting connections for web and media: plain, or TLS by rustls.
//!
//! Certificate and key are read again when their files change; connections that stand are not
//! touched. A change that cannot be used is told, and the certificate before it goes on.

mod certificate;
mod listener;
mod stream;

pub use certificate::TlsError;
pub use listener::Listener;
pub use stream::Stream;
