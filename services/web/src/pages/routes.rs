//! The table of page routes, each with whom it is for and what it changes. The router is built
//! from it, so no page can be forgotten.

use super::{
    accounts, artist_new, audit, batch, home, job, jobs, joining, move_artists, move_check, own,
    queues,
    servers::{delete, drain, form, overview},
    settings, sign_in,
};
use crate::{
    app::App,
    auth::{
        Right,
        access::{
            Access::{self, Everybody, May, Own, SignedIn},
            Rule,
        },
    },
    front_door,
    joining::{binary, script},
};
use axum::{
    Router,
    handler::Handler,
    http::Method,
    routing::{MethodRouter, get, post},
};
use tourbus_store::Action;

/// A page route: its rule and its handler.
struct Route {
    rule: Rule,
    handler: MethodRouter<App>,
}

/// A page that changes nothing.
fn look<T: 'static>(path: &str, access: Access, handler: impl Handler<T, App>) -> Route {
    let rule = Rule { method: Method::GET, path: path.to_owned(), access, action: None };
    Route { rule, handler: get(handler) }
}

/// A form that changes something that the audit log keeps.
fn change<T: 'static>(
    path: &str,
    access: Access,
    action: Action,
    handler: impl Handler<T, App>,
) -> Route {
    let action = Some(action);
    let rule = Rule { method: Method::POST, path: path.to_owned(), access, action };
    Route { rule, handler: post(handler) }
}

fn table() -> Vec<Route> {
    vec![
        look("/", Everybody, home::page),
        look("/a/{slug}", Everybody, front_door::open),
        look("/a/{slug}/", Everybody, front_door::open),
        look("/a/{slug}/{*path}", Everybody, front_door::open),
        look("/join.sh", Everybody, script::script),
        look("/join/tourbus", Everybody, binary::download),
        look("/sign-in", Everybody, sign_in::page),
        change("/sign-in", Everybody, Action::SessionOpen, sign_in::submit),
        change("/sign-out", SignedIn, Action::SessionClose, sign_in::sign_out),
        look("/move", SignedIn, move_artists::page),
        change("/move", May(Right::Move), Action::MoveQueue, move_check::submit),
        look("/artists/new", May(Right::Artists), artist_new::page),
        change("/artists/new", May(Right::Artists), Action::ArtistCreate, artist_new::submit),
        look("/batches", SignedIn, batch::list),
        look("/batches/{id}", SignedIn, batch::page),
        look("/batches/{id}/cancel", May(Right::Steer), batch::confirm_cancel),
        change("/batches/{id}/cancel", May(Right::Steer), Action::BatchCancel, batch::cancel),
        change("/batches/{id}/retry", May(Right::Steer), Action::BatchRetry, batch::retry),
        look("/jobs", SignedIn, jobs::list),
        look("/jobs/{id}", SignedIn, job::page),
        change("/jobs/{id}/cancel", May(Right::Steer), Action::JobCancel, job::cancel),
        change("/jobs/{id}/retry", May(Right::Steer), Action::JobRetry, job::retry),
        change("/jobs/{id}/express", May(Right::Steer), Action::JobExpress, job::express),
        look("/servers", SignedIn, overview::page),
        look("/servers/new", May(Right::Servers), form::new),
        change("/servers", May(Right::Servers), Action::ServerCreate, form::create),
        look("/servers/modify", May(Right::Servers), form::pick),
        look("/servers/delete", May(Right::Servers), delete::list),
        look("/servers/{id}", SignedIn, overview::one),
        look("/servers/{id}/modify", May(Right::Servers), form::page),
        change("/servers/{id}/modify", May(Right::Servers), Action::ServerModify, form::modify),
        look("/servers/{id}/delete", May(Right::Servers), delete::confirm),
        change("/servers/{id}/delete", May(Right::Servers), Action::ServerDelete, delete::submit),
        look("/servers/{id}/drain", SignedIn, drain::page),
        change("/servers/{id}/drain", May(Right::Servers), Action::ServerDrain, drain::submit),
        change("/servers/{id}/undrain", May(Right::Servers), Action::ServerUndrain, drain::stop),
        look("/servers/{id}/checks-part", SignedIn, joining::part),
        change("/servers/{id}/enrolment", May(Right::Servers), Action::ServerEnrol, joining::enrol),
        change(
            "/servers/{id}/checks",
            May(Right::Servers),
            Action::ServerCheck,
            joining::run_checks,
        ),
        change(
            "/servers/{id}/release",
            May(Right::Servers),
            Action::ServerRelease,
            overview::release,
        ),
        look("/settings", May(Right::Servers), settings::page),
        change("/settings", May(Right::Servers), Action::SettingsModify, settings::submit),
        look("/queues", SignedIn, queues::page),
        look("/audit", SignedIn, audit::page),
        look("/account", SignedIn, own::page),
        change("/account/password", Own, Action::AccountPassword, own::password),
        change("/account/sessions/{id}/end", Own, Action::SessionClose, own::end_session),
        change("/account/sign-out-everywhere", Own, Action::SessionCloseAll, own::end_sessions),
        change("/account/tokens", Own, Action::TokenCreate, own::create_token),
        change("/account/tokens/{id}/revoke", Own, Action::TokenRevoke, own::revoke_token),
        look("/accounts", May(Right::Accounts), accounts::list),
        look("/accounts/new", May(Right::Accounts), accounts::new),
        change("/accounts", May(Right::Accounts), Action::AccountCreate, accounts::create),
        look("/accounts/{id}", May(Right::Accounts), accounts::page),
        change("/accounts/{id}", May(Right::Accounts), Action::AccountModify, accounts::modify),
        look("/accounts/{id}/delete", May(Right::Accounts), accounts::confirm_delete),
        change(
            "/accounts/{id}/delete",
            May(Right::Accounts),
            Action::AccountDelete,
            accounts::delete,
        ),
        change(
            "/accounts/{id}/sign-out",
            May(Right::Accounts),
            Action::SessionCloseAll,
            accounts::sign_out,
        ),
    ]
}

/// Whom each page is for.
pub fn rules() -> Vec<Rule> {
    table().into_iter().map(|route| route.rule).collect()
}

/// Every page, bare: the caller puts the guard around it.
pub fn router() -> Router<App> {
    table()
        .into_iter()
        .fold(Router::new(), |router, Route { rule, handler }| router.route(&rule.path, handler))
}
