//! The schema, carried in the binary.

use crate::{Store, StoreError};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations");

impl Store {
    /// Brings the schema up to date. Several processes may call it at once: the first does the
    /// work, the others wait.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        MIGRATIONS.run(self.pool()).await?;
        Ok(())
    }
}
