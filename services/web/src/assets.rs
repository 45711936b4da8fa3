//! Style sheet, scripts and pictures, built into the binary; each with the hash of its content
//! as `ETag`.

use crate::problem::Problem;
use axum::{
    Router,
    extract::Path,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

struct Asset {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
    etag: String,
}

macro_rules! assets {
    ($($name:literal => $kind:expr),* $(,)?) => {
        vec![$(asset($name, $kind, include_bytes!(concat!("../assets/", $name)))),*]
    };
}

const JS: &str = "text/javascript; charset=utf-8";

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    assets! {
        "app.css" => "text/css; charset=utf-8",
        "icon.svg" => "image/svg+xml",
        "move.js" => JS,
        "selection.js" => JS,
        "balance.js" => JS,
        "batch.js" => JS,
        "checks.js" => JS,
        "refresh.js" => JS,
        "format.js" => JS,
        "times.js" => JS,
        "workshop.js" => JS,
        "home-server.js" => JS,
        "uploads.js" => JS,
    }
});

fn asset(name: &'static str, kind: &'static str, bytes: &'static [u8]) -> Asset {
    let etag = format!("\"{}\"", hex::encode(&Sha256::digest(bytes)[..12]));
    Asset { name, kind, bytes, etag }
}

/// `/static/{name}`.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/static/{name}", get(serve))
}

async fn serve(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let asset = ASSETS.iter().find(|a| a.name == name).ok_or_else(|| {
        Problem::new(StatusCode::NOT_FOUND, "not_found", "There is no such thing")
            .detail("No file has this name.")
    })?;
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|v| v.split(',').any(|t| t.trim().trim_start_matches("W/") == asset.etag));
    let etag = HeaderValue::from_str(&asset.etag);
    let etag = etag.unwrap_or_else(|_| HeaderValue::from_static("\"\""));
    let shared = [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::ETAG, etag),
        (header::CONTENT_TYPE, HeaderValue::from_static(asset.kind)),
    ];
    if known {
        return Ok((StatusCode::NOT_MODIFIED, shared).into_response());
    }
    Ok((shared, asset.bytes).into_response())
}
