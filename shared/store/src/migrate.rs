//! The schema, carried in the binary.

use crate::{Store, StoreError, tries::Tries};
use sqlx::{migrate::MigrateError, postgres::PgPoolOptions};

/// A database that a newer version has migrated is fine: migrations expand before they
/// contract, so that the version before goes on serving.
static MIGRATIONS: sqlx::migrate::Migrator =
    sqlx::migrate::Migrator { ignore_missing: true, ..sqlx::migrate!("../../migrations") };

impl Store {
    /// Brings the schema up to date. Several processes may call it at once: the first does the
    /// work, the others wait. One that loses against who serves meanwhile is tried again.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let mut tries = Tries::of_request();
        loop {
            match self.migrate_once().await {
                Ok(()) => return Ok(()),
                Err(error) => tries.again(error).await?,
            }
        }
    }

    /// On a connection of its own: an index on a large table takes longer than a question may, and
    /// who comes second waits as long as the first needs.
    async fn migrate_once(&self) -> Result<(), StoreError> {
        let patient = [("statement_timeout", "0"), ("lock_timeout", "0")];
        let options = self.pool().connect_options().as_ref().clone().options(patient);
        let own = PgPoolOptions::new().max_connections(1).connect_with(options).await?;
        let done = MIGRATIONS.run(&own).await;
        own.close().await;
        done.map_err(|error| match error {
            MigrateError::Execute(e) | MigrateError::ExecuteMigration(e, _)
                if is_contention(&e) =>
            {
                StoreError::Contention(e)
            }
            other => other.into(),
        })
    }
}

/// 40P01 deadlock, 40001 serialization.
fn is_contention(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code.starts_with("40"))
}
