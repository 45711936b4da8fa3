//! What is measured of the whole cluster, for Prometheus.

use crate::{Store, StoreError};
use sqlx::FromRow;
use tourbus_domain::JobState;

/// A server, as its gauges show it.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct ServerGauges {
    /// Which.
    pub slug: String,
    /// Since when no worker of it has reported, in seconds; none if none ever has.
    pub silent_s: Option<f64>,
    /// Free disk, as last reported.
    pub free_bytes: Option<i64>,
    /// Size of that disk.
    pub total_bytes: Option<i64>,
    /// Artists that live there.
    pub artists: i64,
    /// Their plays in the last 30 days.
    pub plays_30d: i64,
    /// Whether it is due a share of the plays: active, not drained, and has reported.
    pub shares: bool,
}

/// What is measured, at one time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClusterGauges {
    /// Every server.
    pub servers: Vec<ServerGauges>,
    /// Jobs that have not ended or are stuck: kind, state, how many.
    pub jobs: Vec<(String, String, i64)>,
    /// Findings that nobody has settled: kind, how many.
    pub findings: Vec<(String, i64)>,
    /// Dead letters that wait for somebody.
    pub dead_letters: i64,
}

impl ClusterGauges {
    /// By how much the server that is furthest from its even share of the plays is above or below it,
    /// as a part of that share. 0 with fewer than two servers, or no plays.
    pub fn skew(&self) -> f64 {
        let plays: Vec<f64> =
            self.servers.iter().filter(|s| s.shares).map(|s| s.plays_30d as f64).collect();
        let share = plays.iter().sum::<f64>() / plays.len().max(1) as f64;
        if plays.len() < 2 || share <= 0.0 {
            return 0.0;
        }
        plays.iter().map(|p| (p - share).abs() / share).fold(0.0, f64::max)
    }
}

impl Store {
    /// Measures. Every statement goes by an index over what is open, never over what has ended.
    pub async fn cluster_gauges(&self) -> Result<ClusterGauges, StoreError> {
        let servers = sqlx::query_as(
            "SELECT slug, extract(epoch FROM now() - last_seen_at)::float8 AS silent_s, \
                 free_bytes, total_bytes, artists, plays_30d, \
                 active AND NOT draining AND last_seen_at IS NOT NULL AS shares \
             FROM servers WHERE deleted_at IS NULL ORDER BY slug",
        )
        .fetch_all(self.pool())
        .await?;
        // By name: of a million jobs that have ended none is looked at.
        let open: Vec<&str> = JobState::ALL
            .into_iter()
            .filter(|s| !s.is_final() || *s == JobState::Stuck)
            .map(JobState::as_str)
            .collect();
        let jobs = sqlx::query_as(
            "SELECT kind, state, count(*) FROM jobs \
             WHERE state = ANY($1) GROUP BY 1, 2",
        )
        .bind(open)
        .fetch_all(self.pool())
        .await?;
        let findings = sqlx::query_as(
            "SELECT kind, count(*) FROM verify_findings WHERE resolved_at IS NULL GROUP BY 1",
        )
        .fetch_all(self.pool())
        .await?;
        let dead_letters = sqlx::query_scalar(
            "SELECT count(*) FROM dead_letters WHERE state IN ('waiting', 'requeueing')",
        )
        .fetch_one(self.pool())
        .await?;
        Ok(ClusterGauges { servers, jobs, findings, dead_letters })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(plays_30d: i64, shares: bool) -> ServerGauges {
        let slug = String::new();
        ServerGauges {
            slug,
            silent_s: None,
            free_bytes: None,
            total_bytes: None,
            artists: 0,
            plays_30d,
            shares,
        }
    }

    #[test]
    fn skew_is_the_furthest_from_an_even_share() {
        let skew = |servers: Vec<ServerGauges>| {
            (ClusterGauges { servers, ..Default::default() }.skew() * 100.0).round()
        };
        assert!(skew(vec![server(100, true)]).abs() < f64::EPSILON);
        assert!(skew(vec![server(0, true), server(0, true)]).abs() < f64::EPSILON);
        // Half of 300 is due to each; what is drained is not counted.
        assert!(
            (skew(vec![server(200, true), server(100, true), server(900, false)]) - 33.0).abs()
                < 0.1
        );
        assert!((skew(vec![server(300, true), server(0, true)]) - 100.0).abs() < 0.1);
    }
}
