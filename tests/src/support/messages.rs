//! What stands on the broker, seen and changed through its management API.

use super::Cluster;
use anyhow::Result;
use serde_json::{Value, json};
use std::process::Command;

/// Without Debian's wrapper, which would change the user.
const RABBITMQCTL: &str = "/usr/lib/rabbitmq/bin/rabbitmqctl";

impl Cluster {
    /// The broker's management API.
    pub fn management_url(&self) -> &str {
        &self.endpoints.broker.management_url
    }

    async fn management(&self, request: reqwest::RequestBuilder) -> Result<Value> {
        let broker = &self.endpoints.broker;
        let request = request.basic_auth(&broker.admin_user, Some(&broker.admin_password));
        let answer = request.send().await?.error_for_status()?;
        Ok(answer.json().await.unwrap_or(Value::Null))
    }

    pub(super) async fn queue_messages(&self, queue: &str) -> Result<u64> {
        let broker = &self.endpoints.broker;
        let url = format!("{}/api/queues/{}/{queue}", broker.management_url, broker.vhost);
        let seen = self.management(self.http.get(url)).await?;
        Ok(seen["messages"].as_u64().unwrap_or(0))
    }

    /// Messages on a lane, delivered or not, as RabbitMQ's management API tells them.
    pub async fn messages_on(&self, server: &str, lane: &str) -> u64 {
        self.queue_messages(&format!("tourbus.lane.{server}.{lane}")).await.unwrap()
    }

    /// Dead letters: those on the broker's queue, and those that the coordinator has kept.
    pub async fn dead_letters(&self) -> u64 {
        let kept = self.letters().await.len() as u64;
        kept + self.queue_messages("tourbus.dead").await.unwrap()
    }

    /// The dead letters that the coordinator has kept.
    pub async fn letters(&self) -> Vec<Value> {
        let page = self.api.get("/queues/dead?limit=1000").await.unwrap();
        page["items"].as_array().unwrap().clone()
    }

    /// The text of the first message that waits on a lane; it stays there.
    pub async fn first_message_on(&self, server: &str, lane: &str) -> String {
        let mut messages = self.get_messages(server, lane, 1, "ack_requeue_true").await;
        messages.pop().unwrap_or_else(|| panic!("no message on {server}'s lane {lane}"))
    }

    /// Takes messages off a lane for good, and returns their texts.
    pub async fn take_messages(&self, server: &str, lane: &str, n: usize) -> Vec<String> {
        self.get_messages(server, lane, n, "ack_requeue_false").await
    }

    async fn get_messages(&self, server: &str, lane: &str, n: usize, mode: &str) -> Vec<String> {
        let broker = &self.endpoints.broker;
        let url = format!(
            "{}/api/queues/{}/tourbus.lane.{server}.{lane}/get",
            broker.management_url, broker.vhost
        );
        let body = json!({ "count": n, "ackmode": mode, "encoding": "auto" });
        let seen = self.management(self.http.post(url).json(&body)).await.unwrap();
        let text = |m: &Value| m["payload"].as_str().unwrap().to_owned();
        seen.as_array().unwrap().iter().map(text).collect()
    }

    /// Publishes any bytes to a lane, as somebody with the administrator's password could.
    pub async fn publish_raw(&self, routing_key: &str, payload: &str) {
        let broker = &self.endpoints.broker;
        let url = format!(
            "{}/api/exchanges/{}/tourbus.work/publish",
            broker.management_url, broker.vhost
        );
        let body = json!({
            "properties": { "delivery_mode": 2 }, "routing_key": routing_key,
            "payload": payload, "payload_encoding": "string"
        });
        let answer = self.management(self.http.post(url).json(&body)).await.unwrap();
        assert_eq!(answer["routed"], true, "{answer}");
    }

    /// What somebody does in a shell of the private broker's machine.
    pub fn rabbitmqctl(&self, args: &[&str]) {
        let infra = self.infra.as_ref().expect("the broker is shared with other tests");
        let out = Command::new(RABBITMQCTL)
            .args(["-n", "tourbus@localhost"])
            .args(args)
            .env("HOME", infra.data_dir().join("rabbitmq"))
            .env("ERL_EPMD_PORT", infra.ports().epmd.to_string())
            .env("ERL_FLAGS", "-start_epmd false")
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "rabbitmqctl {args:?}: {told}");
    }
}
