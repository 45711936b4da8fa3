//! What an artist is told of moves: that one goes on, and how the last one ended.

use crate::{Action, By, Deed, Store, StoreError, audit};
use chrono::{DateTime, Utc};
use sqlx::FromRow;
use tourbus_domain::ArtistId;
use uuid::Uuid;

/// What there is to tell.
#[derive(Debug, Clone, Default, FromRow)]
pub struct MoveNews {
    /// Where the artist's music is on its way to; none while nothing moves.
    pub moving_to: Option<String>,
    /// Whether what has begun is being undone.
    pub undoing: bool,
    /// Where the last move went that has ended lately, and that was not put away.
    pub ended_to: Option<String>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Whether it arrived; else nothing changed.
    pub arrived: bool,
    /// Whether it is not known yet what of it must be undone: a person looks into it.
    pub stuck: bool,
}

/// A move that waits has not begun; one that never began is not told of.
const NEWS: &str = "SELECT m.name AS moving_to, coalesce(m.undoing, false) AS undoing, \
         e.name AS ended_to, e.finished_at AS ended_at, coalesce(e.arrived, false) AS arrived, \
         coalesce(e.stuck, false) AS stuck \
     FROM artists a \
     LEFT JOIN LATERAL (SELECT s.name, j.state = 'rolling_back' AS undoing FROM jobs j \
         JOIN servers s ON s.id = j.target_server_id \
         WHERE j.id = a.operating_job_id AND j.kind = 'move' \
             AND j.state IN ('copying', 'syncing', 'cutover', 'retiring', 'rolling_back')) m ON true \
     LEFT JOIN LATERAL (SELECT s.name, j.finished_at, j.state = 'succeeded' AS arrived, \
             j.state = 'stuck' AS stuck \
         FROM jobs j JOIN servers s ON s.id = j.target_server_id \
         WHERE j.artist_id = a.id AND j.kind = 'move' AND j.started_at IS NOT NULL \
             AND j.state IN ('succeeded', 'failed', 'cancelled', 'stuck') \
             AND j.finished_at > now() - interval '30 days' \
             AND j.finished_at > coalesce(a.move_notice_read_at, '-infinity') \
         ORDER BY j.finished_at DESC LIMIT 1) e ON m.name IS NULL \
     WHERE a.id = $1";

impl Store {
    /// What an artist is told of moves.
    pub async fn move_news(&self, artist: ArtistId) -> Result<MoveNews, StoreError> {
        let news = sqlx::query_as(NEWS).bind(artist.0).fetch_optional(self.pool()).await?;
        Ok(news.unwrap_or_default())
    }

    /// Puts the notice away of the move that ended at `ended_at`, and of those before it.
    pub async fn read_move_news(
        &self,
        by: &By,
        artist: Uuid,
        ended_at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut tx = self.pool().begin().await?;
        let read = sqlx::query(
            "UPDATE artists SET move_notice_read_at = least($2, now()) \
             WHERE id = $1 AND coalesce(move_notice_read_at, '-infinity') < $2",
        )
        .bind(artist)
        .bind(ended_at)
        .execute(&mut *tx)
        .await?;
        if read.rows_affected() > 0 {
            let deed = Deed::done(by, Action::NoticeRead, format!("artist:{artist}"));
            audit::record(&mut tx, &[deed]).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}
