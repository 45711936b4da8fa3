//! Passwords: argon2id, at most a few at a time.

use argon2::{
    Argon2, PasswordHash, PasswordHasher, PasswordVerifier,
    password_hash::{SaltString, rand_core::OsRng},
};
use std::sync::LazyLock;
use tokio::sync::Semaphore;

/// Hashes at once: each takes 19 MiB and tens of milliseconds of a core.
const AT_ONCE: usize = 2;

static SLOTS: Semaphore = Semaphore::const_new(AT_ONCE);

/// What an unknown email's password is checked against, so that it takes as long as a known
/// one's.
static DUMMY: LazyLock<Option<String>> = LazyLock::new(|| hash("nobody has this password").ok());

/// A password could not be hashed or checked.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// The hash function refused.
    #[error("the password could not be hashed: {0}")]
    Hash(#[from] argon2::password_hash::Error),
    /// The blocking task was cancelled by a shutdown.
    #[error("the password check was interrupted")]
    Interrupted,
}

/// Hashes a password (argon2id, a random salt, in PHC text form). Blocks for tens of
/// milliseconds.
pub fn hash(password: &str) -> Result<String, PasswordError> {
    let salt = SaltString::generate(&mut OsRng);
    Ok(Argon2::default().hash_password(password.as_bytes(), &salt)?.to_string())
}

/// Whether the password fits the hash. `None` stands for an unknown account: it takes as long,
/// and never fits.
pub async fn verify(password: String, hash: Option<String>) -> Result<bool, PasswordError> {
    let _slot = SLOTS.acquire().await.map_err(|_| PasswordError::Interrupted)?;
    tokio::task::spawn_blocking(move || check(&password, hash.as_deref()))
        .await
        .map_err(|_| PasswordError::Interrupted)?
}

fn check(password: &str, hash: Option<&str>) -> Result<bool, PasswordError> {
    let Some(text) = hash.or(DUMMY.as_deref()) else { return Ok(false) };
    let parsed = PasswordHash::new(text)?;
    let fits = Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok();
    Ok(fits && hash.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_fits() {
        let hashed = hash("correct horse").unwrap();
        assert!(hashed.starts_with("$argon2id$"));
        assert!(verify("correct horse".into(), Some(hashed.clone())).await.unwrap());
        assert!(!verify("battery staple".into(), Some(hashed)).await.unwrap());
        assert!(!verify("nobody has this password".into(), None).await.unwrap());
    }
}
