//! The entries of the Servers menu, for this person and at this moment.

use crate::{
    app::App,
    auth::{Actor, Right},
    problem::Problem,
};

/// What `_servers_menu.html` shows.
#[derive(Debug, Clone, Default)]
pub struct Menu {
    /// Which entry the page belongs to: `overview`, `create`, `modify`, `delete`, `settings`, `webhooks` or none.
    pub here: &'static str,
    /// Whether this person may change servers.
    pub may: bool,
    /// Whether there is room for one more.
    pub create: bool,
    /// Why there is none; empty if there is.
    pub full: String,
}

impl Menu {
    /// For somebody, on a page.
    pub async fn of(app: &App, actor: &Actor, here: &'static str) -> Result<Self, Problem> {
        let may = actor.may(Right::Servers);
        let room = app.store.server_room().await?;
        let full = match room.limit.filter(|_| room.is_full()) {
            Some(limit) if may => format!("Server limit reached: {} of {limit}", room.servers),
            _ => String::new(),
        };
        Ok(Self { here, may, create: may && full.is_empty(), full })
    }
}
