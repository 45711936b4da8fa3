//! Public names: links to trees that are here, forwardings to those that have left.

use crate::{
    MediaRoot,
    atomic::{self, Durable},
    error::{Doing, RootError, absent},
};
use std::{ffi::OsStr, fs, os::unix::fs::symlink};
use tourbus_domain::{ArtistId, Slug};

impl MediaRoot {
    /// Makes a public name mean this artist, in one instant.
    pub fn link_slug(&self, slug: &Slug, artist: ArtistId) -> Result<(), RootError> {
        let link = self.by_slug(slug);
        if self.slug_is(slug, artist)? {
            return Ok(());
        }
        let temporary = atomic::temporary(&link);
        symlink(artist.to_string(), &temporary).doing("link", &temporary)?;
        atomic::rename(&temporary, &link, Durable::Yes)
    }

    /// Whether a public name means this artist.
    pub fn slug_is(&self, slug: &Slug, artist: ArtistId) -> Result<bool, RootError> {
        let link = self.by_slug(slug);
        let target = absent(fs::read_link(&link).doing("read", &link))?;
        Ok(target.is_some_and(|t| t.as_os_str() == OsStr::new(&artist.to_string())))
    }

    /// Removes a public name if it means this artist. Whether it did.
    pub fn unlink_slug(&self, slug: &Slug, artist: ArtistId) -> Result<bool, RootError> {
        if !self.slug_is(slug, artist)? {
            return Ok(false);
        }
        atomic::remove(&self.by_slug(slug))
    }

    /// Leaves a forwarding: base URL of the new home, without a trailing slash.
    pub fn forward_slug(&self, slug: &Slug, home_url: &str) -> Result<(), RootError> {
        atomic::write(&self.moved(slug), home_url.as_bytes(), Durable::Yes)
    }

    /// Takes a forwarding back: the artist is here.
    pub fn unforward_slug(&self, slug: &Slug) -> Result<bool, RootError> {
        atomic::remove(&self.moved(slug))
    }
}
