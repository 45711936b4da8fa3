//! The table of the API's routes, each with whom it is for and what it changes.

use super::{
    accounts, adopt, artist_change, artist_new, artists, audit, balance, balance_watch, batches,
    batches_many, dead, drain, events, grants, jobs, jobs_many, joining, lanes, lofi, moves, own,
    profiles, queues, servers, settings, tokens, verify, webhooks,
};
use crate::{
    app::App,
    auth::{
        Right,
        access::{
            Access::{self, May, Own, SignedIn, Workshop},
            Rule,
        },
    },
};
use axum::http::Method;
use serde_json::json;
use tourbus_store::Action;
use utoipa::openapi::{
    OpenApi,
    extensions::ExtensionsBuilder,
    path::{Operation, PathItem, Paths},
};
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouter},
    routes,
};

/// Where the API is.
const BASE: &str = "/api/v1";

/// Every route of the API.
pub fn table(described: OpenApi) -> (OpenApiRouter<App>, Vec<Rule>) {
    of_notifications(Table::default())
        .look(May(Right::Look), routes!(servers::list))
        .look(May(Right::Look), routes!(servers::one))
        .change(May(Right::Servers), Action::ServerCreate, routes!(servers::create))
        .change(May(Right::Servers), Action::ServerModify, routes!(servers::modify))
        .change(May(Right::Servers), Action::ServerDelete, routes!(servers::delete))
        .change(May(Right::Servers), Action::ServerDrain, routes!(drain::drain))
        .change(May(Right::Servers), Action::ServerUndrain, routes!(drain::undrain))
        .look(May(Right::Look), routes!(settings::get))
        .change(May(Right::Servers), Action::SettingsModify, routes!(settings::modify))
        .change(May(Right::Steer), Action::ServerRelease, routes!(servers::release))
        .change(May(Right::Servers), Action::ServerEnrol, routes!(joining::enrol))
        .look(May(Right::Look), routes!(joining::checks))
        .change(May(Right::Servers), Action::ServerCheck, routes!(joining::run_checks))
        .open(routes!(joining::join))
        .open(routes!(joining::take_report))
        .look(May(Right::Look), routes!(artists::list))
        .change(May(Right::Artists), Action::ArtistCreate, routes!(artist_new::create))
        .look(May(Right::Look), routes!(artists::totals))
        .look(SignedIn, routes!(artists::one))
        .look(SignedIn, routes!(artists::songs))
        .change(May(Right::Artists), Action::ArtistCreate, routes!(adopt::adopt))
        .look(Workshop, routes!(grants::grant))
        .change(May(Right::Artists), Action::ArtistModify, routes!(artist_change::modify))
        .change(May(Right::Move), Action::MoveQueue, routes!(moves::create))
        .change(May(Right::Artists), Action::LofiQueue, routes!(lofi::create))
        .look(May(Right::Look), routes!(lofi::get))
        .look(May(Right::Look), routes!(lofi::failures))
        .change(May(Right::Steer), Action::JobRetry, routes!(lofi::retry))
        .look(May(Right::Look), routes!(profiles::list))
        .change(May(Right::Servers), Action::ProfileCreate, routes!(profiles::create))
        .change(May(Right::Servers), Action::ProfileDelete, routes!(profiles::delete))
        .look(May(Right::Look), routes!(balance::get))
        .change(May(Right::Move), Action::MoveQueue, routes!(balance::create))
        .change(May(Right::Steer), Action::VerifyQueue, routes!(verify::create))
        .look(May(Right::Look), routes!(verify::get))
        .look(May(Right::Look), routes!(verify::findings))
        .change(May(Right::Steer), Action::FindingResolve, routes!(verify::resolve))
        .look(May(Right::Look), routes!(batches::list))
        .look(May(Right::Look), routes!(batches::one))
        .look(May(Right::Look), routes!(batches::refusals))
        .change(May(Right::Steer), Action::BatchCancel, routes!(batches::cancel))
        .change(May(Right::Steer), Action::BatchPause, routes!(batches::pause))
        .change(May(Right::Steer), Action::BatchResume, routes!(batches::resume))
        .change(May(Right::Steer), Action::BatchRetry, routes!(batches::retry))
        .change(May(Right::Steer), Action::BatchCancel, routes!(batches_many::cancel))
        .change(May(Right::Steer), Action::BatchPause, routes!(batches_many::pause))
        .change(May(Right::Steer), Action::BatchResume, routes!(batches_many::resume))
        .change(May(Right::Steer), Action::BatchRetry, routes!(batches_many::retry))
        .look(May(Right::Look), routes!(jobs::list))
        .look(May(Right::Look), routes!(jobs::one))
        .look(May(Right::Look), routes!(jobs::report))
        .change(May(Right::Steer), Action::JobCancel, routes!(jobs::cancel))
        .change(May(Right::Steer), Action::JobRetry, routes!(jobs::retry))
        .change(May(Right::Steer), Action::JobExpress, routes!(jobs::express))
        .change(May(Right::Steer), Action::JobCancel, routes!(jobs_many::cancel))
        .change(May(Right::Steer), Action::JobRetry, routes!(jobs_many::retry))
        .change(May(Right::Steer), Action::JobExpress, routes!(jobs_many::express))
        .look(May(Right::Look), routes!(events::stream))
        .queues()
        .look(May(Right::Look), routes!(audit::list))
        .look(May(Right::Accounts), routes!(accounts::list))
        .look(May(Right::Accounts), routes!(accounts::one))
        .change(May(Right::Accounts), Action::AccountCreate, routes!(accounts::create))
        .change(May(Right::Accounts), Action::AccountModify, routes!(accounts::modify))
        .change(May(Right::Accounts), Action::AccountDelete, routes!(accounts::delete))
        .change(May(Right::Accounts), Action::SessionCloseAll, routes!(accounts::end_sessions))
        .look(May(Right::Accounts), routes!(accounts::tokens))
        .look(SignedIn, routes!(own::account))
        .change(Own, Action::AccountPassword, routes!(own::password))
        .look(SignedIn, routes!(own::sessions))
        .change(Own, Action::SessionClose, routes!(own::end_session))
        .change(Own, Action::SessionCloseAll, routes!(own::end_sessions))
        .look(SignedIn, routes!(tokens::list))
        .change(Own, Action::TokenCreate, routes!(tokens::create))
        .change(Own, Action::TokenRevoke, routes!(tokens::revoke))
        .nested(described)
}

/// Who is told of what happens, and what watches by itself.
fn of_notifications(table: Table) -> Table {
    table
        .look(May(Right::Look), routes!(balance_watch::get))
        .change(May(Right::Servers), Action::SettingsModify, routes!(balance_watch::modify))
        .change(May(Right::Steer), Action::BalanceLook, routes!(balance_watch::run))
        .look(May(Right::Servers), routes!(webhooks::list))
        .look(May(Right::Servers), routes!(webhooks::one))
        .look(May(Right::Servers), routes!(webhooks::deliveries))
        .change(May(Right::Servers), Action::WebhookCreate, routes!(webhooks::create))
        .change(May(Right::Servers), Action::WebhookModify, routes!(webhooks::modify))
        .change(May(Right::Servers), Action::WebhookDelete, routes!(webhooks::delete))
        .change(May(Right::Servers), Action::WebhookRotate, routes!(webhooks::rotate))
        .change(May(Right::Servers), Action::WebhookTest, routes!(webhooks::test))
        .change(May(Right::Servers), Action::WebhookResend, routes!(webhooks::send_again))
}

#[derive(Default)]
struct Table {
    router: OpenApiRouter<App>,
    rules: Vec<Rule>,
}

impl Table {
    /// What waits, and what died.
    fn queues(self) -> Self {
        self.look(May(Right::Look), routes!(queues::list))
            .look(May(Right::Look), routes!(queues::history))
            .look(May(Right::Look), routes!(queues::broker))
            .look(May(Right::Look), routes!(queues::workers))
            .change(May(Right::Steer), Action::LanePause, routes!(lanes::pause))
            .change(May(Right::Steer), Action::LaneResume, routes!(lanes::resume))
            .look(May(Right::Look), routes!(dead::list))
            .change(May(Right::Steer), Action::DeadLetterRequeue, routes!(dead::requeue))
            .change(May(Right::Steer), Action::DeadLetterDiscard, routes!(dead::discard))
            .change(May(Right::Steer), Action::DeadLetterRequeue, routes!(dead::requeue_all))
            .change(May(Right::Steer), Action::DeadLetterDiscard, routes!(dead::discard_all))
    }

    /// A route that changes nothing.
    fn look(self, access: Access, route: UtoipaMethodRouter<App>) -> Self {
        self.add(access, None, route)
    }

    /// A route for servers, which do not sign in: they have a token, or sign what they say.
    fn open(self, route: UtoipaMethodRouter<App>) -> Self {
        self.add(Access::Everybody, None, route)
    }

    /// A route that changes something that the audit log keeps.
    fn change(self, access: Access, action: Action, route: UtoipaMethodRouter<App>) -> Self {
        self.add(access, Some(action), route)
    }

    fn add(
        mut self,
        access: Access,
        action: Option<Action>,
        (schemas, mut paths, handlers): UtoipaMethodRouter<App>,
    ) -> Self {
        for (path, method, operation) in operations(&mut paths) {
            // Said in the document too, so that a script knows what its token needs.
            let told = ExtensionsBuilder::new().add("x-access", json!(access.to_string()));
            operation.extensions = Some(told.build());
            if access == Access::Everybody {
                operation.security = Some(Vec::new());
            }
            let path = format!("{BASE}{path}");
            self.rules.push(Rule { method, path, access, action });
        }
        self.router = self.router.routes((schemas, paths, handlers));
        self
    }

    fn nested(self, described: OpenApi) -> (OpenApiRouter<App>, Vec<Rule>) {
        (OpenApiRouter::with_openapi(described).nest(BASE, self.router), self.rules)
    }
}

fn operations(paths: &mut Paths) -> impl Iterator<Item = (String, Method, &mut Operation)> {
    paths.paths.iter_mut().flat_map(|(path, item)| {
        let PathItem { get, put, post, delete, patch, .. } = item;
        let all = [
            (Method::GET, get),
            (Method::PUT, put),
            (Method::POST, post),
            (Method::DELETE, delete),
            (Method::PATCH, patch),
        ];
        all.into_iter().filter_map(|(m, o)| Some((path.clone(), m, o.as_mut()?)))
    })
}
