//! The local stack without Docker: private PostgreSQL, RabbitMQ and staging, and the supervisor
//! of every process.
//!
//! Two layers, so that several clusters can share one set of real parts:
//!
//! - [`Infra`]: PostgreSQL, RabbitMQ and the embedded S3 server. It hands out [`Endpoints`].
//! - [`Cluster`]: web, coordinator, and the workers and media services of each server, on some
//!   [`Endpoints`], each with its own database, virtual host and staging prefix.
//!
//! Both run their processes under a [`Supervisor`]: real children, restarted when they die,
//! stopped in order, and killed by the kernel if the supervising process itself is killed.
//! [`up`] joins the layers into the demo that `tourbus up` starts.

mod cluster;
mod config;
mod data_dir;
mod database;
pub mod demo;
mod endpoints;
mod error;
mod fill;
mod infra;
mod lease;
mod overrides;
mod people;
mod ports;
mod postgres;
mod probe;
mod programs;
mod rabbitmq;
mod run_as;
mod secrets;
mod staging;
mod up;

pub use cluster::{Cluster, ClusterSpec, ServerSpec, ServerView};
pub use data_dir::DataDir;
pub use endpoints::{BrokerEndpoint, DatabaseEndpoint, Endpoints, StagingEndpoint};
pub use error::LocalError;
pub use infra::{Infra, InfraSpec, InfraTls};
pub use overrides::Overrides;
pub use people::Credentials;
pub use ports::{ClusterPorts, InfraPorts, Ports};
pub use probe::Probe;
pub use programs::find_tourbus;
pub use secrets::Secrets;
pub use tourbus_supervisor::{ChildSpec, Logs, Supervisor};
pub use up::{UpOptions, up};
