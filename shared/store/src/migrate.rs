//! The schema, carried in the binary.

use crate::{Store, StoreError};

/// A database that a newer version has migrated is fine: migrations expand before they
/// contract, so that the version before goes on serving.
static MIGRATIONS: sqlx::migrate::Migrator =
    sqlx::migrate::Migrator { ignore_missing: true, ..sqlx::migrate!("../../migrations") };

impl Store {
    /// Brings the schema up to date. Several processes may call it at once: the first does the
    /// work, the others wait.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        MIGRATIONS.run(self.pool()).await?;
        Ok(())
    }
}
