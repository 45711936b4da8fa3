//! The standing watches: servers that fall silent, and how plays are spread.

use crate::{Coordinator, CoordinatorError};
use std::time::Duration;
use tourbus_domain::{BalanceFault, BalanceGoal, suggest_moves};
use tourbus_store::{BalanceGround, BalanceLook, StoreError};

/// How often it is looked which servers report.
const SERVERS_EVERY: Duration = Duration::from_secs(2);
/// How often it is looked whether the balance is due.
const BALANCE_EVERY: Duration = Duration::from_secs(2);
/// How soon it is looked again after it could not be measured: each look reads every artist.
const BALANCE_AGAIN: Duration = Duration::from_secs(60);
/// Whoever looks at the balance holds this.
const BALANCE_CLAIM: &str = "balance-watch";

impl Coordinator {
    /// Tells of servers that fall silent and come back, until the end. Not before this process has
    /// itself been there for long enough to have heard them, and likewise after the database was
    /// away. Several coordinators doing so is harmless.
    pub(crate) async fn watch_servers(&self) -> Result<(), CoordinatorError> {
        let hearing = Duration::from_secs(self.config.offline_after_s.into());
        let mut wait = hearing;
        while self.pause(wait).await {
            wait = match self.store.tell_silent_servers(self.config.offline_after_s).await {
                Ok(0) => SERVERS_EVERY,
                Ok(servers) => {
                    tracing::info!(servers, "servers.told");
                    SERVERS_EVERY
                }
                Err(error) => {
                    tracing::warn!(%error, "servers.not_told");
                    hearing
                }
            };
        }
        Ok(())
    }

    /// Looks at the balance when that is due, until the end. One coordinator at a time does.
    pub(crate) async fn watch_balance(&self) -> Result<(), CoordinatorError> {
        let mut wait = BALANCE_EVERY;
        while self.pause(wait).await {
            wait = match self.look_at_balance().await {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::warn!(%error, "balance.not_looked");
                    BALANCE_AGAIN
                }
            };
        }
        Ok(())
    }

    /// Looks if it is due. How soon it may be due again.
    async fn look_at_balance(&self) -> Result<Duration, StoreError> {
        let watch = self.store.balance_watch().await?;
        if watch.silent && self.store.tell_silent_watch().await? {
            tracing::warn!(last = ?watch.run_at, "balance.watch_was_silent");
        }
        if !watch.due {
            return Ok(BALANCE_EVERY);
        }
        let Some(claim) = self.store.claim(BALANCE_CLAIM).await? else {
            return Ok(BALANCE_EVERY);
        };
        let mut wait = BALANCE_EVERY;
        // Another coordinator may just have done it.
        let watch = self.store.balance_watch().await?;
        if watch.due {
            let ground = self.store.balance_ground(0, 0, self.config.offline_after_s).await?;
            let tolerance = watch.tolerance;
            let look = tokio::task::spawn_blocking(move || measure(&ground, tolerance)).await;
            // What could not be measured is told as a watch that does not run, if it stays so.
            wait = BALANCE_AGAIN;
            match look {
                Ok(Ok(look)) => {
                    if self.store.keep_balance_look(&look).await? {
                        tracing::warn!(worst = ?look.worst, tolerance, "balance.out_of_balance");
                    }
                    wait = BALANCE_EVERY;
                }
                Ok(Err(error)) => tracing::error!(%error, "balance.not_measured"),
                Err(error) => tracing::error!(%error, "balance.not_measured"),
            }
        }
        claim.release().await?;
        Ok(wait)
    }
}

/// How plays are spread, by the planner's own measure; nothing is planned.
fn measure(ground: &BalanceGround, tolerance: f64) -> Result<BalanceLook, BalanceFault> {
    let goal = BalanceGoal { tolerance, moves_max: 0 };
    let plan = suggest_moves(&ground.servers, &ground.artists, &goal)?;
    let offs = plan.servers.iter().filter_map(|s| Some((s.server_id, s.off_before()?)));
    let worst = offs.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
    Ok(BalanceLook { balanced: plan.is_reached(), worst })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tourbus_domain::{ArtistId, BalanceArtist, BalanceServer, Role, ServerId, TargetRoom};

    fn ground(plays: [u64; 2]) -> BalanceGround {
        let ids = [ServerId::new(), ServerId::new()];
        let server = |server_id| BalanceServer {
            room: TargetRoom { server_id, room_bytes: 1 << 30 },
            role: Role::GivesAndTakes,
            weight: 1.0,
        };
        let artist = |(server_id, plays_30d)| BalanceArtist {
            artist_id: ArtistId::new(),
            server_id,
            bytes: 1,
            plays_30d,
            movable: false,
        };
        BalanceGround {
            servers: ids.map(server).to_vec(),
            artists: ids.into_iter().zip(plays).map(artist).collect(),
        }
    }

    #[test]
    fn the_worst_is_named_and_the_tolerance_decides() {
        let uneven = ground([130, 70]);
        let look = measure(&uneven, 0.25).unwrap();
        assert!(!look.balanced);
        assert!((look.worst.unwrap().1.abs() - 0.3).abs() < 1e-9, "{look:?}");
        assert!(measure(&uneven, 0.35).unwrap().balanced);
        assert!(measure(&ground([0, 0]), 0.1).unwrap().balanced, "nobody plays anything");
    }
}
