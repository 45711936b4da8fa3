//! Which artists a filter means: for lists, counts, totals and bulk selections alike.

use crate::{Store, StoreError};
use sqlx::{FromRow, Postgres, QueryBuilder};
use tourbus_domain::{ArtistId, ServerId};
use uuid::Uuid;

/// Some artists, described instead of listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matching {
    /// Part of the name, any case; empty means every name.
    pub filter: String,
    /// Only those who live here.
    pub server_id: Option<ServerId>,
    /// But not these.
    pub except: Vec<ArtistId>,
}

/// What some artists add up to, for one home server.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct HomeTotals {
    /// Their home server.
    pub server_id: Uuid,
    /// How many they are.
    pub artists: i64,
    /// Their plays, ever.
    pub plays_total: i64,
    /// Their plays in the last 30 days.
    pub plays_30d: i64,
    /// Size of their trees.
    pub bytes: i64,
}

/// The LIKE pattern that finds a text anywhere in a lower-cased name.
pub(crate) fn like_pattern(filter: &str) -> String {
    let mut out = String::with_capacity(filter.len() + 2);
    out.push('%');
    for c in filter.to_lowercase().chars() {
        if matches!(c, '%' | '_' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('%');
    out
}

impl Matching {
    /// Appends ` WHERE …` for a table `artists a`.
    pub(super) fn push_where(&self, sql: &mut QueryBuilder<Postgres>) {
        sql.push(" WHERE true");
        if !self.filter.is_empty() {
            sql.push(" AND lower(a.name) LIKE ").push_bind(like_pattern(&self.filter));
        }
        if let Some(server) = self.server_id {
            sql.push(" AND a.server_id = ").push_bind(server.0);
        }
        if !self.except.is_empty() {
            let ids: Vec<Uuid> = self.except.iter().map(|id| id.0).collect();
            sql.push(" AND a.id <> ALL(").push_bind(ids).push(")");
        }
    }
}

impl Store {
    /// How many artists match, counted no further than `max + 1`: more than `max` means "more
    /// than that", so that a count never costs more than a page.
    pub async fn count_artists(&self, which: &Matching, max: u32) -> Result<u64, StoreError> {
        let mut sql = QueryBuilder::new("SELECT count(*) FROM (SELECT 1 FROM artists a");
        which.push_where(&mut sql);
        // In this order the index has the names as they are compared.
        sql.push(" ORDER BY lower(a.name), a.id LIMIT ").push_bind(i64::from(max) + 1).push(") x");
        let n: i64 = sql.build_query_scalar().persistent(false).fetch_one(self.pool()).await?;
        Ok(n.unsigned_abs())
    }

    /// What the matching artists add up to, per home server. Without a filter this reads the
    /// kept counters.
    pub async fn artist_totals(&self, which: &Matching) -> Result<Vec<HomeTotals>, StoreError> {
        let mut sql = if which.filter.is_empty() && which.except.is_empty() {
            let mut sql = QueryBuilder::new(
                "SELECT id AS server_id, artists, plays_total, plays_30d, bytes FROM servers
                 WHERE artists > 0",
            );
            if let Some(server) = which.server_id {
                sql.push(" AND id = ").push_bind(server.0);
            }
            sql
        } else {
            let mut sql = QueryBuilder::new(
                "SELECT a.server_id, count(*) AS artists, sum(a.plays_total)::bigint AS plays_total,
                        sum(a.plays_30d)::bigint AS plays_30d, sum(a.bytes)::bigint AS bytes
                 FROM artists a",
            );
            which.push_where(&mut sql);
            sql.push(" GROUP BY a.server_id");
            sql
        };
        Ok(sql.build_query_as().persistent(false).fetch_all(self.pool()).await?)
    }

    /// The ids of the matching artists by name, at most `max + 1` of them: more than `max`
    /// means too many.
    pub async fn artist_ids(
        &self,
        which: &Matching,
        max: u32,
    ) -> Result<Vec<ArtistId>, StoreError> {
        let mut sql = QueryBuilder::new("SELECT a.id FROM artists a");
        which.push_where(&mut sql);
        sql.push(" ORDER BY lower(a.name), a.id LIMIT ").push_bind(i64::from(max) + 1);
        let ids: Vec<Uuid> =
            sql.build_query_scalar().persistent(false).fetch_all(self.pool()).await?;
        Ok(ids.into_iter().map(ArtistId).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::like_pattern;

    #[test]
    fn a_filter_is_text_and_never_a_pattern() {
        assert_eq!(like_pattern("Ab"), "%ab%");
        assert_eq!(like_pattern("100%_\\"), "%100\\%\\_\\\\%");
    }
}
