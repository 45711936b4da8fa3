//! What a server may be called, and where it may be. Pure, so that the pages, the API and the
//! command line refuse the same with the same words.

use crate::{SLUG_BYTES_MAX, Slug};
use std::net::{IpAddr, Ipv4Addr};
use url::{Host, Position, Url};

/// Longest name of a server, in characters.
pub const SERVER_NAME_CHARS_MAX: usize = 100;
/// Longest URL of a server, in bytes.
pub const SERVER_URL_BYTES_MAX: usize = 300;
/// Longest slug that is made from a name, in bytes: room for a number behind it.
const SLUG_BASE_BYTES_MAX: usize = 40;

/// What the URLs of servers are measured by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The domain that all servers are under.
    pub main_domain: String,
    /// Base URL of the front door.
    pub main_url: String,
    /// Whether plain http is taken beyond this machine.
    pub allow_plain_http: bool,
}

/// What is wrong with something that was typed about a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServerFault {
    /// No name.
    #[error("A server needs a name.")]
    NoName,
    /// A name that no page can show.
    #[error("The name is too long, or has a character that cannot be shown.")]
    BadName,
    /// No IP address.
    #[error("{0:?} is no IP address.")]
    NoIp(String),
    /// An address that no machine has.
    #[error("{0} is an address that no single machine has.")]
    NoMachine(IpAddr),
    /// No URL.
    #[error("{0:?} is no full URL.")]
    NoUrl(String),
    /// Another scheme than http and https.
    #[error("The URL begins with {0}://.")]
    BadScheme(String),
    /// http beyond this machine.
    #[error("{0} is not encrypted: passwords and uploads would travel readable.")]
    PlainHttp(String),
    /// A user or a password.
    #[error("The URL has a user name or a password in it.")]
    UserInfo,
    /// A path, query or fragment.
    #[error("The URL has {0:?} behind the host: a server is a whole host.")]
    HasPath(String),
    /// Another domain.
    #[error(
        "{host} is not {domain} and not under it. A browser sends its sign-in only to {domain} \
         and its subdomains: sessions would not hold on this server."
    )]
    OutsideDomain {
        /// The URL's host.
        host: String,
        /// The main domain.
        domain: String,
    },
    /// The front door's own address.
    #[error("{0} is the address of the main site itself.")]
    MainSite(String),
}

impl ServerFault {
    /// How to mend it.
    pub fn remedy(&self, site: &Site) -> String {
        let example = format!("https://server4.{}", site.main_domain);
        match self {
            Self::NoName => "Give it one that people will know it by.".to_owned(),
            Self::BadName => {
                format!("Use at most {SERVER_NAME_CHARS_MAX} letters, digits, spaces and signs.")
            }
            Self::NoIp(_) => {
                "Write the machine's address, such as 192.0.2.7 or 2001:db8::7.".to_owned()
            }
            Self::NoMachine(_) => "Write the address of the one machine.".to_owned(),
            Self::NoUrl(_) | Self::BadScheme(_) => format!("Write it whole, such as {example}."),
            Self::PlainHttp(_) => "Use https. Only if everything between is yours, say \
                 `allow_plain_http_servers = true` in web's configuration."
                .to_owned(),
            Self::UserInfo => "Leave them out.".to_owned(),
            Self::HasPath(_) => {
                "Leave it out: only https://, the host and, if need be, a port.".to_owned()
            }
            Self::OutsideDomain { domain, .. } => {
                format!("Use a name under {domain}, such as {example}.")
            }
            Self::MainSite(_) => {
                format!("Give the server a name or a port of its own, such as {example}.")
            }
        }
    }

    /// Which part of a server it is about: `name`, `ip` or `url`.
    pub const fn field(&self) -> &'static str {
        match self {
            Self::NoName | Self::BadName => "name",
            Self::NoIp(_) | Self::NoMachine(_) => "ip",
            _ => "url",
        }
    }
}

/// A server's name as it is kept: single spaces, none around it.
pub fn server_name(text: &str) -> Result<String, ServerFault> {
    let name = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if name.is_empty() {
        return Err(ServerFault::NoName);
    }
    let odd = name.chars().any(char::is_control);
    if odd || name.chars().count() > SERVER_NAME_CHARS_MAX {
        return Err(ServerFault::BadName);
    }
    Ok(name)
}

/// A server's address.
pub fn server_ip(text: &str) -> Result<IpAddr, ServerFault> {
    let short: String = text.trim().chars().take(60).collect();
    let ip: IpAddr = text.trim().parse().map_err(|_| ServerFault::NoIp(short))?;
    let broadcast = ip == IpAddr::V4(Ipv4Addr::BROADCAST);
    if ip.is_unspecified() || ip.is_multicast() || broadcast {
        return Err(ServerFault::NoMachine(ip));
    }
    Ok(ip)
}

/// A server's base URL as it is kept: in lower case, without a default port and trailing slash.
/// The master may be at the main site's own address, behind one proxy with it; no other server.
pub fn server_url(text: &str, site: &Site, is_master: bool) -> Result<String, ServerFault> {
    let text = text.trim();
    let no_url = || ServerFault::NoUrl(text.chars().take(SERVER_URL_BYTES_MAX).collect());
    if text.len() > SERVER_URL_BYTES_MAX {
        return Err(no_url());
    }
    let url = Url::parse(text).map_err(|_| no_url())?;
    // `server4.example.org:8082` parses, with the host as its scheme.
    if !text.contains("://") {
        return Err(no_url());
    }
    if !matches!(url.scheme(), "http" | "https") {
        return Err(ServerFault::BadScheme(url.scheme().to_owned()));
    }
    let (Some(host), Some(host_text)) = (url.host(), url.host_str()) else {
        return Err(no_url());
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(ServerFault::UserInfo);
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        let rest = url[Position::BeforePath..].chars().take(60).collect();
        return Err(ServerFault::HasPath(rest));
    }
    let domain = site.main_domain.to_ascii_lowercase();
    if !is_under(&host, &domain) {
        return Err(ServerFault::OutsideDomain { host: host_text.to_owned(), domain });
    }
    let base = url.as_str().trim_end_matches('/').to_owned();
    if url.scheme() == "http" && !site.allow_plain_http && !is_loopback(&host) {
        return Err(ServerFault::PlainHttp(base));
    }
    if !is_master && base == site.main_url.to_ascii_lowercase() {
        return Err(ServerFault::MainSite(base));
    }
    Ok(base)
}

/// The main domain itself, or a subdomain of it. An address has no subdomains.
fn is_under(host: &Host<&str>, domain: &str) -> bool {
    match host {
        Host::Domain(name) => {
            *name == domain || name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
        }
        Host::Ipv4(ip) => ip.to_string() == domain,
        Host::Ipv6(ip) => ip.to_string() == domain.trim_matches(['[', ']']),
    }
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
    }
}

/// Slugs for a server of this name and URL, the best first, without end. A name in another
/// script than ours is called after its host.
pub fn server_slugs(name: &str, url: &str, site: &Site) -> impl Iterator<Item = Slug> + use<> {
    let base = slug_base(name, url, site);
    (1..).filter_map(move |n: u64| {
        let text = if n == 1 { base.clone() } else { format!("{base}-{n}") };
        text.parse().ok()
    })
}

fn slug_base(name: &str, url: &str, site: &Site) -> String {
    let of_name = hyphened(name);
    if name.is_ascii() && !of_name.is_empty() {
        return of_name;
    }
    let host = Url::parse(url).ok().and_then(|u| u.domain().map(str::to_owned));
    let label = host.as_deref().and_then(|h| h.strip_suffix(&site.main_domain.to_lowercase()));
    let of_host = hyphened(label.unwrap_or_default());
    [of_host, of_name].into_iter().find(|s| !s.is_empty()).unwrap_or_else(|| "server".to_owned())
}

/// Letters and digits in lower case, single hyphens between them.
fn hyphened(text: &str) -> String {
    const { assert!(SLUG_BASE_BYTES_MAX < SLUG_BYTES_MAX) };
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty());
    let mut slug = words.collect::<Vec<_>>().join("-").to_ascii_lowercase();
    slug.truncate(SLUG_BASE_BYTES_MAX);
    slug.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(domain: &str) -> Site {
        Site {
            main_domain: domain.to_owned(),
            main_url: format!("https://{domain}"),
            allow_plain_http: false,
        }
    }

    #[test]
    fn a_url_is_a_host_under_the_main_domain() {
        let site = site("example.org");
        let url = |text: &str| server_url(text, &site, false);
        assert_eq!(
            url(" HTTPS://Server4.Example.org:443/ "),
            Ok("https://server4.example.org".into())
        );
        assert_eq!(url("https://a.b.example.org:8443"), Ok("https://a.b.example.org:8443".into()));
        assert_eq!(url("https://example.org:8081"), Ok("https://example.org:8081".into()));
        let fault = |text: &str| url(text).unwrap_err();
        for none in ["", "server4.example.org", "server4.example.org:8082", "https://", "//x"] {
            assert!(matches!(fault(none), ServerFault::NoUrl(_)), "{none}");
        }
        assert_eq!(fault("ftp://a.example.org"), ServerFault::BadScheme("ftp".into()));
        assert!(matches!(fault("http://a.example.org"), ServerFault::PlainHttp(_)));
        assert_eq!(fault("https://me:pw@a.example.org"), ServerFault::UserInfo);
        for (text, rest) in [("/music", "/music"), ("/?a=1", "/?a=1"), ("/#x", "/#x")] {
            let text = format!("https://a.example.org{text}");
            assert_eq!(fault(&text), ServerFault::HasPath(rest.into()));
        }
        for outside in ["https://example.com", "https://badexample.org", "https://192.0.2.7"] {
            assert!(matches!(fault(outside), ServerFault::OutsideDomain { .. }), "{outside}");
        }
        assert_eq!(
            fault("https://example.org/"),
            ServerFault::MainSite("https://example.org".into())
        );
        assert!(server_url("https://example.org", &site, true).is_ok());
    }

    #[test]
    fn plain_http_is_for_this_machine_or_where_a_setting_says_so() {
        let mut local = site("tourbus.localhost");
        assert!(server_url("http://server4.tourbus.localhost:8090", &local, false).is_ok());
        local.main_domain = "127.0.0.1".to_owned();
        assert!(server_url("http://127.0.0.1:8090", &local, false).is_ok());
        let mut open = site("lan.example");
        open.allow_plain_http = true;
        assert!(server_url("http://server4.lan.example", &open, false).is_ok());
    }

    #[test]
    fn the_fault_says_why_and_what_to_write_instead() {
        let site = site("example.org");
        let fault = server_url("https://music.example.com", &site, false).unwrap_err();
        assert!(fault.to_string().contains("sessions would not hold"), "{fault}");
        assert!(fault.remedy(&site).contains("https://server4.example.org"));
        assert_eq!(fault.field(), "url");
    }

    #[test]
    fn addresses_and_names_are_tidied_or_refused() {
        assert_eq!(server_ip(" 192.0.2.7 "), Ok("192.0.2.7".parse().unwrap()));
        assert!(server_ip("::1").is_ok());
        for none in ["", "192.0.2", "example.org", "192.0.2.7/24"] {
            assert_eq!(server_ip(none), Err(ServerFault::NoIp(none.to_owned())), "{none}");
        }
        for nobody in ["0.0.0.0", "::", "255.255.255.255", "224.0.0.1"] {
            assert!(matches!(server_ip(nobody), Err(ServerFault::NoMachine(_))), "{nobody}");
        }
        assert_eq!(server_name("  Hilltop \t House "), Ok("Hilltop House".to_owned()));
        assert_eq!(server_name(" \u{a0} "), Err(ServerFault::NoName));
        assert_eq!(server_name("a\u{0}b"), Err(ServerFault::BadName));
        assert_eq!(server_name(&"é".repeat(101)), Err(ServerFault::BadName));
    }

    #[test]
    fn slugs_come_from_the_name_or_else_from_the_host() {
        let site = site("example.org");
        let first = |name: &str, host: &str| {
            server_slugs(name, &format!("https://{host}"), &site).next().unwrap().to_string()
        };
        assert_eq!(first("Server 4", "x.example.org"), "server-4");
        assert_eq!(first("-- The *Big* One! --", "x.example.org"), "the-big-one");
        assert_eq!(first("Bühne", "buehne.example.org"), "buehne");
        assert_eq!(first("Сцена", "example.org"), "server");
        assert_eq!(first("!!!", "example.org"), "server");
        assert_eq!(first(&"long ".repeat(20), "x.example.org").len(), 39);
        let some: Vec<String> = server_slugs("Server 4", "https://x.example.org", &site)
            .take(3)
            .map(|s| s.to_string())
            .collect();
        assert_eq!(some, ["server-4", "server-4-2", "server-4-3"]);
    }
}
