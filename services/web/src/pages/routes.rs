//! The table of page routes, each with whom it is for and what it changes. The router is built
//! from it, so no page can be forgotten.

use super::{
    accounts, artist, artist_new, audit, balance, balance_watch, batch, batches, batches_many,
    dead, home, job, jobs, jobs_many, joining, lane, lofi, move_artists, move_check, move_news,
    overview as overview_page, own, queues,
    servers::{delete, drain, form, overview},
    settings, sign_in, sign_up, verify, webhooks, workshop,
};
use crate::{
    app::App,
    auth::{
        Right,
        access::{
            Access::{self, Everybody, May, Own, SignedIn, Workshop},
            Rule,
        },
        visitor,
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
    let mut table = public();
    table.extend(of_the_cluster());
    table.extend(of_queues());
    table.extend(of_lofi());
    table.extend(of_verify());
    table.extend(of_webhooks());
    table.extend(of_accounts());
    table
}

/// For listeners, artists, and whoever is not known yet.
fn public() -> Vec<Route> {
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
        look("/sign-up", Everybody, sign_up::page),
        change("/sign-up", Everybody, Action::AccountCreate, sign_up::submit),
        look("/visitor", Everybody, visitor::answer),
        look("/workshop", SignedIn, workshop::list),
        look("/workshop/{slug}", Workshop, workshop::page),
        change("/workshop/{slug}/notice", Workshop, Action::NoticeRead, move_news::put_away),
    ]
}

/// For those who run the cluster.
fn of_the_cluster() -> Vec<Route> {
    vec![
        look("/move", May(Right::Look), move_artists::page),
        change("/move", May(Right::Move), Action::MoveQueue, move_check::submit),
        look("/artists/new", May(Right::Artists), artist_new::page),
        change("/artists/new", May(Right::Artists), Action::ArtistCreate, artist_new::submit),
        look("/artists/{id}", May(Right::Look), artist::page),
        change("/artists/{id}/lofi", May(Right::Artists), Action::LofiQueue, artist::convert),
        change(
            "/artists/{id}/lofi-profile",
            May(Right::Artists),
            Action::ArtistModify,
            artist::choose_profile,
        ),
        look("/overview", May(Right::Look), overview_page::page),
        look("/balance", May(Right::Look), balance::page),
        change("/balance", May(Right::Move), Action::MoveQueue, balance::queue),
        change("/balance/watch", May(Right::Servers), Action::SettingsModify, balance_watch::set),
        change("/balance/look", May(Right::Steer), Action::BalanceLook, balance_watch::look),
        look("/batches", May(Right::Look), batches::list),
        change("/batches/pause", May(Right::Steer), Action::BatchPause, batches_many::pause),
        change("/batches/resume", May(Right::Steer), Action::BatchResume, batches_many::resume),
        change("/batches/cancel", May(Right::Steer), Action::BatchCancel, batches_many::cancel),
        change("/batches/retry", May(Right::Steer), Action::BatchRetry, batches_many::retry),
        look("/batches/{id}", May(Right::Look), batch::page),
        look("/batches/{id}/cancel", May(Right::Steer), batch::confirm_cancel),
        change("/batches/{id}/cancel", May(Right::Steer), Action::BatchCancel, batch::cancel),
        change("/batches/{id}/pause", May(Right::Steer), Action::BatchPause, batch::pause),
        change("/batches/{id}/resume", May(Right::Steer), Action::BatchResume, batch::resume),
        change("/batches/{id}/retry", May(Right::Steer), Action::BatchRetry, batch::retry),
        look("/jobs", May(Right::Look), jobs::list),
        change("/jobs/cancel", May(Right::Steer), Action::JobCancel, jobs_many::cancel),
        change("/jobs/retry", May(Right::Steer), Action::JobRetry, jobs_many::retry),
        change("/jobs/express", May(Right::Steer), Action::JobExpress, jobs_many::express),
        look("/jobs/{id}", May(Right::Look), job::page),
        look("/jobs/{id}/report", May(Right::Look), job::report),
        change("/jobs/{id}/cancel", May(Right::Steer), Action::JobCancel, job::cancel),
        change("/jobs/{id}/retry", May(Right::Steer), Action::JobRetry, job::retry),
        change("/jobs/{id}/express", May(Right::Steer), Action::JobExpress, job::express),
        look("/servers", May(Right::Look), overview::page),
        look("/servers/new", May(Right::Servers), form::new),
        change("/servers", May(Right::Servers), Action::ServerCreate, form::create),
        look("/servers/modify", May(Right::Servers), form::pick),
        look("/servers/delete", May(Right::Servers), delete::list),
        look("/servers/{id}", May(Right::Look), overview::one),
        look("/servers/{id}/modify", May(Right::Servers), form::page),
        change("/servers/{id}/modify", May(Right::Servers), Action::ServerModify, form::modify),
        look("/servers/{id}/delete", May(Right::Servers), delete::confirm),
        change("/servers/{id}/delete", May(Right::Servers), Action::ServerDelete, delete::submit),
        look("/servers/{id}/drain", May(Right::Look), drain::page),
        change("/servers/{id}/drain", May(Right::Servers), Action::ServerDrain, drain::submit),
        change("/servers/{id}/undrain", May(Right::Servers), Action::ServerUndrain, drain::stop),
        look("/servers/{id}/checks-part", May(Right::Look), joining::part),
        change("/servers/{id}/enrolment", May(Right::Servers), Action::ServerEnrol, joining::enrol),
        change(
            "/servers/{id}/checks",
            May(Right::Servers),
            Action::ServerCheck,
            joining::run_checks,
        ),
        change(
            "/servers/{id}/release",
            May(Right::Steer),
            Action::ServerRelease,
            overview::release,
        ),
        look("/settings", May(Right::Servers), settings::page),
        change("/settings", May(Right::Servers), Action::SettingsModify, settings::submit),
        look("/audit", May(Right::Look), audit::page),
    ]
}

/// The broker's queues.
fn of_queues() -> Vec<Route> {
    let (requeue, discard) = (Action::DeadLetterRequeue, Action::DeadLetterDiscard);
    let steer = May(Right::Steer);
    vec![
        look("/queues", May(Right::Look), queues::page),
        look("/servers/{id}/lanes/{lane}/pause", steer, lane::confirm),
        change("/servers/{id}/lanes/{lane}/pause", steer, Action::LanePause, lane::pause),
        change("/servers/{id}/lanes/{lane}/resume", steer, Action::LaneResume, lane::resume),
        look("/queues/dead", May(Right::Look), dead::page),
        change("/queues/dead/requeue", steer, requeue, dead::requeue_all),
        change("/queues/dead/discard", steer, discard, dead::discard_all),
        change("/queues/dead/{id}/requeue", steer, requeue, dead::requeue),
        change("/queues/dead/{id}/discard", steer, discard, dead::discard),
    ]
}

/// Small renditions.
fn of_lofi() -> Vec<Route> {
    let profiles = May(Right::Servers);
    vec![
        look("/lofi", May(Right::Look), lofi::page),
        change("/lofi", May(Right::Artists), Action::LofiQueue, lofi::convert),
        change("/lofi/retry", May(Right::Steer), Action::JobRetry, lofi::retry_all),
        change("/lofi/failures/{id}/retry", May(Right::Steer), Action::JobRetry, lofi::retry),
        change("/lofi/profiles", profiles, Action::ProfileCreate, lofi::add_profile),
        change(
            "/lofi/profiles/{name}/delete",
            profiles,
            Action::ProfileDelete,
            lofi::delete_profile,
        ),
        change(
            "/lofi/profiles/{name}/choose",
            profiles,
            Action::SettingsModify,
            lofi::choose_profile,
        ),
    ]
}

/// Reading files back.
fn of_verify() -> Vec<Route> {
    let steer = May(Right::Steer);
    vec![
        look("/verify", May(Right::Look), verify::page),
        change("/verify", steer, Action::VerifyQueue, verify::submit),
        change("/verify/findings/{id}/resolve", steer, Action::FindingResolve, verify::resolve),
        change("/artists/{id}/verify", steer, Action::VerifyQueue, verify::of_artist),
        change("/artists/{id}/findings", steer, Action::FindingResolve, verify::resolve_all),
    ]
}

/// Who is told of what happens.
fn of_webhooks() -> Vec<Route> {
    let may = May(Right::Servers);
    vec![
        look("/webhooks", may, webhooks::list),
        change("/webhooks", may, Action::WebhookCreate, webhooks::create),
        look("/webhooks/{id}", may, webhooks::page),
        change("/webhooks/{id}", may, Action::WebhookModify, webhooks::modify),
        change("/webhooks/{id}/rotate", may, Action::WebhookRotate, webhooks::rotate),
        change("/webhooks/{id}/test", may, Action::WebhookTest, webhooks::test),
        change("/webhooks/{id}/delete", may, Action::WebhookDelete, webhooks::delete),
        change(
            "/webhooks/deliveries/{id}/send-again",
            may,
            Action::WebhookResend,
            webhooks::send_again,
        ),
    ]
}

/// One's own account, and everybody's.
fn of_accounts() -> Vec<Route> {
    vec![
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
