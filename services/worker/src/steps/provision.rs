//! Provision: a new artist gets a tree and a public name here.

use super::{Step, import::make_dir};
use crate::context::{Context, Outcome, Stop};
use std::path::Path;
use tourbus_domain::{StepKind, StepResult};
use tourbus_mediaroot::{
    Removal,
    atomic::{self, Durable},
    remove_tree, rename_tree,
};
use tourbus_protocol::{ArtistRef, Order, page::About};
use tourbus_staging::Staging;
use tourbus_telemetry::hold;

/// Directories that every artist has.
const DIRS: [&str; 3] = ["songs", "images", "vault"];

/// Parameters.
pub struct Provision {
    artist: ArtistRef,
    name: String,
}

impl Step for Provision {
    const KIND: StepKind = StepKind::Provision;

    fn from_order(order: Order) -> Option<Self> {
        match order {
            Order::ProvisionV1 { artist, name } => Some(Self { artist, name }),
            _ => None,
        }
    }

    async fn run<S: Staging>(self, ctx: Context<S>) -> Outcome {
        let (root, job, stop) = (ctx.root.clone(), ctx.step.job_id, ctx.should_stop());
        let Self { artist, name } = self;
        let id = artist.id;
        ctx.blocking(move || {
            let draft = root.incoming(job);
            if remove_tree(&draft, &stop)? == Removal::Stopped {
                return Err(Stop::Interrupted);
            }
            // A try before this one may have come so far: then the artist may be at work already.
            if root.tree(id).exists() {
                return Ok(());
            }
            let made = make(&draft, &name);
            if made.is_err() {
                remove_tree(&draft, &stop)?;
            }
            made
        })
        .await?;
        hold::point("provision.drafted").await;
        let root = ctx.root.clone();
        ctx.blocking(move || {
            if !root.tree(id).exists() {
                rename_tree(&root.incoming(job), &root.tree(id))?;
            }
            root.link_slug(&artist.slug, id)?;
            root.unforward_slug(&artist.slug)?;
            Ok(())
        })
        .await?;
        Ok(StepResult::Provision)
    }
}

/// An artist's tree, before anything was uploaded.
fn make(draft: &Path, name: &str) -> Result<(), Stop> {
    make_dir(draft)?;
    for dir in DIRS {
        make_dir(&draft.join(dir))?;
    }
    let about = About { name: name.to_owned(), ..About::default() };
    atomic::write_json(&draft.join(About::FILE), &about, Durable::Yes)?;
    atomic::sync_dir(draft)?;
    Ok(())
}
