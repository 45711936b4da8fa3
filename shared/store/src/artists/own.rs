//! Artists and the accounts whose they are.

use super::create::{AskedArtist, Created, create_in};
use crate::{
    Account, Action, By, Deed, NewAccount, Role, Store, StoreError, accounts::insert_account, audit,
};
use serde_json::json;
use sqlx::FromRow;
use tourbus_domain::{ArtistId, Slug};
use uuid::Uuid;

/// Somebody who wants to be an artist here.
#[derive(Debug, Clone)]
pub struct SignUp {
    /// With what they sign in.
    pub email: String,
    /// Argon2id, in PHC text form.
    pub password_hash: String,
    /// The artist's name for people.
    pub name: String,
    /// Its name in URLs.
    pub slug: Slug,
    /// Who asks; its account is filled in.
    pub by: By,
}

/// What came of it. Nothing is made unless all is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedUp {
    /// Account and artist are there; a job makes the artist's tree.
    Made {
        /// The account.
        account: Account,
        /// The artist.
        artist: ArtistId,
    },
    /// Nobody may sign up.
    Closed,
    /// Another account has this email.
    EmailTaken,
    /// Another artist has this slug.
    SlugTaken,
    /// No server takes new artists.
    NoDefault,
}

/// An artist of somebody's own.
#[derive(Debug, Clone, FromRow)]
pub struct OwnArtist {
    /// The artist.
    pub id: Uuid,
    /// Its name in URLs.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// Plays, ever.
    pub plays_total: i64,
    /// Plays in the last 30 days.
    pub plays_30d: i64,
    /// Songs.
    pub songs: i32,
}

/// What leave to write to an artist's tree is made of.
#[derive(Debug, Clone, FromRow)]
pub struct GrantFacts {
    /// The artist.
    pub id: Uuid,
    /// Its name in URLs.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// Whose it is; none for nobody's.
    pub account_id: Option<Uuid>,
    /// The home server.
    pub server_id: Uuid,
    /// Its name in queues and tokens.
    pub server_slug: String,
    /// Its base URL.
    pub server_url: String,
    /// How large the artist's files may be, in bytes.
    pub quota_bytes: i64,
    /// Whether the tree is being made, or was never made.
    pub making: bool,
}

/// What somebody wants a value to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Wish<T> {
    /// As it is.
    #[default]
    Stay,
    /// None.
    Nothing,
    /// This.
    Be(T),
}

impl<T> Wish<T> {
    /// Whether it becomes another.
    pub const fn is_change(&self) -> bool {
        !matches!(self, Self::Stay)
    }

    /// What it is to be, if it is to be something.
    pub const fn wanted(&self) -> Option<&T> {
        match self {
            Self::Be(value) => Some(value),
            Self::Stay | Self::Nothing => None,
        }
    }
}

/// What an admin changes of an artist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArtistChange {
    /// How large the artist's files may be, in bytes; nothing for what the cluster's settings say.
    pub quota_bytes: Wish<u64>,
    /// The email of the account whose artist it is; nothing for nobody's.
    pub owner: Wish<String>,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArtistChanged {
    /// It is so now.
    Done,
    /// There is no such artist.
    Unknown,
    /// There is no account with this email.
    NoAccount,
}

impl Store {
    /// Makes an account and its artist, on the default server.
    pub async fn sign_up(&self, asked: SignUp) -> Result<SignedUp, StoreError> {
        let SignUp { email, password_hash, name, slug, mut by } = asked;
        let mut tx = self.pool().begin().await?;
        let open: bool =
            sqlx::query_scalar("SELECT sign_up FROM cluster_settings").fetch_one(&mut *tx).await?;
        if !open {
            return Ok(SignedUp::Closed);
        }
        let new = NewAccount { email: email.clone(), password_hash, role: Role::Artist };
        let Some(id) = insert_account(&mut tx, &new).await? else {
            return Ok(SignedUp::EmailTaken);
        };
        let email = email.to_lowercase();
        by.account_id = Some(id);
        by.actor.clone_from(&email);
        let detail = json!({ "email": email, "role": Role::Artist.as_str() });
        let deed = Deed::done(&by, Action::AccountCreate, format!("account:{id}")).detail(detail);
        audit::record(&mut tx, &[deed]).await?;
        let asked = AskedArtist { name, slug, account_id: Some(id), by };
        match create_in(&mut tx, &asked).await? {
            Created::Made { artist, .. } => {
                tx.commit().await?;
                let account = Account { id, email, role: Role::Artist };
                Ok(SignedUp::Made { account, artist })
            }
            Created::SlugTaken => Ok(SignedUp::SlugTaken),
            Created::NoDefault => Ok(SignedUp::NoDefault),
        }
    }

    /// The artists of an account, by name, at most `limit`.
    pub async fn artists_of(
        &self,
        account: Uuid,
        limit: u32,
    ) -> Result<Vec<OwnArtist>, StoreError> {
        let rows = sqlx::query_as(
            "SELECT id, slug, name, plays_total, plays_30d, songs FROM artists
             WHERE account_id = $1 ORDER BY lower(name), id LIMIT $2",
        )
        .bind(account)
        .bind(i64::from(limit));
        Ok(rows.fetch_all(self.pool()).await?)
    }

    /// What leave to write to this artist's tree is made of.
    pub async fn grant_facts(&self, artist: ArtistId) -> Result<Option<GrantFacts>, StoreError> {
        self.facts("a.id = $1::uuid", artist.to_string()).await
    }

    /// The same by the artist's name in URLs.
    pub async fn grant_facts_of(&self, slug: &Slug) -> Result<Option<GrantFacts>, StoreError> {
        self.facts("a.slug = $1", slug.to_string()).await
    }

    async fn facts(&self, which: &str, key: String) -> Result<Option<GrantFacts>, StoreError> {
        let sql = format!(
            "SELECT a.id, a.slug, a.name, a.account_id, s.id AS server_id, s.slug AS server_slug,
                    s.url AS server_url, coalesce(a.quota_bytes, c.quota_bytes) AS quota_bytes,
                    coalesce(j.kind = 'provision', false) AS making
             FROM artists a JOIN servers s ON s.id = a.server_id CROSS JOIN cluster_settings c
             LEFT JOIN jobs j ON j.id = a.operating_job_id
             WHERE {which}"
        );
        let row = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(key);
        Ok(row.fetch_optional(self.pool()).await?)
    }

    /// Changes what an admin sets of an artist.
    pub async fn change_artist(
        &self,
        by: &By,
        artist: ArtistId,
        change: &ArtistChange,
    ) -> Result<ArtistChanged, StoreError> {
        let mut tx = self.pool().begin().await?;
        let owner = match change.owner.wanted() {
            Some(email) => {
                let found: Option<Uuid> =
                    sqlx::query_scalar("SELECT id FROM accounts WHERE email = lower($1)")
                        .bind(email)
                        .fetch_optional(&mut *tx)
                        .await?;
                let Some(id) = found else { return Ok(ArtistChanged::NoAccount) };
                Some(id)
            }
            None => None,
        };
        let quota = change.quota_bytes.wanted().map(|q| i64::try_from(*q).unwrap_or(i64::MAX));
        let changed = sqlx::query(
            "UPDATE artists SET quota_bytes = CASE WHEN $2 THEN $3 ELSE quota_bytes END,
                 account_id = CASE WHEN $4 THEN $5 ELSE account_id END
             WHERE id = $1",
        )
        .bind(artist.0)
        .bind(change.quota_bytes.is_change())
        .bind(quota)
        .bind(change.owner.is_change())
        .bind(owner)
        .execute(&mut *tx)
        .await?;
        if changed.rows_affected() == 0 {
            return Ok(ArtistChanged::Unknown);
        }
        let mut detail = serde_json::Map::new();
        if change.quota_bytes.is_change() {
            detail.insert("quota_bytes".to_owned(), json!(quota));
        }
        if change.owner.is_change() {
            detail.insert("owner".to_owned(), json!(change.owner.wanted()));
        }
        let deed = Deed::done(by, Action::ArtistModify, format!("artist:{artist}"))
            .detail(serde_json::Value::Object(detail));
        audit::record(&mut tx, &[deed]).await?;
        tx.commit().await?;
        Ok(ArtistChanged::Done)
    }
}
