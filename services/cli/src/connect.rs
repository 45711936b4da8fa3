//! Which master, with which token.

use crate::{args::Access, error::CliError};
use secrecy::SecretString;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use tourbus_config::{ClientTlsConfig, Way, is_readable};

/// The token; only from the environment, where other users cannot see it.
pub const TOKEN: &str = "TOURBUS_API_TOKEN";
/// Where the local stack keeps everything.
const DATA_DIR: &str = "TOURBUS_DATA_DIR";
/// The same without the variable.
const DATA_DIR_DEFAULT: &str = ".data";
/// What the local stack writes there.
const CREDENTIALS: &str = "credentials.json";

/// What the environment says.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// [`TOKEN`], if it is set to something.
    pub token: Option<SecretString>,
    /// `TOURBUS_DATA_DIR`, likewise; `.data` without it.
    pub data_dir: Option<PathBuf>,
}

impl Surroundings {
    /// Of this process.
    pub fn here() -> Self {
        let set = |name| std::env::var(name).ok().filter(|v| !v.trim().is_empty());
        Self {
            token: set(TOKEN).map(|t| t.trim().to_owned().into()),
            data_dir: set(DATA_DIR).map(PathBuf::from),
        }
    }
}

/// The way to a master.
#[derive(Debug)]
pub struct Master {
    /// Its base URL, without a trailing slash.
    pub url: String,
    /// What it is asked with.
    pub token: SecretString,
    /// Which certificates are believed.
    pub tls: ClientTlsConfig,
}

/// The part of a credentials file that matters here.
#[derive(Debug, Deserialize)]
struct Credentials {
    url: String,
    api_token: SecretString,
}

fn read(path: &Path) -> Result<Credentials, CliError> {
    let shown = path.display();
    let text = std::fs::read(path)
        .map_err(|e| CliError::Usage(format!("cannot read the credentials file {shown}: {e}")))?;
    serde_json::from_slice(&text).map_err(|e| {
        CliError::Usage(format!(
            "{shown} is no credentials file, which is JSON with url and api_token: {e}"
        ))
    })
}

/// The file that is named, or the local stack's, if it is there.
fn credentials(access: &Access, around: &Surroundings) -> Result<Option<Credentials>, CliError> {
    if let Some(named) = &access.credentials {
        return read(named).map(Some);
    }
    let dir = around.data_dir.clone().unwrap_or_else(|| DATA_DIR_DEFAULT.into());
    let path = dir.join(CREDENTIALS);
    // Where both are given otherwise, a file that others own is not looked at.
    let needed = access.url.is_none() || around.token.is_none();
    if needed && path.exists() { read(&path).map(Some) } else { Ok(None) }
}

fn same(a: &str, b: &str) -> bool {
    a.trim_end_matches('/').eq_ignore_ascii_case(b.trim_end_matches('/'))
}

/// Finds the master. A token of a file goes to the master that this file names, and to no other.
pub fn find(access: &Access, around: Surroundings) -> Result<Master, CliError> {
    let file = credentials(access, &around)?;
    let named = access.url.clone().filter(|u| !u.is_empty());
    let Some(url) = named.or_else(|| file.as_ref().map(|f| f.url.clone())) else {
        return Err(CliError::Usage(format!(
            "no master is named: give --url, or set TOURBUS_URL; for a local stack run this where \
             its {DATA_DIR_DEFAULT} is, or set {DATA_DIR}"
        )));
    };
    let url = url.trim_end_matches('/').to_owned();
    let readable = is_readable(&url).map_err(|e| CliError::Usage(e.to_string()))?;
    if readable && !access.allow_unencrypted.contains(&Way::MainUrl) {
        return Err(CliError::Usage(format!(
            "{url} is not encrypted: the token could be read on its way. Use https://; or, on a \
             network that nobody else can reach, say --allow-unencrypted {}",
            Way::MainUrl.as_str()
        )));
    }
    let tls = ClientTlsConfig { ca_file: access.ca.clone(), ..ClientTlsConfig::default() };
    let token = match (around.token, file) {
        (Some(token), _) => token,
        (None, Some(file)) if same(&file.url, &url) => file.api_token,
        (None, Some(file)) => {
            return Err(CliError::SignedOut(format!(
                "the credentials file is for {}, not for {url}: set {TOKEN}",
                file.url
            )));
        }
        (None, None) => {
            return Err(CliError::SignedOut(format!(
                "{TOKEN} is not set. Make a token on your account's page of {url}, and put it into \
                 the environment or into a credentials file"
            )));
        }
    };
    Ok(Master { url, token, tls })
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    fn stack(dir: &Path) -> Surroundings {
        let text = r#"{"url": "http://tourbus.localhost:8080", "admin_email": "a@b", "api_token": "secret"}"#;
        std::fs::write(dir.join(CREDENTIALS), text).unwrap();
        Surroundings { token: None, data_dir: Some(dir.to_owned()) }
    }

    fn at(url: &str) -> Access {
        Access { url: Some(url.to_owned()), ..Access::default() }
    }

    #[test]
    fn the_local_stack_is_found_by_itself() {
        let dir = tempfile::tempdir().unwrap();
        let master = find(&Access::default(), stack(dir.path())).unwrap();
        assert_eq!(master.url, "http://tourbus.localhost:8080");
        assert_eq!(master.token.expose_secret(), "secret");
        let own = Surroundings { token: Some("mine".to_owned().into()), ..stack(dir.path()) };
        assert_eq!(find(&Access::default(), own).unwrap().token.expose_secret(), "mine");
    }

    #[test]
    fn a_token_goes_to_no_other_master() {
        let dir = tempfile::tempdir().unwrap();
        let error = find(&at("https://other.example"), stack(dir.path())).unwrap_err();
        assert_eq!(error.code(), 4, "{error}");
        let again = find(&at("http://tourbus.localhost:8080/"), stack(dir.path())).unwrap();
        assert_eq!(again.token.expose_secret(), "secret");
    }

    #[test]
    fn what_is_missing_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let nothing = || Surroundings { token: None, data_dir: Some(dir.path().to_owned()) };
        let error = find(&Access::default(), nothing()).unwrap_err();
        assert!(error.code() == 2 && error.to_string().contains("--url"), "{error}");
        let error = find(&at("https://community.example"), nothing()).unwrap_err();
        assert!(error.code() == 4 && error.to_string().contains(TOKEN), "{error}");
        let none = Access { credentials: Some(dir.path().join("none")), ..Access::default() };
        assert_eq!(find(&none, nothing()).unwrap_err().code(), 2);
        std::fs::write(dir.path().join(CREDENTIALS), "{}").unwrap();
        assert_eq!(find(&Access::default(), nothing()).unwrap_err().code(), 2);
        assert_eq!(find(&at("community.example"), nothing()).unwrap_err().code(), 2);
    }

    #[test]
    fn a_token_is_not_shown_to_everybody_on_the_way() {
        let around = || Surroundings { token: Some("mine".to_owned().into()), data_dir: None };
        let error = find(&at("http://192.0.2.7"), around()).unwrap_err();
        assert!(error.to_string().contains("--allow-unencrypted main_url"), "{error}");
        let allowed = Access { allow_unencrypted: vec![Way::MainUrl], ..at("http://192.0.2.7") };
        assert!(find(&allowed, around()).is_ok());
        assert!(find(&at("http://127.0.0.1:8080"), around()).is_ok());
    }
}
