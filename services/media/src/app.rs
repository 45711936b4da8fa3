//! One request: which route, which answer.

use crate::{
    MediaError, answer,
    body::Pool,
    counters::{Counters, Route},
    file,
    hifi::Words,
    identity::Identity,
    page,
    plays::Plays,
    request_path::{self, Asked},
    workshop::{self, Inspector, Turns},
};
use axum::{Router, body::Body};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use std::{net::IpAddr, path::PathBuf, sync::Arc, time::Instant};
use tourbus_config::{MediaConfig, Network};
use tourbus_domain::Slug;
use tourbus_http::forwarded::{self, FORWARDED};
use tourbus_mediaroot::MediaRoot;
use tourbus_protocol::visitor::VisitorKeys;
use tower::ServiceExt as _;

/// What every request needs.
pub(crate) struct App {
    /// The media root.
    pub(crate) root: MediaRoot,
    /// Base URL of the master's front door.
    pub(crate) main_url: String,
    /// The content security policy of pages.
    pub(crate) page_policy: HeaderValue,
    /// Which server this is.
    pub(crate) server: Slug,
    /// The origin of the master's pages.
    pub(crate) main_origin: HeaderValue,
    /// Whose word is taken for who somebody is.
    pub(crate) visitors: VisitorKeys,
    /// Whose turn it is at an upload.
    pub(crate) turns: Turns,
    /// Looks at what was uploaded.
    pub(crate) inspector: Inspector,
    /// What artists say of their originals.
    pub(crate) words: Words,
    /// What is counted.
    pub(crate) counters: Arc<Counters>,
    /// Buffers of streams.
    pub(crate) pool: Arc<Pool>,
    /// Counts plays; none when the media root cannot be written.
    pub(crate) plays: Option<Arc<Plays>>,
    trusted_proxies: Vec<Network>,
    identity: Identity,
    others: Router,
}

impl App {
    /// From the configuration; `others` answers what is no media path.
    pub(crate) fn new(
        config: &MediaConfig,
        others: Router,
        plays: Option<Arc<Plays>>,
    ) -> Result<Self, MediaError> {
        let visitors = VisitorKeys::from_hex(&config.visitor_public_keys)
            .map_err(|e| MediaError::VisitorKey(e.to_string()))?;
        // This very program, even when its file has been replaced.
        let program = PathBuf::from("/proc/self/exe");
        Ok(Self {
            server: config.server.clone(),
            main_origin: page::origin(&config.cluster.main_url)?,
            visitors,
            turns: Turns::default(),
            words: Words::default(),
            inspector: Inspector::new(config.inspector.clone().unwrap_or(program)),
            root: MediaRoot::new(&config.media_root),
            main_url: config.cluster.main_url.clone(),
            page_policy: page::policy(&config.cluster)?,
            counters: Arc::new(Counters::new()),
            pool: Arc::default(),
            plays,
            trusted_proxies: config.trusted_proxies.clone(),
            identity: Identity::new(config)?,
            others,
        })
    }

    /// Answers a request; never fails.
    pub(crate) async fn answer(
        self: &Arc<Self>,
        request: Request<Incoming>,
        peer: IpAddr,
    ) -> Response<Body> {
        let begun = Instant::now();
        let path = request.uri().path();
        let ours = path.strip_prefix("/artists/").map(request_path::parse);
        let get = matches!(*request.method(), Method::GET | Method::HEAD);
        if let Some(Asked::Workshop(slug, place)) = ours {
            let response = workshop::answer(self, request, slug, place).await;
            self.counters.answered(Route::Workshop, response.status(), begun.elapsed());
            return response;
        }
        let route = match ours {
            Some(Asked::File(..)) => Route::File,
            Some(Asked::Page(_)) => Route::Page,
            _ => Route::Other,
        };
        let response = match ours {
            Some(_) if !get => not_allowed(),
            Some(Asked::File(slug, path)) => file::answer(self, &request, peer, slug, path).await,
            Some(Asked::Page(slug)) => page::answer(self, &request, slug).await,
            // Answered above.
            Some(Asked::Workshop(..) | Asked::Nothing) => page::not_found(self),
            Some(Asked::Malformed) => answer::sentence(
                StatusCode::BAD_REQUEST,
                "This is not a path of an artist's files.\n",
            ),
            None => match request.uri().path() {
                "/" if get => self.front_door(),
                "/.well-known/tourbus" if get => self.identity.answer(request.uri().query()),
                page::STYLE_PATH if get => page::style(),
                page::PLAYER_PATH if get => page::player(),
                page::VISITOR_PATH if get => page::visitor(),
                page::ICON_PATH if get => page::icon(),
                _ => self.other(request).await,
            },
        };
        self.counters.answered(route, response.status(), begun.elapsed());
        response
    }

    /// Who asks: the peer, or whom a trusted proxy speaks for.
    pub(crate) fn client(&self, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
        let values: Vec<&str> =
            headers.get_all(FORWARDED).iter().filter_map(|v| v.to_str().ok()).collect();
        let trusted = |a: IpAddr| self.trusted_proxies.iter().any(|n| n.holds(a));
        forwarded::client_address(peer, values.into_iter(), trusted)
    }

    /// A server has no page of its own: the site is the master's.
    fn front_door(&self) -> Response<Body> {
        let mut response =
            answer::sentence(StatusCode::FOUND, "The site is at the main address.\n");
        if let Ok(main_url) = HeaderValue::from_str(&self.main_url) {
            response.headers_mut().insert(header::LOCATION, main_url);
        }
        response
    }

    async fn other(&self, request: Request<Incoming>) -> Response<Body> {
        match self.others.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

fn not_allowed() -> Response<Body> {
    let text = "Files can be read with GET and HEAD only.\n";
    let mut response = answer::sentence(StatusCode::METHOD_NOT_ALLOWED, text);
    answer::set(&mut response, header::ALLOW, "GET, HEAD");
    response
}
