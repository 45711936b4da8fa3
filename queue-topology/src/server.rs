//! One server comes or goes, while the rest of the broker stays as it is.
//!
//! Unlike [`Topology::declare`], which makes the broker equal to a whole topology and removes
//! what it does not know, these touch the parts of one server only.

use crate::{
    Management, Password, Topology, TopologyError, management::part, password, server_user,
};
use serde_json::{Value, json};
use tourbus_domain::{Lane, Slug};
use tourbus_protocol::names;

/// Makes a server's six lanes, their bindings, its broker user and what that may do, and sets the
/// user's password. What is there already stays, messages included; so it can be repeated.
///
/// The exchanges and policies must have been declared before.
pub async fn add_server(
    api: &Management,
    vhost: &str,
    slug: &Slug,
    password: Password,
) -> Result<(), TopologyError> {
    let parts = Topology::of_server(vhost, slug, password);
    let v = part(vhost);
    for queue in &parts.queues {
        let body = json!({
            "durable": queue.durable, "auto_delete": queue.auto_delete,
            "arguments": queue.arguments,
        });
        api.put(&format!("queues/{v}/{}", part(&queue.name)), &body).await?;
    }
    for binding in &parts.bindings {
        let (source, destination) = (part(&binding.source), part(&binding.destination));
        let body = json!({ "routing_key": binding.routing_key, "arguments": {} });
        api.post(&format!("bindings/{v}/e/{source}/q/{destination}"), &body).await?;
    }
    for user in &parts.users {
        api.put(&format!("users/{}", part(&user.name)), &password::user_body(&user.password))
            .await?;
    }
    // Before the permission: without a topic permission every routing key is allowed.
    for topic in &parts.topic_permissions {
        let body = json!({
            "exchange": topic.exchange, "write": topic.write, "read": topic.read,
        });
        api.put(&format!("topic-permissions/{v}/{}", part(&topic.user)), &body).await?;
    }
    for permission in &parts.permissions {
        let body = json!({
            "configure": permission.configure, "write": permission.write,
            "read": permission.read,
        });
        api.put(&format!("permissions/{v}/{}", part(&permission.user)), &body).await?;
    }
    tracing::info!(server = %slug, "topology.server_added");
    Ok(())
}

/// Shuts a server out and removes its lanes with all that is on them. That it is gone already, or
/// in part, is fine; so it can be repeated.
///
/// First what the user may do in this virtual host, then the user itself, unless another virtual
/// host knows it too; both close its connections here.
pub async fn remove_server(
    api: &Management,
    vhost: &str,
    slug: &Slug,
) -> Result<(), TopologyError> {
    let (v, user) = (part(vhost), server_user(slug));
    api.delete(&format!("permissions/{v}/{}", part(&user))).await?;
    api.delete(&format!("topic-permissions/{v}/{}", part(&user))).await?;
    let elsewhere: Vec<Value> =
        api.get(&format!("users/{}/permissions", part(&user))).await?.unwrap_or_default();
    if elsewhere.is_empty() {
        api.delete_user(&user).await?;
    }
    // Connections show a few seconds late here; the broker closes those of a deleted user itself.
    api.close_connections_of(vhost, &user).await?;
    for lane in Lane::ALL {
        api.delete_queue(vhost, &names::lane_queue(slug, lane)).await?;
    }
    tracing::info!(server = %slug, "topology.server_removed");
    Ok(())
}
