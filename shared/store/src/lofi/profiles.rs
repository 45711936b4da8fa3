//! The admins' own profiles, and who converts by which.

use crate::{Action, By, Deed, Store, StoreError, audit};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::FromRow;
use tourbus_domain::ArtistId;

/// An admin's own profile.
#[derive(Debug, Clone, FromRow)]
pub struct LofiProfileRow {
    /// Its name.
    pub name: String,
    /// What it says, as the conversion reads it.
    pub spec: Value,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// Why nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// Songs have renditions by a profile of this name that was deleted.
    #[error("songs have renditions by a profile of this name that was deleted")]
    Remembered,
    /// There is one of this name.
    #[error("there is a profile of this name already")]
    Taken,
    /// There is none of this name.
    #[error("there is no profile of this name")]
    Unknown,
    /// The cluster, or an artist, converts by it.
    #[error("it is in use")]
    InUse,
    /// There is no such artist.
    #[error("there is no such artist")]
    UnknownArtist,
}

impl Store {
    /// The admins' own profiles, by name.
    pub async fn lofi_profiles(&self) -> Result<Vec<LofiProfileRow>, StoreError> {
        let rows = sqlx::query_as(
            "SELECT name, spec, created_by, created_at FROM lofi_profiles ORDER BY name",
        )
        .fetch_all(self.pool())
        .await?;
        Ok(rows)
    }

    /// Which profiles artists have as their own choice, and how many of them.
    pub async fn lofi_profiles_chosen(&self) -> Result<Vec<(String, i64)>, StoreError> {
        let rows = sqlx::query_as(
            "SELECT lofi_profile, count(*) FROM artists WHERE lofi_profile IS NOT NULL
             GROUP BY lofi_profile",
        )
        .fetch_all(self.pool())
        .await?;
        Ok(rows)
    }

    /// Adds a profile. Its name must be none of the built-in ones'.
    pub async fn create_lofi_profile(
        &self,
        by: &By,
        name: &str,
        spec: &Value,
    ) -> Result<Result<(), ProfileError>, StoreError> {
        let mut tx = self.pool().begin().await?;
        // A name says what was made by it, also after its profile was deleted.
        let remembered: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM songs WHERE lofi->>'profile' = $1)
                 OR EXISTS (SELECT FROM jobs WHERE kind = 'lofi' AND params->>'profile' = $1
                     AND state NOT IN ('succeeded', 'failed', 'cancelled', 'stuck'))",
        )
        .bind(name)
        .fetch_one(&mut *tx)
        .await?;
        if remembered {
            return Ok(Err(ProfileError::Remembered));
        }
        let made = sqlx::query(
            "INSERT INTO lofi_profiles (name, spec, created_by) VALUES ($1, $2, $3)
             ON CONFLICT DO NOTHING",
        )
        .bind(name)
        .bind(spec)
        .bind(&by.actor)
        .execute(&mut *tx)
        .await?;
        if made.rows_affected() == 0 {
            return Ok(Err(ProfileError::Taken));
        }
        let deed = Deed::done(by, Action::ProfileCreate, format!("lofi_profile:{name}"));
        audit::record(&mut tx, &[deed.detail(spec.clone())]).await?;
        tx.commit().await?;
        Ok(Ok(()))
    }

    /// Deletes a profile that nobody converts by. Songs that were made by it stay as they are.
    pub async fn delete_lofi_profile(
        &self,
        by: &By,
        name: &str,
    ) -> Result<Result<(), ProfileError>, StoreError> {
        let mut tx = self.pool().begin().await?;
        // Whoever is just choosing it holds its row.
        let found: Option<String> =
            sqlx::query_scalar("SELECT name FROM lofi_profiles WHERE name = $1 FOR UPDATE")
                .bind(name)
                .fetch_optional(&mut *tx)
                .await?;
        if found.is_none() {
            return Ok(Err(ProfileError::Unknown));
        }
        let used: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM cluster_settings WHERE lofi_profile = $1)
                 OR EXISTS (SELECT FROM artists WHERE lofi_profile = $1)",
        )
        .bind(name)
        .fetch_one(&mut *tx)
        .await?;
        if used {
            return Ok(Err(ProfileError::InUse));
        }
        sqlx::query("DELETE FROM lofi_profiles WHERE name = $1")
            .bind(name)
            .execute(&mut *tx)
            .await?;
        let deed = Deed::done(by, Action::ProfileDelete, format!("lofi_profile:{name}"));
        audit::record(&mut tx, &[deed]).await?;
        tx.commit().await?;
        Ok(Ok(()))
    }

    /// By which profile the cluster's songs are converted from now on. `built_in` says whether
    /// the name is one of those.
    pub async fn set_lofi_profile(
        &self,
        by: &By,
        name: &str,
        built_in: bool,
    ) -> Result<Result<(), ProfileError>, StoreError> {
        let mut tx = self.pool().begin().await?;
        if !built_in && !hold(&mut tx, name).await? {
            return Ok(Err(ProfileError::Unknown));
        }
        let was: String =
            sqlx::query_scalar("SELECT lofi_profile FROM cluster_settings FOR UPDATE")
                .fetch_one(&mut *tx)
                .await?;
        if was == name {
            return Ok(Ok(()));
        }
        sqlx::query("UPDATE cluster_settings SET lofi_profile = $1")
            .bind(name)
            .execute(&mut *tx)
            .await?;
        let detail = json!({ "lofi_profile": { "was": was, "is": name } });
        let deed = Deed::done(by, Action::SettingsModify, "settings").detail(detail);
        audit::record(&mut tx, &[deed]).await?;
        tx.commit().await?;
        Ok(Ok(()))
    }

    /// By which profile an artist's songs are converted from now on; none for the cluster's.
    pub async fn set_artist_lofi_profile(
        &self,
        by: &By,
        artist: ArtistId,
        name: Option<&str>,
        built_in: bool,
    ) -> Result<Result<(), ProfileError>, StoreError> {
        let mut tx = self.pool().begin().await?;
        if let Some(name) = name
            && !built_in
            && !hold(&mut tx, name).await?
        {
            return Ok(Err(ProfileError::Unknown));
        }
        let changed = sqlx::query(
            "UPDATE artists SET lofi_profile = $2
             WHERE id = $1 AND lofi_profile IS DISTINCT FROM $2",
        )
        .bind(artist.0)
        .bind(name)
        .execute(&mut *tx)
        .await?;
        if changed.rows_affected() == 0 {
            let there: bool =
                sqlx::query_scalar("SELECT EXISTS (SELECT FROM artists WHERE id = $1)")
                    .bind(artist.0)
                    .fetch_one(&mut *tx)
                    .await?;
            return Ok(if there { Ok(()) } else { Err(ProfileError::UnknownArtist) });
        }
        let deed = Deed::done(by, Action::ArtistModify, format!("artist:{artist}"));
        audit::record(&mut tx, &[deed.detail(json!({ "lofi_profile": name }))]).await?;
        tx.commit().await?;
        Ok(Ok(()))
    }

    /// The name of the cluster's profile.
    pub async fn lofi_profile(&self) -> Result<String, StoreError> {
        let sql = "SELECT lofi_profile FROM cluster_settings";
        Ok(sqlx::query_scalar(sql).fetch_one(self.pool()).await?)
    }
}

/// Holds a profile's row, so that nobody deletes it meanwhile. Whether it is there.
async fn hold(conn: &mut sqlx::PgConnection, name: &str) -> Result<bool, StoreError> {
    let found: Option<String> =
        sqlx::query_scalar("SELECT name FROM lofi_profiles WHERE name = $1 FOR KEY SHARE")
            .bind(name)
            .fetch_optional(conn)
            .await?;
    Ok(found.is_some())
}
