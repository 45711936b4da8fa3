//! Create Server and Modify Server: one form, with what is wrong beside each field.

use super::{limits::TypedLimits, menu::Menu, overview::live};
use crate::{
    api::{servers as servers_api, view::ServerView},
    app::App,
    auth::Actor,
    extract::Id,
    pages::{
        chrome::{Chrome, html},
        form::Fields,
        joining,
    },
    problem::Problem,
    servers::change::{self, ServerBody, ServerPatch},
};
use askama::Template;
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use tourbus_domain::ServerId;

/// What was typed, or what is.
#[derive(Debug, Clone, Default)]
pub struct Typed {
    pub name: String,
    pub ip: String,
    pub url: String,
    pub active: bool,
    pub is_default: bool,
    /// None when the form has no such part.
    pub limits: Option<TypedLimits>,
}

impl Typed {
    fn of(fields: &Fields) -> Self {
        Self {
            name: fields.text("name").to_owned(),
            ip: fields.text("ip").to_owned(),
            url: fields.text("url").to_owned(),
            active: fields.text("active") == "1",
            is_default: fields.text("is_default") == "1",
            limits: TypedLimits::of(fields),
        }
    }

    fn body(self) -> ServerBody {
        let Self { name, ip, url, active, is_default, .. } = self;
        ServerBody { name, ip, url, active, is_default }
    }

    /// The change; and what of its limits cannot be read, which are left out then.
    fn patch(self) -> (ServerPatch, Vec<Problem>) {
        let Self { name, ip, url, active, is_default, limits } = self;
        let (limits, faults) = match limits.map(|l| l.body()).transpose() {
            Ok(limits) => (limits, Vec::new()),
            Err(faults) => (None, faults),
        };
        let patch = ServerPatch {
            name: Some(name),
            ip: Some(ip),
            url: Some(url),
            active: Some(active),
            is_default: Some(is_default),
            limits,
        };
        (patch, faults)
    }
}

impl From<&ServerView> for Typed {
    fn from(server: &ServerView) -> Self {
        Self {
            name: server.name.clone(),
            ip: server.ip.clone(),
            url: server.url.clone(),
            active: server.active,
            is_default: server.is_default,
            limits: Some(TypedLimits::from(&server.limits)),
        }
    }
}

/// The form of a new server or of one that is there.
#[derive(Template)]
#[template(path = "server_form.html")]
pub struct FormPage {
    pub chrome: Chrome,
    pub menu: Menu,
    /// None for a new server.
    pub server: Option<ServerView>,
    pub typed: Typed,
    pub problems: Vec<Problem>,
    pub saved: bool,
    /// The domain that its URL must be under.
    pub main_domain: String,
    /// A URL that would do.
    pub example: String,
    /// The name of the server that is the default now.
    pub default_now: String,
}

/// What may be wrong, from the top of the page to its end.
const FIELDS: [&str; 6] =
    ["name", "ip", "url", "limits.moves", "limits.bandwidth", "limits.disk_reserve_bytes"];

impl FormPage {
    /// What is wrong with a field; with `""`, what is wrong with none.
    pub fn at(&self, field: &str) -> Vec<&Problem> {
        let field = Some(field).filter(|f| !f.is_empty());
        self.problems.iter().filter(|p| p.field == field).collect()
    }

    /// Whether this field is the first that something is wrong with: where the page opens.
    pub fn is_first(&self, field: &str) -> bool {
        FIELDS.into_iter().find(|f| !self.at(f).is_empty()) == Some(field)
    }

    fn answer(&self) -> Result<Response, Problem> {
        let mut response = html(self)?;
        if let Some(problem) = self.problems.first() {
            *response.status_mut() = problem.status_code();
        }
        Ok(response)
    }
}

/// A URL under the main domain, in the scheme of the main site.
pub fn example(main_domain: &str, main_url: &str) -> String {
    let local = main_url.starts_with("http://");
    let (scheme, port) = if local { ("http", ":8090") } else { ("https", "") };
    if main_domain.parse::<std::net::IpAddr>().is_ok() {
        return format!("{scheme}://{main_domain}:8090");
    }
    format!("{scheme}://server4.{main_domain}{port}")
}

async fn form(
    app: &App,
    actor: &Actor,
    server: Option<ServerView>,
    typed: Typed,
    problems: Vec<Problem>,
) -> Result<FormPage, Problem> {
    let cluster = &app.config.cluster;
    let default_now = live(app).await?.into_iter().find(|s| s.is_default).map(|s| s.name);
    let (here, title) = match &server {
        None => ("create", "Create Server".to_owned()),
        Some(server) => ("modify", format!("Modify {}", server.name)),
    };
    Ok(FormPage {
        chrome: Chrome::of(actor, "servers", title),
        menu: Menu::of(app, actor, here).await?,
        server,
        typed,
        problems,
        saved: false,
        main_domain: cluster.main_domain.clone(),
        example: example(&cluster.main_domain, &cluster.main_url),
        default_now: default_now.unwrap_or_default(),
    })
}

/// The empty form.
pub async fn new(State(app): State<App>, actor: Actor) -> Result<Response, Problem> {
    let typed = Typed { active: true, ..Typed::default() };
    form(&app, &actor, None, typed, Vec::new()).await?.answer()
}

/// What broke rather than being wrong goes to the page of errors.
fn mendable(problems: Vec<Problem>) -> Result<Vec<Problem>, Problem> {
    let broke = |p: &Problem| p.status >= 500 || matches!(p.status, 401 | 403 | 404);
    match problems.iter().find(|p| broke(p)) {
        Some(problem) => Err(problem.clone()),
        None => Ok(problems),
    }
}

/// Creates a server, and shows the command that lets it join.
pub async fn create(
    State(app): State<App>,
    actor: Actor,
    fields: Fields,
) -> Result<Response, Problem> {
    let typed = Typed::of(&fields);
    match change::create_or_all(&app, &actor, &typed.clone().body()).await {
        Ok(id) if app.joining.is_some() => joining::enrol(State(app), actor, Id(id)).await,
        Ok(id) => Ok(Redirect::to(&format!("/servers/{id}")).into_response()),
        Err(problems) => {
            let problems = mendable(problems)?;
            form(&app, &actor, None, typed, problems).await?.answer()
        }
    }
}

#[derive(Template)]
#[template(path = "servers_modify.html")]
struct PickPage {
    chrome: Chrome,
    menu: Menu,
    servers: Vec<ServerView>,
}

/// Which server?
pub async fn pick(State(app): State<App>, actor: Actor) -> Result<Response, Problem> {
    html(&PickPage {
        chrome: Chrome::of(&actor, "servers", "Modify Server"),
        menu: Menu::of(&app, &actor, "modify").await?,
        servers: live(&app).await?,
    })
}

/// The form of one server.
pub async fn page(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<ServerId>,
) -> Result<Response, Problem> {
    let server = servers_api::read(&app, id).await?;
    let typed = Typed::from(&server);
    form(&app, &actor, Some(server), typed, Vec::new()).await?.answer()
}

/// Changes a server.
pub async fn modify(
    State(app): State<App>,
    actor: Actor,
    Id(id): Id<ServerId>,
    fields: Fields,
) -> Result<Response, Problem> {
    let typed = Typed::of(&fields);
    let (patch, faults) = typed.clone().patch();
    let changed = if faults.is_empty() {
        change::modify_or_all(&app, &actor, id, &patch).await
    } else {
        let others = change::looked_at(&app, &actor, id, &patch).await.err();
        Err(others.into_iter().flatten().chain(faults).collect())
    };
    let problems = match changed {
        Ok(()) => Vec::new(),
        Err(problems) => mendable(problems)?,
    };
    let server = servers_api::read(&app, id).await?;
    let saved = problems.is_empty();
    let typed = if saved { Typed::from(&server) } else { typed };
    let mut page = form(&app, &actor, Some(server), typed, problems).await?;
    page.saved = saved;
    let response = page.answer()?;
    debug_assert!(!saved || response.status() == StatusCode::OK);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::example;

    #[test]
    fn the_example_would_do() {
        let site = |main_domain: &str, main_url: &str| tourbus_domain::Site {
            main_domain: main_domain.to_owned(),
            main_url: main_url.to_owned(),
            allow_plain_http: false,
        };
        for (domain, url) in [
            ("example.org", "https://example.org"),
            ("tourbus.localhost", "http://tourbus.localhost:8080"),
            ("127.0.0.1", "http://127.0.0.1:8080"),
        ] {
            let text = example(domain, url);
            assert!(tourbus_domain::server_url(&text, &site(domain, url), false).is_ok(), "{text}");
        }
    }
}
