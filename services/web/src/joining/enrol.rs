//! Making a token, and the command that uses it.

use super::not_set_up;
use crate::{
    app::App,
    auth::{Actor, Right},
    problem::Problem,
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use tourbus_domain::ServerId;
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
    let main_url = &app.config.cluster.main_url;
    let command = format!("curl -fsS {main_url}/join.sh | sudo TOURBUS_TOKEN={token} sh");
    Ok(EnrolmentView { token, expires_at, command })
}
