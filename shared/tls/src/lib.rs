//! TLS, by rustls and ring: the only crate that knows them.
//!
//! - [`Listener`] accepts connections for web, media and the embedded staging server: plain, or
//!   TLS. Certificate and key are read again when their files change; connections that stand are
//!   not touched. A change that cannot be used is told, and the certificate before it goes on.
//! - [`connect`] makes one; [`client_config`] is for libraries that make their own. Whom we
//!   believe is a private authority, if one is named, and nobody else; or whom the machine
//!   believes. The file that names one is read again when it changes.
//! - [`Fault`] says what is wrong with a certificate, out of any library's error.

mod certificate;
mod client;
mod fault;
mod files;
mod following;
mod listener;
mod stream;

pub use client::{Made, authorities, ca_file, client_config, client_config_for_nobody, connect};
pub use fault::Fault;
pub use files::{Stamp, TlsError};
pub use listener::Listener;
pub use stream::Stream;
