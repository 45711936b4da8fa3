//! The first admin, and what scripts need to sign in.

use crate::{LocalError, Secrets};
use argon2::{Argon2, PasswordHasher, password_hash::SaltString};
use serde::{Deserialize, Serialize};
use std::{fmt, path::Path};
use tourbus_store::{By, NewAccount, Role, Store};
use tourbus_supervisor::files;

/// The first admin's address.
const EMAIL: &str = "admin@tourbus.localhost";

/// What `credentials.json` holds.
#[derive(Clone, Serialize, Deserialize)]
pub struct Credentials {
    /// Base URL of web.
    pub url: String,
    /// The first admin.
    pub admin_email: String,
    /// Its password.
    pub admin_password: String,
    /// A token for the API on its behalf.
    pub api_token: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({} at {})", self.admin_email, self.url)
    }
}

/// Makes the admin and its token if they are missing, and writes `credentials.json`.
pub async fn ensure(
    store: &Store,
    dir: &Path,
    url: &str,
    secrets: &Secrets,
) -> Result<Credentials, LocalError> {
    if store.account_by_email(EMAIL).await?.is_none() {
        let hash = hash(&secrets.admin_password)?;
        let new = NewAccount { email: EMAIL.to_owned(), password_hash: hash, role: Role::Admin };
        let account = store.create_account(&By::named("tourbus up"), new).await?;
        let account = account.map_err(|e| LocalError::Invalid(format!("{EMAIL}: {e}")))?;
        store.ensure_api_token(account, &secrets.api_token, "made by tourbus up").await?;
    }
    let credentials = Credentials {
        url: url.to_owned(),
        admin_email: EMAIL.to_owned(),
        admin_password: secrets.admin_password.clone(),
        api_token: secrets.api_token.clone(),
    };
    files::write_json(&dir.join("credentials.json"), &credentials, 0o600)?;
    Ok(credentials)
}

/// An Argon2id hash in PHC format: it names its own parameters, so whoever verifies needs none.
fn hash(password: &str) -> Result<String, LocalError> {
    let failed = |e: argon2::password_hash::Error| {
        LocalError::Invalid(format!("the admin's password cannot be hashed: {e}"))
    };
    let salt = SaltString::encode_b64(&rand::random::<[u8; 16]>()).map_err(failed)?;
    let hash = Argon2::default().hash_password(password.as_bytes(), &salt).map_err(failed)?;
    Ok(hash.to_string())
}
