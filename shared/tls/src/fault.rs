//! What is wrong with a certificate, or with the other side, in words.

use crate::TlsError;
use chrono::{DateTime, SecondsFormat, Utc};
use rustls::{AlertDescription, CertificateError, pki_types::UnixTime};
use std::{error::Error, fmt, io};

/// Why a connection by TLS was not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Nobody whom we believe vouches for the other side's certificate.
    UnknownAuthority,
    /// The other side shows an authority's certificate, or one that vouches for itself.
    OwnAuthority,
    /// Its certificate is past its time.
    Expired {
        /// Since when.
        since: Option<String>,
    },
    /// Its certificate is not valid yet.
    NotYetValid {
        /// From when on.
        from: Option<String>,
    },
    /// Its certificate is for other names.
    WrongName {
        /// The name that we asked for.
        expected: Option<String>,
        /// The names that it is for.
        presented: Vec<String>,
    },
    /// Its certificate was revoked.
    Revoked,
    /// What answers does not speak TLS.
    NotTls,
    /// It asks for a certificate of ours.
    CertificateWanted,
    /// It does not take our certificate.
    CertificateRefused {
        /// Why, in its words.
        why: String,
    },
    /// Our own files cannot be used.
    Own {
        /// Which, and why.
        why: String,
    },
    /// Anything else.
    Other {
        /// As rustls tells it.
        why: String,
    },
}

impl Fault {
    /// Finds what TLS has against a connection in an error of any library; none if it is about
    /// something else.
    pub fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref::<rustls::Error>() {
                return Some(Self::of_rustls(found));
            }
            if let Some(own) = error.downcast_ref::<TlsError>() {
                return Some(Self::Own { why: own.to_string() });
            }
            // An `io::Error` names the cause of what it holds as its own, and hides what it holds.
            let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            next = held.map(|e| e as &(dyn Error + 'static)).or_else(|| error.source());
        }
        None
    }

    fn of_rustls(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(error) => Self::of_certificate(error),
            rustls::Error::AlertReceived(alert) => Self::of_alert(*alert),
            rustls::Error::InvalidMessage(_) => Self::NotTls,
            other => Self::Other { why: other.to_string() },
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::UnknownIssuer => Self::UnknownAuthority,
            CertificateError::Expired => Self::Expired { since: None },
            CertificateError::ExpiredContext { not_after, .. } => {
                Self::Expired { since: day(*not_after) }
            }
            CertificateError::NotValidYet => Self::NotYetValid { from: None },
            CertificateError::NotValidYetContext { not_before, .. } => {
                Self::NotYetValid { from: day(*not_before) }
            }
            CertificateError::NotValidForName => {
                Self::WrongName { expected: None, presented: Vec::new() }
            }
            CertificateError::NotValidForNameContext { expected, presented } => Self::WrongName {
                expected: Some(expected.to_str().into_owned()),
                presented: presented.iter().map(|name| plain(name)).collect(),
            },
            CertificateError::Revoked => Self::Revoked,
            CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
                Self::OwnAuthority
            }
            other => Self::Other { why: other.to_string() },
        }
    }

    fn of_alert(alert: AlertDescription) -> Self {
        match alert {
            // TLS 1.2 has no word of its own for a certificate that is missing.
            AlertDescription::CertificateRequired | AlertDescription::HandshakeFailure => {
                Self::CertificateWanted
            }
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied => Self::CertificateRefused { why: words(alert) },
            other => Self::Other { why: format!("it ended the handshake: {}", words(other)) },
        }
    }

    /// How to mend it. `ca` is the setting that names a private authority's certificate, `own`
    /// the section with our own.
    pub fn remedy(&self, ca: &str, own: &str) -> String {
        match self {
            Self::UnknownAuthority => format!(
                "If an authority of your own vouches for it, name that authority's certificate in \
                 {ca}; else somebody may stand between"
            ),
            Self::OwnAuthority => "Give the other side a certificate of its own, which the \
                                   authority vouches for: not the authority's"
                .to_owned(),
            Self::Expired { .. } | Self::Revoked => "Renew the certificate there".to_owned(),
            Self::NotYetValid { .. } => {
                "Set both machines' clocks by the network, or wait".to_owned()
            }
            Self::WrongName { .. } => "Reach it by a name that its certificate is for, or give it \
                                       a certificate for this name"
                .to_owned(),
            Self::NotTls => "Name the port that speaks TLS (RabbitMQ's is 5671), or turn TLS on \
                             there"
                .to_owned(),
            Self::CertificateWanted => format!(
                "Give this side a certificate that it believes: certificate and key in {own}"
            ),
            Self::CertificateRefused { .. } => format!(
                "Let an authority that it believes vouch for the certificate in {own}, and renew \
                 it in time"
            ),
            Self::Own { .. } => format!("Correct {own}"),
            Self::Other { .. } => "Look into the log of the other side".to_owned(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownAuthority => {
                f.write_str("no authority that is believed here vouches for its certificate")
            }
            Self::OwnAuthority => f.write_str(
                "it shows the certificate of an authority, or one that vouches for itself",
            ),
            Self::Expired { since } => {
                write!(f, "its certificate has expired{}", dated("on", since.as_deref()))
            }
            Self::NotYetValid { from } => {
                write!(f, "its certificate is not valid yet{}", dated("before", from.as_deref()))
            }
            Self::WrongName { expected, presented } => {
                match expected {
                    Some(name) => write!(f, "its certificate is not for {name}")?,
                    None => f.write_str("its certificate is for another name")?,
                }
                if presented.is_empty() {
                    return Ok(());
                }
                write!(f, ", but for {}", presented.join(", "))
            }
            Self::Revoked => f.write_str("its certificate was revoked"),
            Self::NotTls => f.write_str("what answers there does not speak TLS"),
            Self::CertificateWanted => f.write_str("it lets in only those who show a certificate"),
            Self::CertificateRefused { why } => {
                write!(f, "it does not take the certificate that was shown to it ({why})")
            }
            Self::Own { why } | Self::Other { why } => f.write_str(why),
        }
    }
}

fn dated(word: &str, day: Option<&str>) -> String {
    day.map(|day| format!(" ({word} {day})")).unwrap_or_default()
}

fn day(time: UnixTime) -> Option<String> {
    let time = DateTime::<Utc>::from_timestamp(i64::try_from(time.as_secs()).ok()?, 0)?;
    Some(time.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// `DnsName("a.example")` as `a.example`.
fn plain(name: &str) -> String {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"').to_owned()
}

/// `UnknownCA` as `unknown ca`.
fn words(alert: AlertDescription) -> String {
    let name = format!("{alert:?}");
    let mut text = String::new();
    let mut before = '_';
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && before.is_ascii_lowercase() {
            text.push(' ');
        }
        text.push(letter.to_ascii_lowercase());
        before = letter;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_in_whatever_holds_it() {
        let inner = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let error = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, inner));
        assert_eq!(Fault::of(&error), Some(Fault::UnknownAuthority));
        assert_eq!(Fault::of(&io::Error::from(io::ErrorKind::ConnectionRefused)), None);
        let alert = rustls::Error::AlertReceived(AlertDescription::UnknownCA);
        let refused = Fault::of(&alert).unwrap().to_string();
        assert_eq!(refused, "it does not take the certificate that was shown to it (unknown ca)");
    }

    #[test]
    fn names_are_told_plainly() {
        assert_eq!(plain("DnsName(\"a.example\")"), "a.example");
        assert_eq!(plain("a.example"), "a.example");
        assert_eq!(words(AlertDescription::CertificateRequired), "certificate required");
    }
}
