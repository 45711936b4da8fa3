//! Passwords: argon2id, a few at a time, on threads of their own.

use argon2::{
    Argon2, PasswordHash, PasswordHasher, PasswordVerifier,
    password_hash::{SaltString, rand_core::OsRng},
};
use std::{sync::LazyLock, time::Duration};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Hashes at once at most: each takes 19 MiB and tens of milliseconds of a core.
const AT_ONCE_MAX: usize = 4;
/// Longest wait for a turn; whoever waits longer is told to try again.
const TURN_TIMEOUT: Duration = Duration::from_secs(8);

/// Half of the cores, so that the other half goes on serving pages however many sign in.
static TURNS: LazyLock<Semaphore> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Semaphore::new((cores / 2).clamp(1, AT_ONCE_MAX))
});

/// What an unknown email's password is checked against, so that it takes as long as a known
/// one's.
static DUMMY: LazyLock<Option<String>> =
    LazyLock::new(|| hash_here("nobody has this password").ok());

/// A password could not be hashed or checked.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// The hash function refused.
    #[error("the password could not be hashed: {0}")]
    Hash(#[from] argon2::password_hash::Error),
    /// So many passwords are being checked that this one did not get its turn.
    #[error("too many passwords are being checked at the moment")]
    Busy,
    /// The blocking task was cancelled by a shutdown.
    #[error("the password check was interrupted")]
    Interrupted,
}

/// Hashes a password (argon2id, a random salt, in PHC text form). Blocks for tens of
/// milliseconds: for the command line and tests; a server uses [`hash`].
pub fn hash_here(password: &str) -> Result<String, PasswordError> {
    let salt = SaltString::generate(&mut OsRng);
    Ok(Argon2::default().hash_password(password.as_bytes(), &salt)?.to_string())
}

/// The same when it is its turn, on a thread that may block.
pub async fn hash(password: String) -> Result<String, PasswordError> {
    let _turn = turn().await?;
    tokio::task::spawn_blocking(move || hash_here(&password))
        .await
        .map_err(|_| PasswordError::Interrupted)?
}

/// Whether the password fits the hash. `None` stands for an unknown account: it takes as long,
/// and never fits.
pub async fn verify(password: String, hash: Option<String>) -> Result<bool, PasswordError> {
    let _turn = turn().await?;
    tokio::task::spawn_blocking(move || check(&password, hash.as_deref()))
        .await
        .map_err(|_| PasswordError::Interrupted)?
}

async fn turn() -> Result<SemaphorePermit<'static>, PasswordError> {
    let turn = tokio::time::timeout(TURN_TIMEOUT, TURNS.acquire()).await;
    turn.map_err(|_| PasswordError::Busy)?.map_err(|_| PasswordError::Interrupted)
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
        let hashed = hash("correct horse".into()).await.unwrap();
        assert!(hashed.starts_with("$argon2id$"));
        assert!(verify("correct horse".into(), Some(hashed.clone())).await.unwrap());
        assert!(!verify("battery staple".into(), Some(hashed)).await.unwrap());
        assert!(!verify("nobody has this password".into(), None).await.unwrap());
    }
}
