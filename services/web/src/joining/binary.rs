//! This process's own program, for machines that join: so they run exactly the master's version.

use crate::{app::App, problem::Problem};
use axum::{
    body::Body,
    extract::State,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};
use std::{fs::File, io, path::Path};
use tokio::sync::OnceCell;
use tokio_util::io::ReaderStream;

/// The program that runs here, also after its file was replaced.
const OWN: &str = "/proc/self/exe";
/// Bytes of one read.
const READ_BYTES: usize = 256 << 10;
/// Says what the body must hash to.
const SHA256: HeaderName = HeaderName::from_static("x-tourbus-sha256");

/// What is known of the program; worked out once.
#[derive(Debug, Clone)]
pub struct Program {
    /// SHA-256, hex.
    pub sha256: String,
    bytes: u64,
}

/// Fills itself with the first request.
#[derive(Debug, Default)]
pub struct OwnProgram(OnceCell<Program>);

impl OwnProgram {
    /// The program's hash and size.
    pub async fn get(&self) -> Result<&Program, Problem> {
        let read = || async {
            let read = tokio::task::spawn_blocking(|| hash(Path::new(OWN))).await;
            read.map_err(io::Error::other)?
        };
        self.0.get_or_try_init(read).await.map_err(|e| unreadable(&e))
    }
}

fn hash(path: &Path) -> io::Result<Program> {
    let mut hasher = Sha256::new();
    let bytes = io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok(Program { sha256: hex::encode(hasher.finalize()), bytes })
}

fn unreadable(error: &io::Error) -> Problem {
    tracing::error!(%error, "join.own_program_unreadable");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something broke here")
        .detail("This master cannot read its own program.")
        .remedy("The web service's log says more.")
}

/// The program, streamed.
pub async fn download(State(app): State<App>) -> Result<Response, Problem> {
    let program = app.own_program.get().await?;
    let file = tokio::fs::File::open(OWN).await.map_err(|e| unreadable(&e))?;
    let body = Body::from_stream(ReaderStream::with_capacity(file, READ_BYTES));
    let text = |t: &str| HeaderValue::from_str(t).unwrap_or(HeaderValue::from_static(""));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (header::CONTENT_LENGTH, HeaderValue::from(program.bytes)),
        (SHA256, text(&program.sha256)),
    ];
    Ok((headers, body).into_response())
}
