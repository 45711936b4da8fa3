//! Making a token, and the command that uses it.

use super::{MAIN_CA_FILE, not_set_up};
use crate::{
    app::App,
    auth::{Actor, Right},
    problem::Problem,
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use tourbus_config::{BrokerPlace, Way, is_readable};
use tourbus_domain::ServerId;
use tourbus_protocol::agent::Settings;
use tourbus_store::{Action, Deed, Enrolled};
use utoipa::ToSchema;

/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;

/// A fresh token. It is told here once, and never again.
#[derive(Serialize, ToSchema)]
#[schema(as = Enrolment)]
pub struct EnrolmentView {
    /// Lets one server in, once.
    pub token: String,
    /// Until when.
    pub expires_at: DateTime<Utc>,
    /// What to run on the new machine; carries the token.
    pub command: String,
}

/// Makes a token for a server; any earlier one is void.
pub async fn enrol(app: &App, actor: &Actor, id: ServerId) -> Result<EnrolmentView, Problem> {
    actor.require(Right::Servers)?;
    let joining = app.joining.as_ref().ok_or_else(not_set_up)?;
    let token = format!("tbj_{}", hex::encode(rand::random::<[u8; TOKEN_BYTES]>()));
    let by = &actor.account.email;
    let expires_at = match app.store.enrol(id, &token, joining.token_ttl_s, by).await? {
        Enrolled::Made { expires_at } => expires_at,
        Enrolled::NoServer => return Err(Problem::not_found("server", id)),
        Enrolled::Master => {
            return Err(Problem::conflict(
                "master_joins_nobody",
                "The master is the cluster: it has nothing to join.",
            ));
        }
    };
    let detail = json!({ "expires_at": expires_at });
    let deed = Deed::done(&actor.by(), Action::ServerEnrol, format!("server:{id}"));
    app.store.record(&[deed.detail(detail)]).await?;
    let server = app.store.server(id).await?.ok_or_else(|| Problem::not_found("server", id))?;
    let command = command(&joining.settings, &token, &server.url);
    Ok(EnrolmentView { token, expires_at, command })
}

/// What to run on the new machine. What this master was told may be unencrypted is said there in
/// so many words, and nothing else.
fn command(settings: &Settings, token: &str, server_url: &str) -> String {
    let main_url = &settings.main_url;
    let (cacert, ca) = match settings.main_ca {
        Some(_) => (format!(" --cacert {MAIN_CA_FILE}"), format!("TOURBUS_CA={MAIN_CA_FILE} ")),
        None => (String::new(), String::new()),
    };
    let readable: Vec<&str> = readable(settings, server_url).into_iter().map(Way::as_str).collect();
    let allowed = match readable.as_slice() {
        [] => String::new(),
        ways => format!(" -s -- --allow-unencrypted {}", ways.join(",")),
    };
    format!("curl -fsS{cacert} {main_url}/join.sh | sudo {ca}TOURBUS_TOKEN={token} sh{allowed}")
}

/// What of this server goes unencrypted beyond its machine.
fn readable(settings: &Settings, server_url: &str) -> Vec<Way> {
    let url = |url: &str| is_readable(url).unwrap_or(false);
    let broker = settings.broker.as_ref();
    let broker = broker.and_then(|b| BrokerPlace::parse(&b.address).ok());
    [
        (Way::MainUrl, url(&settings.main_url)),
        (Way::Broker, broker.is_some_and(|place| place.is_readable())),
        (Way::Staging, url(&settings.staging.endpoint)),
        (Way::ServerUrl, url(server_url)),
        (Way::Listen, url(server_url)),
    ]
    .into_iter()
    .filter_map(|(way, readable)| readable.then_some(way))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tourbus_protocol::agent::{BrokerPlace as Place, StagingAccess};

    fn settings(main_url: &str, broker: &str, endpoint: &str) -> Settings {
        let text = |s: &str| s.to_owned();
        Settings {
            main_domain: text("a.example"),
            main_url: text(main_url),
            main_ca: None,
            broker: Some(Place { address: text(broker), ca: None }),
            master_public_keys: Vec::new(),
            visitor_public_keys: Vec::new(),
            staging: StagingAccess {
                endpoint: text(endpoint),
                ca: None,
                region: text("r"),
                bucket: text("b"),
                prefix: String::new(),
                access_key: text("k"),
                secret_key: text("s"),
            },
        }
    }

    #[test]
    fn only_what_is_unencrypted_is_allowed_to_be() {
        let all = settings("https://a.example", "amqps://rabbit", "https://s3.example");
        assert_eq!(
            command(&all, "tbj_1", "https://server4.a.example"),
            "curl -fsS https://a.example/join.sh | sudo TOURBUS_TOKEN=tbj_1 sh"
        );
        let here = settings("http://a.localhost:1", "127.0.0.1:2", "http://[::1]:3");
        assert!(command(&here, "t", "http://b.localhost:4").ends_with("TOURBUS_TOKEN=t sh"));
        let none = settings("http://a.example", "rabbit:5672", "http://s3.example");
        let told = command(&none, "t", "http://server4.a.example");
        let ways = "-s -- --allow-unencrypted main_url,broker,staging,server_url,listen";
        assert!(told.ends_with(ways), "{told}");
        let mut private = all;
        private.main_ca = Some("-----BEGIN".to_owned());
        assert_eq!(
            command(&private, "t", "https://server4.a.example"),
            "curl -fsS --cacert main-ca.pem https://a.example/join.sh | \
             sudo TOURBUS_CA=main-ca.pem TOURBUS_TOKEN=t sh"
        );
    }
}
