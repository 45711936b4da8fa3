//! Deleting: first in the database, then on the broker, as often as it takes.

use super::refused;
use crate::{
    app::App,
    auth::{Actor, Right},
    problem::Problem,
};
use serde::Serialize;
use std::time::Duration;
use tourbus_domain::{ServerId, Slug};
use tourbus_store::{Store, StoreError};
use tourbus_topology::{Management, TopologyError};
use utoipa::ToSchema;

/// How often what is left on the broker is tried again.
const AGAIN_EVERY: Duration = Duration::from_secs(5);

/// A server that was deleted.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Deleted {
    /// Whether its broker user and lanes are gone too. If not, they go as soon as the broker is
    /// back; the server itself can do nothing any more.
    pub revoked: bool,
}

/// Why a server's user and lanes may still be there.
#[derive(Debug, thiserror::Error)]
enum RevokeError {
    #[error(transparent)]
    Topology(#[from] TopologyError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes deleted servers off the broker.
#[derive(Clone)]
pub struct Revoker {
    store: Store,
    management: Management,
    vhost: String,
}

impl Revoker {
    /// With these.
    pub const fn new(store: Store, management: Management, vhost: String) -> Self {
        Self { store, management, vhost }
    }

    /// One server. Repeating it is harmless.
    async fn revoke(&self, id: ServerId, slug: &Slug) -> Result<(), RevokeError> {
        tourbus_topology::remove_server(&self.management, &self.vhost, slug).await?;
        Ok(self.store.server_revoked(id).await?)
    }

    /// Goes on with what a broker that was away has left, until dropped.
    pub async fn run(self) {
        let mut told = false;
        loop {
            tokio::time::sleep(AGAIN_EVERY).await;
            match self.all().await {
                Ok(()) => told = false,
                Err(error) if told => tracing::debug!(%error, "servers.not_revoked"),
                Err(error) => {
                    tracing::warn!(%error, "servers.not_revoked: tried again until it is done");
                    told = true;
                }
            }
        }
    }

    async fn all(&self) -> Result<(), RevokeError> {
        for (id, slug) in self.store.servers_to_revoke().await? {
            self.revoke(id, &slug).await?;
            tracing::info!(server = %slug, "servers.revoked");
        }
        Ok(())
    }
}

/// Deletes a server.
pub async fn delete(app: &App, actor: &Actor, id: ServerId) -> Result<Deleted, Problem> {
    actor.require(Right::Servers)?;
    let deleted = app.store.delete_server(&actor.by(), id).await?;
    let slug = deleted.map_err(|e| refused(e, Some(id)))?;
    let revoked = app.revoker.revoke(id, &slug).await;
    if let Err(error) = &revoked {
        tracing::warn!(%error, server = %slug, "servers.not_revoked_yet");
    }
    Ok(Deleted { revoked: revoked.is_ok() })
}
