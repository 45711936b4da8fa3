//! What every handler shares.

use crate::{
    auth::{failures::Failures, limiter::Limiter, turns::Turns},
    feed::Feed,
    homes::Homes,
    joining::{Joining, binary::OwnProgram},
    queues::Queues,
    refreshes::Refreshes,
    servers::delete::Revoker,
};
use std::{ops::Deref, sync::Arc};
use tokio_util::sync::CancellationToken;
use tourbus_config::WebConfig;
use tourbus_protocol::visitor::VisitorKey;
use tourbus_store::Store;

/// What every handler shares. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Shared>);

/// See [`App`].
pub struct Shared {
    /// The database.
    pub store: Store,
    /// The configuration.
    pub config: WebConfig,
    /// Changes of jobs, for every open page.
    pub feed: Feed,
    /// What tabs read anew.
    pub refreshes: Refreshes,
    /// Depths of the lanes.
    pub queues: Queues,
    /// Where artists live.
    pub homes: Homes,
    /// Sign-in attempts.
    pub limiter: Limiter,
    /// One attempt of an address at a time.
    pub turns: Turns,
    /// Failed ones, for the audit log.
    pub failures: Arc<Failures>,
    /// Signs what every server is told of who is signed in, and who may upload.
    pub visitor_key: Option<VisitorKey>,
    /// Attempts to sign up.
    pub sign_up_limiter: Limiter,
    /// What servers that join are told; none when none can.
    pub joining: Option<Joining>,
    /// Takes deleted servers off the broker.
    pub revoker: Revoker,
    /// Attempts to join.
    pub join_limiter: Limiter,
    /// This process's own program, for machines that join.
    pub own_program: OwnProgram,
    /// Cancelled when the process is asked to stop: ends the streams.
    pub shutdown: CancellationToken,
}

impl App {
    /// Shares these.
    pub fn new(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }
}

impl Deref for App {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}
