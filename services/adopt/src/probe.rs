//! Whether a media root is that of the server whose name was given: its media service shows a page
//! that we have just put there.

use crate::{AdoptError, master::Server};
use std::{fs, io, path::PathBuf, time::Duration};
use tourbus_config::ClientTlsConfig;
use tourbus_domain::{ArtistId, Slug};
use tourbus_mediaroot::MediaRoot;

/// Longest wait for the answer.
const ANSWER_WAIT: Duration = Duration::from_secs(20);

/// An artist of no songs, there for a moment.
struct Probe {
    tree: PathBuf,
    link: PathBuf,
    slug: Slug,
}

impl Probe {
    fn put(root: &MediaRoot) -> io::Result<Self> {
        let artist = ArtistId::new();
        let slug: Slug =
            format!("probe-{}", artist.0.simple()).parse().map_err(io::Error::other)?;
        let probe = Self { tree: root.tree(artist), link: root.by_slug(&slug), slug };
        fs::create_dir(&probe.tree)?;
        std::os::unix::fs::symlink(artist.to_string(), &probe.link)?;
        Ok(probe)
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        for removed in [fs::remove_file(&self.link), fs::remove_dir(&self.tree)] {
            if let Err(error) = removed {
                tracing::warn!(%error, tree = %self.tree.display(), "adopt.probe_left");
            }
        }
    }
}

/// Refuses a media root that is not this server's.
pub async fn is_of(
    root: &MediaRoot,
    server: &Server,
    slug: &Slug,
    tls: &ClientTlsConfig,
) -> Result<(), AdoptError> {
    let other = |message: String| AdoptError::OtherServer { message };
    let probe = Probe::put(root).map_err(|e| AdoptError::MediaRoot {
        path: root.path().to_owned(),
        message: e.to_string(),
    })?;
    let client = tourbus_http::client(&server.url, server.ip, ANSWER_WAIT, tls)
        .map_err(|e| other(e.to_string()))?;
    let url = format!("{}/artists/{}", server.url.trim_end_matches('/'), probe.slug);
    match client.get(&url).send().await {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(_) => Err(other(format!(
            "{} is not the media root of {slug}: its media service at {} does not see it; run this on \
             the machine of {slug}, with its media root",
            root.path().display(),
            server.url
        ))),
        Err(error) => Err(other(format!(
            "the media service of {slug} does not answer at {}: {}; start it, so that it can be seen \
             whether this is its media root",
            server.url,
            tourbus_http::why(error)
        ))),
    }
}
