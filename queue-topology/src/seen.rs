//! What there is on the broker, as far as it is ours or near ours.

use crate::{
    Management, TopologyError,
    management::part,
    parts::{Exchange, Permission, Policy, Queue, TopicPermission},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// A snapshot of one virtual host and of the users; empty where the virtual host is missing.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) vhost_exists: bool,
    pub(crate) exchanges: Vec<Exchange>,
    pub(crate) queues: Vec<Queue>,
    pub(crate) bindings: Vec<SeenBinding>,
    pub(crate) policies: Vec<Policy>,
    pub(crate) users: Vec<SeenUser>,
    pub(crate) permissions: Vec<Permission>,
    pub(crate) topic_permissions: Vec<TopicPermission>,
}

/// A binding, with the handle that deletes it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct SeenBinding {
    pub(crate) source: String,
    pub(crate) destination: String,
    pub(crate) destination_type: String,
    pub(crate) routing_key: String,
    pub(crate) arguments: Map<String, Value>,
    pub(crate) properties_key: String,
}

/// A user as the broker keeps it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct SeenUser {
    pub(crate) name: String,
    pub(crate) password_hash: String,
    pub(crate) hashing_algorithm: String,
    #[serde(deserialize_with = "tags")]
    pub(crate) tags: Vec<String>,
}

/// A list since 3.9, text with commas before.
fn tags<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Tags {
        List(Vec<String>),
        Text(String),
    }
    Ok(match Tags::deserialize(d)? {
        Tags::List(list) => list,
        Tags::Text(text) => text.split(',').filter(|t| !t.is_empty()).map(str::to_owned).collect(),
    })
}

impl Seen {
    pub(crate) async fn look(api: &Management, vhost: &str) -> Result<Self, TopologyError> {
        let v = part(vhost);
        let users = list(api, "users".to_owned()).await?;
        if api.get::<Value>(&format!("vhosts/{v}")).await?.is_none() {
            return Ok(Self { users, ..Self::default() });
        }
        Ok(Self {
            vhost_exists: true,
            exchanges: list(api, format!("exchanges/{v}")).await?,
            queues: list(api, format!("queues/{v}?columns=name,durable,auto_delete,arguments"))
                .await?,
            bindings: list(api, format!("bindings/{v}")).await?,
            policies: list(api, format!("policies/{v}")).await?,
            users,
            permissions: list(api, format!("vhosts/{v}/permissions")).await?,
            topic_permissions: list(api, format!("vhosts/{v}/topic-permissions")).await?,
        })
    }
}

async fn list<T: DeserializeOwned>(
    api: &Management,
    path: String,
) -> Result<Vec<T>, TopologyError> {
    Ok(api.get(&path).await?.unwrap_or_default())
}
