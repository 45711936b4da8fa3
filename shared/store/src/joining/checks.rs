//! Checks of servers: kept as they are found, shown as they stand.

use crate::{Listener, Store, StoreError, jobs_core::column};
use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection};
use tourbus_domain::ServerId;
use tourbus_protocol::{CheckName, CheckResult, CheckState};
use uuid::Uuid;

/// The channel that wanted checks are announced on; the payload is the server's id.
pub(crate) const CHANNEL: &str = "tourbus_checks";

/// An agent that has not reported for this long is silent, in seconds; it reports every five.
pub const AGENT_SILENT_AFTER_S: f64 = 20.0;

/// What one check found the last time.
#[derive(Debug, Clone, FromRow)]
pub struct CheckRow {
    /// Which.
    pub name: String,
    /// `green` or `red`.
    pub state: String,
    /// What was found.
    pub cause: String,
    /// How to mend it.
    pub remedy: String,
    /// When.
    pub checked_at: DateTime<Utc>,
    /// Whether a newer look is wanted.
    pub stale: bool,
}

/// All that is known of a server's joining and checks.
#[derive(Debug, Clone)]
pub struct ServerChecks {
    /// When it joined.
    pub joined_at: Option<DateTime<Utc>>,
    /// How long its agent has been silent, in seconds.
    pub agent_age_s: Option<f64>,
    /// When its agent reported.
    pub agent_seen_at: Option<DateTime<Utc>>,
    /// What was found.
    pub rows: Vec<CheckRow>,
}

/// When it joined, when its agent reported, and how long ago that is, in seconds.
type Joined = (Option<DateTime<Utc>>, Option<DateTime<Utc>>, Option<f64>);

/// A server that the master is to look at.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct CheckTarget {
    /// The server.
    pub id: Uuid,
    /// Its name in hosts.
    pub slug: String,
    /// Where it should answer.
    pub ip: String,
    /// Its base URL.
    pub url: String,
    /// Its public key, hex.
    pub public_key: String,
}

/// Replaces what these checks found before.
pub(super) async fn keep(
    conn: &mut PgConnection,
    server: ServerId,
    found: &[&CheckResult],
) -> Result<(), StoreError> {
    let done: Vec<&CheckResult> =
        found.iter().copied().filter(|c| c.state != CheckState::Pending).collect();
    if done.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO server_checks (server_id, name, state, cause, remedy, checked_at)
         SELECT DISTINCT ON (u.name) $1, u.name, u.state, u.cause, u.remedy, clock_timestamp()
         FROM UNNEST($2::text[], $3::text[], $4::text[], $5::text[])
             AS u(name, state, cause, remedy)
         ON CONFLICT (server_id, name) DO UPDATE SET state = excluded.state,
             cause = excluded.cause, remedy = excluded.remedy, checked_at = excluded.checked_at",
    )
    .bind(server.0)
    .bind(column(&done, |c| c.name.as_str()))
    .bind(column(&done, |c| c.state.as_str()))
    .bind(column(&done, |c| c.cause.as_str()))
    .bind(column(&done, |c| c.remedy.as_str()))
    .execute(conn)
    .await?;
    Ok(())
}

impl ServerChecks {
    /// Every check as it stands now, each with the time of its last look.
    pub fn list(&self) -> Vec<(CheckResult, Option<DateTime<Utc>>)> {
        CheckName::ALL.into_iter().map(|name| self.one(name)).collect()
    }

    fn one(&self, name: CheckName) -> (CheckResult, Option<DateTime<Utc>>) {
        if name == CheckName::Agent {
            return (self.agent(), self.agent_seen_at);
        }
        let Some(row) = self.rows.iter().find(|r| r.name == name.as_str()) else {
            let cause = match self.joined_at {
                None => "Waits for the server to join.",
                Some(_) => "Not looked at yet.",
            };
            return (CheckResult::pending(name, cause), None);
        };
        let result = if row.stale {
            CheckResult::pending(name, format!("Looking again. Before: {}", row.cause))
        } else if row.state == "green" {
            CheckResult::green(name, row.cause.clone())
        } else {
            CheckResult::red(name, row.cause.clone(), row.remedy.clone())
        };
        (result, Some(row.checked_at))
    }

    fn agent(&self) -> CheckResult {
        let name = CheckName::Agent;
        match (self.joined_at, self.agent_age_s) {
            (None, _) => CheckResult::pending(name, "Waits for the server to join."),
            (Some(_), None) => {
                CheckResult::pending(name, "Joined; its agent has not reported yet.")
            }
            (Some(_), Some(age)) if age < AGENT_SILENT_AFTER_S => {
                CheckResult::green(name, "Its agent reports every few seconds.")
            }
            (Some(_), Some(age)) => CheckResult::red(
                name,
                format!("Its agent has been silent for {} s.", age.round()),
                "On the server, see `systemctl status tourbus` and `journalctl -u tourbus`; \
                 `tourbus server run` must be running.",
            ),
        }
    }
}

impl Store {
    /// What is known of a server; none when there is no such server.
    pub async fn server_checks(
        &self,
        server: ServerId,
    ) -> Result<Option<ServerChecks>, StoreError> {
        let found: Option<Joined> = sqlx::query_as(
            "SELECT joined_at, agent_seen_at,
                        extract(epoch FROM clock_timestamp() - agent_seen_at)::float8
                 FROM servers WHERE id = $1 AND deleted_at IS NULL",
        )
        .bind(server.0)
        .fetch_optional(self.pool())
        .await?;
        let Some((joined_at, agent_seen_at, agent_age_s)) = found else { return Ok(None) };
        let rows = sqlx::query_as(
            "SELECT c.name, c.state, c.cause, c.remedy, c.checked_at,
                    coalesce(c.checked_at < s.checks_wanted_at, false) AS stale
             FROM server_checks c JOIN servers s ON s.id = c.server_id WHERE s.id = $1",
        )
        .bind(server.0)
        .fetch_all(self.pool())
        .await?;
        Ok(Some(ServerChecks { joined_at, agent_age_s, agent_seen_at, rows }))
    }

    /// Wants every check of a server to be run again. False when there is no such server.
    pub async fn want_checks(&self, server: ServerId) -> Result<bool, StoreError> {
        let mut tx = self.pool().begin().await?;
        let wanted = sqlx::query(
            "UPDATE servers SET checks_wanted_at = clock_timestamp()
             WHERE id = $1 AND deleted_at IS NULL",
        )
        .bind(server.0)
        .execute(&mut *tx)
        .await?;
        sqlx::query("SELECT pg_notify($1, $2)")
            .bind(CHANNEL)
            .bind(server.0.to_string())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(wanted.rows_affected() == 1)
    }

    /// Servers that the master should look at: wanted, never looked at, older than `every_s`, or
    /// red and older than `red_every_s`. Not before its agent has reported: what it listens with
    /// is started at the same time.
    pub async fn servers_to_check(
        &self,
        every_s: u32,
        red_every_s: u32,
    ) -> Result<Vec<CheckTarget>, StoreError> {
        Ok(sqlx::query_as(
            "SELECT s.id, s.slug, host(s.ip) AS ip, s.url, s.public_key
             FROM servers s
             LEFT JOIN LATERAL (
                 SELECT count(*) AS n, min(checked_at) AS oldest, bool_or(state = 'red') AS red
                 FROM server_checks c WHERE c.server_id = s.id AND c.name = ANY($1)) c ON true
             WHERE s.deleted_at IS NULL AND s.public_key IS NOT NULL
                 AND s.agent_seen_at IS NOT NULL AND (
                 c.n < $2 OR c.oldest < s.checks_wanted_at
                 OR c.oldest < now() - make_interval(secs => $3)
                 OR (c.red AND c.oldest < now() - make_interval(secs => $4)))
             ORDER BY s.slug",
        )
        .bind(CheckName::BY_MASTER.map(CheckName::as_str).as_slice())
        .bind(CheckName::BY_MASTER.len() as i64)
        .bind(f64::from(every_s))
        .bind(f64::from(red_every_s))
        .fetch_all(self.pool())
        .await?)
    }

    /// Keeps what the master found.
    pub async fn keep_checks(
        &self,
        server: ServerId,
        found: &[CheckResult],
    ) -> Result<(), StoreError> {
        let mut conn = self.pool().acquire().await?;
        let found: Vec<&CheckResult> = found.iter().collect();
        keep(&mut conn, server, &found).await
    }

    /// Listens for wanted checks. Holds a connection of the pool for good.
    pub async fn listen_checks(&self) -> Result<Listener, StoreError> {
        Listener::on(self, CHANNEL).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_pending_until_it_is_looked_at_and_red_with_a_remedy() {
        let row = |name: CheckName, state: &str, stale| CheckRow {
            name: name.as_str().to_owned(),
            state: state.to_owned(),
            cause: "so it is".to_owned(),
            remedy: "do this".to_owned(),
            checked_at: Utc::now(),
            stale,
        };
        let checks = ServerChecks {
            joined_at: Some(Utc::now()),
            agent_age_s: Some(AGENT_SILENT_AFTER_S + 1.0),
            agent_seen_at: Some(Utc::now()),
            rows: vec![
                row(CheckName::Disk, "green", false),
                row(CheckName::Clock, "red", false),
                row(CheckName::Url, "red", true),
            ],
        };
        let list = checks.list();
        let one = |name| list.iter().find(|(c, _)| c.name == name).unwrap().0.clone();
        assert_eq!(one(CheckName::Disk).state, CheckState::Green);
        assert_eq!(one(CheckName::Clock).remedy, "do this");
        assert_eq!(one(CheckName::Url).state, CheckState::Pending);
        assert_eq!(one(CheckName::Ip).state, CheckState::Pending);
        assert_eq!(one(CheckName::Agent).state, CheckState::Red);
        assert_eq!(list.len(), CheckName::ALL.len());
    }
}
