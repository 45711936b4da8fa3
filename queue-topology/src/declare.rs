//! Doctor and declare.

use crate::{
    Change, Difference, Management, Topology, TopologyError, compare::compare, difference::Mend,
    management::part, password, seen::Seen,
};
use serde_json::{Value, json};

/// Rounds of looking and mending: what belongs to a missing virtual host shows in the second.
const ROUNDS_MAX: usize = 3;

impl Topology {
    /// What differs between the broker and this topology; empty when all is well.
    pub async fn doctor(&self, api: &Management) -> Result<Vec<Difference>, TopologyError> {
        Ok(compare(self, &Seen::look(api, &self.vhost).await?))
    }

    /// Makes the broker equal to this topology, as far as no message is lost by it, and tells
    /// what was done and what was left. Does nothing where nothing differs. When it fails
    /// half-way, run it again.
    pub async fn declare(&self, api: &Management) -> Result<Vec<Change>, TopologyError> {
        let mut changes: Vec<Change> = Vec::new();
        for _ in 0..ROUNDS_MAX {
            let left = |d: &Difference| changes.iter().any(|c| c.is_left() && c.difference() == d);
            let differences = self.doctor(api).await?;
            let todo: Vec<Difference> = differences.into_iter().filter(|d| !left(d)).collect();
            if todo.is_empty() {
                break;
            }
            for difference in todo {
                changes.push(mend(api, difference).await?);
            }
        }
        Ok(changes)
    }
}

async fn mend(api: &Management, difference: Difference) -> Result<Change, TopologyError> {
    match &difference.mend {
        Mend::Put { path, body } => api.put(path, body).await?,
        Mend::PutUser { user, password } => {
            let path = format!("users/{}", part(user));
            api.put(&path, &password::user_body(password)).await?;
        }
        Mend::Post { path, body } => drop(api.post(path, body).await?),
        Mend::Delete { path } => api.delete(path).await?,
        Mend::DeleteQueue { vhost, queue } => {
            if let Some(why) = in_use(api, vhost, queue).await? {
                return Ok(Change::Left(difference, why));
            }
            api.delete(&format!("queues/{}/{}", part(vhost), part(queue))).await?;
        }
        Mend::DeleteUser { user } => {
            // Users are shared by all virtual hosts: another cluster may need it.
            let path = format!("users/{}/permissions", part(user));
            let elsewhere: Vec<Value> = api.get(&path).await?.unwrap_or_default();
            if elsewhere.is_empty() {
                api.delete(&format!("users/{}", part(user))).await?;
            }
        }
        Mend::ByHand => {
            let why = difference.remedy.clone();
            return Ok(Change::Left(difference, why));
        }
    }
    tracing::debug!(change = %difference.what, "topology.mended");
    Ok(Change::Mended(difference))
}

/// Why a queue must not be deleted, if it must not. Quorum queues know no `if-empty`, and the
/// management API's counts lag by seconds, so it is asked for a message, which goes back.
async fn in_use(
    api: &Management,
    vhost: &str,
    queue: &str,
) -> Result<Option<String>, TopologyError> {
    let path = format!("queues/{}/{}", part(vhost), part(queue));
    let stats: Value = api.get(&path).await?.unwrap_or_default();
    let count = |key: &str| stats.get(key).and_then(Value::as_u64).unwrap_or(0);
    if count("consumers") > 0 {
        return Ok(Some("somebody consumes it: stop that server's workers first".to_owned()));
    }
    let get = format!("{path}/get");
    let ask =
        json!({"count": 1, "ackmode": "ack_requeue_true", "encoding": "base64", "truncate": 1});
    let response = api.post(&get, &ask).await?;
    let found: Vec<Value> = api.read(&get, response).await?;
    let holds = !found.is_empty() || count("messages") > 0;
    Ok(holds
        .then(|| "it holds messages: consume or purge them first, then declare again".to_owned()))
}
