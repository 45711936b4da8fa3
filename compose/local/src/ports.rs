//! Which process listens where. Always on 127.0.0.1.

use crate::{LocalError, ServerSpec, lease::PortLease, lease::is_free};

/// Ports of the real parts.
#[derive(Debug, Clone)]
pub struct InfraPorts {
    /// PostgreSQL.
    pub postgres: u16,
    /// RabbitMQ, AMQP.
    pub amqp: u16,
    /// RabbitMQ's management API and pages.
    pub management: u16,
    /// RabbitMQ's metrics for Prometheus.
    pub prometheus: u16,
    /// Erlang distribution: what `rabbitmqctl` uses.
    pub dist: u16,
    /// The Erlang port mapper.
    pub epmd: u16,
    /// The embedded S3 server.
    pub staging: u16,
    #[allow(dead_code, reason = "held, not read")]
    lease: Option<PortLease>,
}

/// How many ports [`InfraPorts`] are.
const INFRA: u16 = 7;

impl InfraPorts {
    /// Seven ports from `base` on.
    pub const fn following(base: u16) -> Self {
        Self {
            postgres: base,
            amqp: base + 1,
            management: base + 2,
            prometheus: base + 3,
            dist: base + 4,
            epmd: base + 5,
            staging: base + 6,
            lease: None,
        }
    }

    /// Free ports, kept from other stacks of this user for as long as this value lives.
    pub fn free() -> Result<Self, LocalError> {
        let lease = PortLease::take(INFRA)?;
        Ok(Self { lease: Some(lease.clone()), ..Self::following(lease.port(0)) })
    }

    fn named(&self) -> Vec<(String, u16)> {
        [
            ("postgres", self.postgres),
            ("rabbitmq (AMQP)", self.amqp),
            ("rabbitmq (management)", self.management),
            ("rabbitmq (metrics)", self.prometheus),
            ("rabbitmq (distribution)", self.dist),
            ("epmd", self.epmd),
            ("staging", self.staging),
        ]
        .map(|(name, port)| (name.to_owned(), port))
        .into()
    }

    /// Fails with the first port that somebody else listens on.
    pub fn check_free(&self) -> Result<(), LocalError> {
        check(self.named())
    }
}

/// Ports of one cluster's processes.
#[derive(Debug, Clone)]
pub struct ClusterPorts {
    /// Pages, API and front door.
    pub web: u16,
    /// The media service of each server, in the servers' order.
    pub media: Vec<u16>,
    /// The coordinator's health and metrics.
    pub coordinator: u16,
    /// Health and metrics of each server's workers.
    pub workers: Vec<Vec<u16>>,
    /// Health and metrics of each server's agent.
    pub agents: Vec<u16>,
    #[allow(dead_code, reason = "held, not read")]
    lease: Option<PortLease>,
}

impl ClusterPorts {
    /// From a first port on: web, media, coordinator, workers, agents.
    pub fn following(base: u16, servers: &[ServerSpec]) -> Self {
        Self::laid_out(base, base + 1 + servers.len() as u16, servers)
    }

    /// Free ports, kept from other stacks of this user for as long as this value lives.
    pub fn free(servers: &[ServerSpec]) -> Result<Self, LocalError> {
        let workers: usize = servers.iter().map(|s| s.workers).sum();
        let lease = PortLease::take((2 + 2 * servers.len() + workers) as u16)?;
        let ports = Self::following(lease.port(0), servers);
        Ok(Self { lease: Some(lease), ..ports })
    }

    fn laid_out(base: u16, coordinator: u16, servers: &[ServerSpec]) -> Self {
        let mut next = coordinator;
        let mut take = || {
            next += 1;
            next
        };
        Self {
            web: base,
            media: (1..=servers.len() as u16).map(|n| base + n).collect(),
            coordinator,
            workers: servers.iter().map(|s| (0..s.workers).map(|_| take()).collect()).collect(),
            agents: servers.iter().map(|_| take()).collect(),
            lease: None,
        }
    }

    /// Leaves out the ports of the server in this place.
    pub(crate) fn forget_server(&mut self, place: usize) {
        self.media.remove(place);
        self.workers.remove(place);
        self.agents.remove(place);
    }

    /// Fails with the first port that somebody else listens on.
    pub fn check_free(&self, servers: &[ServerSpec]) -> Result<(), LocalError> {
        let mut named = vec![("web".to_owned(), self.web)];
        for (server, port) in servers.iter().zip(&self.media) {
            named.push((format!("media-{}", server.slug), *port));
        }
        named.push(("coordinator".to_owned(), self.coordinator));
        for (server, ports) in servers.iter().zip(&self.workers) {
            let name = |(n, port): (usize, &u16)| (server.worker_process(n), *port);
            named.extend(ports.iter().enumerate().map(name));
        }
        for (server, port) in servers.iter().zip(&self.agents) {
            named.push((format!("agent-{}", server.slug), *port));
        }
        check(named)
    }
}

/// All ports of a whole stack.
#[derive(Debug, Clone)]
pub struct Ports {
    /// The real parts.
    pub infra: InfraPorts,
    /// The cluster.
    pub cluster: ClusterPorts,
}

impl Ports {
    /// From a first port on: web, media per server, the seven of the real parts, coordinator,
    /// workers, agents. What `tourbus up` uses.
    pub fn following(base: u16, servers: &[ServerSpec]) -> Result<Self, LocalError> {
        let all = Self::count(servers);
        if base == 0 || usize::from(base) + all > usize::from(u16::MAX) {
            return Err(LocalError::Invalid(format!(
                "TOURBUS_HTTP_PORT={base} does not do: {all} ports follow it, and the last port \
                 is 65535"
            )));
        }
        let infra = base + 1 + servers.len() as u16;
        Ok(Self {
            infra: InfraPorts::following(infra),
            cluster: ClusterPorts::laid_out(base, infra + INFRA, servers),
        })
    }

    /// The same from a free first port on, kept from other stacks of this user for as long as
    /// this value lives.
    pub fn free(servers: &[ServerSpec]) -> Result<Self, LocalError> {
        let lease = PortLease::take(Self::count(servers) as u16)?;
        let mut ports = Self::following(lease.port(0), servers)?;
        ports.cluster.lease = Some(lease);
        Ok(ports)
    }

    fn count(servers: &[ServerSpec]) -> usize {
        let workers: usize = servers.iter().map(|s| s.workers).sum();
        2 + 2 * servers.len() + usize::from(INFRA) + workers
    }
}

fn check(named: Vec<(String, u16)>) -> Result<(), LocalError> {
    match named.into_iter().find(|(_, port)| !is_free(*port)) {
        Some((what, port)) => Err(LocalError::PortTaken { port, what }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, net::TcpListener};

    fn servers() -> Vec<ServerSpec> {
        ["master", "server2"]
            .map(|slug| ServerSpec { workers: 2, ..ServerSpec::new(slug.parse().unwrap()) })
            .into()
    }

    #[test]
    fn every_process_has_its_own_port_right_behind_the_first() {
        let ports = Ports::following(8080, &servers()).unwrap();
        let mut all: BTreeSet<u16> = ports.infra.named().into_iter().map(|(_, p)| p).collect();
        all.extend([ports.cluster.web, ports.cluster.coordinator]);
        all.extend(&ports.cluster.media);
        all.extend(ports.cluster.workers.iter().flatten());
        all.extend(&ports.cluster.agents);
        assert_eq!(all, (8080..8080 + 17).collect());
        assert_eq!(ports.cluster.media, [8081, 8082]);
    }

    #[test]
    fn a_taken_port_is_named_with_its_process_and_the_setting() {
        let ports = ClusterPorts::free(&servers()).unwrap();
        let holder = TcpListener::bind(("127.0.0.1", ports.workers[1][0])).unwrap();
        let error = ports.check_free(&servers()).unwrap_err().to_string();
        assert!(
            error.contains("worker-server2-1") && error.contains("TOURBUS_HTTP_PORT"),
            "{error}"
        );
        drop(holder);
        ports.check_free(&servers()).unwrap();
    }

    #[test]
    fn a_first_port_without_room_behind_it_is_refused() {
        assert!(Ports::following(65_530, &servers()).is_err());
    }
}
