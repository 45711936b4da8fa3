//! How a cluster reaches its real parts, whoever runs them.

use crate::{LocalError, database};
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};
use tourbus_config::{ClientTlsConfig, StagingConfig};

/// Longest wait for one answer of the management API.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Longest name of a cluster on shared parts: PostgreSQL cuts names at 63 bytes.
const NAME_BYTES_MAX: usize = 60;

/// PostgreSQL, and one database in it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseEndpoint {
    /// Host, for example `127.0.0.1`.
    pub host: String,
    /// Port.
    pub port: u16,
    /// A user that may create databases.
    pub user: String,
    /// Its password.
    pub password: String,
    /// The database.
    pub database: String,
}

/// RabbitMQ, and one virtual host in it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerEndpoint {
    /// Address of AMQP: `host:port`, or `amqps://host:port`.
    pub address: String,
    /// Whom to believe there and at the management API.
    #[serde(default)]
    pub tls: ClientTlsConfig,
    /// Base URL of the management API.
    pub management_url: String,
    /// An administrator.
    pub admin_user: String,
    /// Its password.
    pub admin_password: String,
    /// The virtual host.
    pub vhost: String,
}

/// An S3 endpoint, a bucket in it, and a prefix in that.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagingEndpoint {
    /// Base URL.
    pub endpoint: String,
    /// Whom to believe there.
    #[serde(default)]
    pub tls: ClientTlsConfig,
    /// Region.
    pub region: String,
    /// Bucket.
    pub bucket: String,
    /// Before every key: empty, or ends in `/`.
    pub prefix: String,
    /// Access key id.
    pub access_key: String,
    /// Secret key.
    pub secret_key: String,
}

/// All three.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// PostgreSQL.
    pub database: DatabaseEndpoint,
    /// RabbitMQ.
    pub broker: BrokerEndpoint,
    /// The staging bucket.
    pub staging: StagingEndpoint,
}

impl DatabaseEndpoint {
    /// `postgres://user:password@host:port/database`.
    pub fn url(&self) -> String {
        let Self { host, port, user, password, database } = self;
        format!("postgres://{user}:{password}@{host}:{port}/{database}")
    }
}

impl StagingEndpoint {
    /// For a client of it.
    pub fn config(&self) -> StagingConfig {
        StagingConfig {
            endpoint: self.endpoint.clone(),
            tls: self.tls.clone(),
            region: self.region.clone(),
            bucket: self.bucket.clone(),
            prefix: self.prefix.clone(),
            access_key: self.access_key.clone(),
            secret_key: self.secret_key.clone().into(),
            request_timeout_s: 20,
            attempts_max: 2,
        }
    }
}

impl BrokerEndpoint {
    /// The password of one of our own broker users (coordinator, servers). Users belong to the
    /// whole broker, not to a virtual host; so clusters that share a broker must agree, and do,
    /// because it follows from the administrator's password.
    pub fn password_of(&self, user: &str) -> String {
        let material = format!("{}\0{user}", self.admin_password);
        let key = blake3::derive_key("tourbus local stack, broker users, v1", material.as_bytes());
        hex::encode(&key[..16])
    }
}

impl Endpoints {
    /// The same parts for a cluster of its own: database, virtual host and prefix have this
    /// name. A name is 1 to 60 of `a-z`, `0-9` and `_`.
    pub fn named(&self, name: &str) -> Result<Self, LocalError> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(plain) {
            return Err(LocalError::Invalid(format!(
                "{name:?} cannot name a cluster on shared parts: use 1 to {NAME_BYTES_MAX} of \
                 a-z, 0-9 and _"
            )));
        }
        let mut named = self.clone();
        name.clone_into(&mut named.database.database);
        name.clone_into(&mut named.broker.vhost);
        named.staging.prefix = format!("{name}/");
        Ok(named)
    }

    /// Creates the database and the virtual host if they are missing.
    pub async fn prepare(&self) -> Result<(), LocalError> {
        database::create(&self.database).await?;
        self.vhost_request(reqwest::Method::PUT, "vhosts").await?;
        self.permit_admin().await
    }

    /// Drops the database, with whoever is connected, and the virtual host with all its queues.
    /// What is staged stays.
    pub async fn remove(&self) -> Result<(), LocalError> {
        database::remove(&self.database).await?;
        self.vhost_request(reqwest::Method::DELETE, "vhosts").await
    }

    async fn vhost_request(&self, method: reqwest::Method, kind: &str) -> Result<(), LocalError> {
        let url = format!("{}/api/{kind}/{}", self.broker.management_url, self.vhost());
        self.send(self.http()?.request(method, url)).await
    }

    async fn permit_admin(&self) -> Result<(), LocalError> {
        let user = &self.broker.admin_user;
        let url = format!("{}/api/permissions/{}/{user}", self.broker.management_url, self.vhost());
        let all = serde_json::json!({ "configure": ".*", "write": ".*", "read": ".*" });
        self.send(self.http()?.put(url).json(&all)).await
    }

    fn http(&self) -> Result<reqwest::Client, LocalError> {
        let BrokerEndpoint { management_url, tls, .. } = &self.broker;
        let client = tourbus_http::client(management_url, None, ANSWER_MAX, tls);
        client.map_err(|e| LocalError::Management(e.to_string()))
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<(), LocalError> {
        let request =
            request.basic_auth(&self.broker.admin_user, Some(&self.broker.admin_password));
        let sent = request.send().await;
        let answer = sent.map_err(|e| LocalError::Management(e.to_string()))?;
        let status = answer.status();
        if status.is_success() || status == 404 {
            return Ok(());
        }
        let body = answer.text().await.unwrap_or_default();
        Err(LocalError::Management(format!("{status} {body}")))
    }

    fn vhost(&self) -> String {
        self.broker.vhost.replace('/', "%2F")
    }
}

impl fmt::Debug for DatabaseEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{}", self.host, self.port, self.database)
    }
}

impl fmt::Debug for BrokerEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} vhost {}", self.address, self.vhost)
    }
}

impl fmt::Debug for StagingEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.endpoint, self.bucket, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints() -> Endpoints {
        let text = |s: &str| s.to_owned();
        Endpoints {
            database: DatabaseEndpoint {
                host: text("127.0.0.1"),
                port: 1,
                user: text("u"),
                password: text("p4ssw0rd"),
                database: text("d"),
            },
            broker: BrokerEndpoint {
                address: text("127.0.0.1:2"),
                tls: ClientTlsConfig::default(),
                management_url: text("http://127.0.0.1:3"),
                admin_user: text("a"),
                admin_password: text("p4ssw0rd"),
                vhost: text("/"),
            },
            staging: StagingEndpoint {
                endpoint: text("http://127.0.0.1:4"),
                tls: ClientTlsConfig::default(),
                region: text("r"),
                bucket: text("b"),
                prefix: String::new(),
                access_key: text("k"),
                secret_key: text("p4ssw0rd"),
            },
        }
    }

    #[test]
    fn clusters_on_shared_parts_are_apart_and_agree_on_users() {
        let (one, two) = (endpoints().named("one").unwrap(), endpoints().named("two").unwrap());
        assert_eq!(one.database.url(), "postgres://u:p4ssw0rd@127.0.0.1:1/one");
        assert_ne!(one.broker.vhost, two.broker.vhost);
        assert_eq!(one.staging.prefix, "one/");
        assert_eq!(one.broker.password_of("x"), two.broker.password_of("x"));
        assert_ne!(one.broker.password_of("x"), one.broker.password_of("y"));
        assert!(endpoints().named("No/Name").is_err());
    }

    #[test]
    fn secrets_are_not_shown() {
        assert!(!format!("{:?}", endpoints()).contains("p4ssw0rd"));
    }
}
