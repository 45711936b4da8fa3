//! Promote: make the arriving tree equal to the manifest, byte for byte, and put it in its place.

use super::{
    Step, demote,
    verify::{Ledger, Verifying},
};
use crate::{
    context::{Context, Outcome, Stop},
    fault, fetch,
};
use chrono::{TimeDelta, Utc};
use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::Arc,
};
use tourbus_domain::{ErrorClass, JobError, SegmentRef, StepKind, StepResult};
use tourbus_mediaroot::{
    Beneath, Identity, Promoted, Record, Retired, WalkError, Walked, WalkedKind, atomic::Durable,
    rename_tree,
};
use tourbus_protocol::{ArtistRef, Entry, EntryKind, EventBody, Manifest, Order, TreePath};
use tourbus_staging::Staging;
use tourbus_telemetry::hold;

/// Trees with fewer entries are flushed entry by entry; larger ones with their file system, which
/// waits for whatever else is to be written there too.
const FLUSH_EACH_MAX: usize = 512;
/// How long a leftover tree that stood in the place is kept, in hours.
const STALE_KEEP_H: i64 = 24;
/// Directories that are opened up, one a walk, before that is given up.
const OPEN_UPS_MAX: usize = 10_000;

/// Parameters.
pub struct Promote {
    artist: ArtistRef,
    manifest: SegmentRef,
}

impl Step for Promote {
    const KIND: StepKind = StepKind::Promote;

    fn from_order(order: Order) -> Option<Self> {
        match order {
            Order::PromoteV1 { artist, manifest } => Some(Self { artist, manifest }),
            _ => None,
        }
    }

    async fn run<S: Staging>(self, ctx: Context<S>) -> Outcome {
        // A late repetition of an import would write into the tree.
        ctx.stop_earlier().await?;
        if self.is_done(&ctx).await? {
            // The try that did it may have died before it told what it set aside.
            let (root, step) = (ctx.root.clone(), ctx.step);
            let asides = (1..=step.epoch).map(|epoch| root.retired_stale(step.job_id, epoch));
            for aside in asides.filter(|aside| aside.exists()) {
                let notice = leftover_tree(&aside);
                ctx.events.emit(EventBody::Noticed { step, notice });
            }
        } else {
            let manifest: Manifest = fetch::description(&ctx, &self.manifest).await?;
            check(&manifest)?;
            let manifest = Arc::new(manifest);
            let (incoming, ledger) = self.shape(&ctx, &manifest).await?;
            let durable = durability(&manifest);
            let tree = Arc::clone(&incoming);
            Verifying { ctx: &ctx, incoming, manifest: &manifest, durable }.run(ledger).await?;
            hold::point("promote.verified").await;
            finish(&ctx, tree, &manifest, durable).await?;
            self.record(&ctx, Arc::clone(&manifest)).await?;
            self.put_in_place(&ctx).await?;
        }
        Ok(StepResult::Promote)
    }
}

impl Promote {
    /// Whether this very tree stands in its place. Then nothing may be touched: the artist may
    /// live here already, and have new files.
    async fn is_done<S: Staging>(&self, ctx: &Context<S>) -> Result<bool, Stop> {
        let (root, artist, job) = (ctx.root.clone(), self.artist.clone(), ctx.step.job_id);
        let manifest = self.manifest.blake3.clone();
        ctx.blocking(move || {
            let same = root.promoted(job)?.is_some_and(|p| p.manifest == manifest);
            let done = same && demote::is_promoted(&root, &artist, job)?;
            if done {
                root.link_slug(&artist.slug, artist.id)?;
            }
            Ok(done)
        })
        .await
    }

    /// Gives the arriving tree the manifest's shape: no entry too many, every directory and
    /// symlink there.
    async fn shape<S: Staging>(
        &self,
        ctx: &Context<S>,
        manifest: &Arc<Manifest>,
    ) -> Result<(Arc<Beneath>, Ledger), Stop> {
        let (root, artist, job) = (ctx.root.clone(), self.artist.clone(), ctx.step.job_id);
        let manifest = Arc::clone(manifest);
        ctx.blocking(move || {
            super::import::make_dir(&root.job(job))?;
            demote::demote(&root, &artist, job)?;
            let incoming = root.incoming(job);
            super::import::make_dir(&incoming)?;
            let tree = Beneath::open(&incoming)?;
            let present = shape(&tree, &manifest.entries)?;
            let ledger = Ledger::open(&root.job(job), present)?;
            Ok((Arc::new(tree), ledger))
        })
        .await
    }

    /// Every byte was read back just now: that is what later readings compare with.
    async fn record<S: Staging>(
        &self,
        ctx: &Context<S>,
        manifest: Arc<Manifest>,
    ) -> Result<(), Stop> {
        let (root, artist) = (ctx.root.clone(), self.artist.id);
        ctx.blocking(move || Ok(root.record_arrival(artist, &Record::of_manifest(&manifest))?))
            .await
    }

    async fn put_in_place<S: Staging>(&self, ctx: &Context<S>) -> Result<(), Stop> {
        let (root, artist, job) = (ctx.root.clone(), self.artist.clone(), ctx.step.job_id);
        let (manifest, epoch) = (self.manifest.blake3.clone(), ctx.step.epoch);
        let leftover = ctx
            .blocking(move || {
                let at = Utc::now();
                // A tree of an earlier stay, which was never retired: it is not home here.
                let stale = Retired {
                    artist: artist.id,
                    slug: artist.slug.clone(),
                    retired_at: at,
                    purge_at: at + TimeDelta::hours(STALE_KEEP_H),
                    keep: false,
                };
                let aside = root.retired_stale(job, epoch);
                let leftover = root.retire(&aside, &stale)?.then(|| leftover_tree(&aside));
                root.note_promoted(job, &Promoted { artist: artist.id, manifest, at })?;
                rename_tree(&root.incoming(job), &root.tree(artist.id))?;
                Ok(leftover)
            })
            .await?;
        if let Some(notice) = leftover {
            ctx.events.emit(EventBody::Noticed { step: ctx.step, notice });
        }
        hold::point("promote.renamed").await;
        let (root, artist) = (ctx.root.clone(), self.artist.clone());
        ctx.blocking(move || Ok(root.link_slug(&artist.slug, artist.id)?)).await
    }
}

fn leftover_tree(aside: &Path) -> JobError {
    JobError::new(
        ErrorClass::Permanent,
        "leftover_tree",
        "a directory with the artist's id stood on this server already, although it was not home",
        format!("It is kept in {} for {STALE_KEEP_H} h: copy what you need of it", aside.display()),
    )
}

fn durability(manifest: &Manifest) -> Durable {
    if manifest.entries.len() <= FLUSH_EACH_MAX { Durable::Yes } else { Durable::No }
}

/// A manifest must describe a tree: nothing twice, everything in a directory, files without gaps.
fn check(manifest: &Manifest) -> Result<(), JobError> {
    let invalid = |path: &TreePath, what: &str| {
        let message = format!("the manifest is not one of a tree: {what}");
        let remedy = "Retry the move; if it happens again, report it";
        JobError::new(ErrorClass::Fatal, "manifest_invalid", message, remedy).at(path.to_string())
    };
    let mut dirs = HashSet::new();
    let mut before: Option<&TreePath> = None;
    for entry in &manifest.entries {
        let path = &entry.path;
        if before.is_some_and(|b| b >= path) {
            return Err(invalid(path, "its entries are not in order"));
        }
        let parent = path.as_bytes().iter().rposition(|b| *b == b'/').unwrap_or(0);
        if !path.is_root() && !dirs.contains(&path.as_bytes()[..parent]) {
            return Err(invalid(path, "an entry is in no directory"));
        }
        match &entry.kind {
            EntryKind::Dir => {
                dirs.insert(path.as_bytes());
            }
            EntryKind::File { size, slices } => {
                let end = slices.iter().try_fold(0, |at, s| (s.offset == at).then_some(at + s.len));
                if end != Some(*size) {
                    return Err(invalid(path, "a file has gaps"));
                }
            }
            EntryKind::Symlink { .. } => (),
        }
        before = Some(path);
    }
    if dirs.contains([].as_slice()) {
        return Ok(());
    }
    Err(invalid(&TreePath::default(), "it has no top directory"))
}

/// The files that are there afterwards.
fn shape(tree: &Beneath, entries: &[Entry]) -> Result<HashMap<TreePath, Identity>, Stop> {
    tree.open_up_all([TreePath::default()].into_iter())?;
    let wanted: HashMap<&TreePath, &EntryKind> =
        entries.iter().map(|e| (&e.path, &e.kind)).collect();
    let mut present = HashMap::new();
    for walked in walk(tree)? {
        let fits = match (wanted.get(&walked.path), &walked.kind) {
            (Some(EntryKind::File { .. }), WalkedKind::File(identity)) => {
                present.insert(walked.path.clone(), *identity);
                true
            }
            (Some(EntryKind::Dir), WalkedKind::Dir)
            | (Some(EntryKind::Symlink { .. }), WalkedKind::Symlink(_)) => true,
            _ => false,
        };
        if !fits {
            tree.remove_entry(&walked.path).map_err(fault::at(&walked.path))?;
        }
    }
    for entry in entries {
        match &entry.kind {
            EntryKind::Dir => tree.make_dir(&entry.path),
            EntryKind::Symlink { target } => tree.make_link(&entry.path, &target.0),
            EntryKind::File { .. } => Ok(()),
        }
        .map_err(fault::at(&entry.path))?;
    }
    Ok(present)
}

/// Walks an arriving tree; one that was promoted before may have directories that even their
/// owner may not read.
fn walk(tree: &Beneath) -> Result<Vec<Walked>, Stop> {
    for _ in 0..OPEN_UPS_MAX {
        match tree.walk() {
            Ok(walked) => return Ok(walked),
            Err(WalkError::Unreadable { path, .. }) => tree.open_up_all([path].into_iter())?,
            Err(e) => return Err(fault::from_walk(&e).into()),
        }
    }
    let message = "too many directories of the arriving tree cannot be read";
    Err(JobError::new(ErrorClass::Permanent, "media_root_denied", message, "Run as root").into())
}

/// Symlinks' and directories' times and modes, deepest first; then all of it is flushed.
async fn finish<S: Staging>(
    ctx: &Context<S>,
    incoming: Arc<Beneath>,
    manifest: &Arc<Manifest>,
    durable: Durable,
) -> Result<(), Stop> {
    let manifest = Arc::clone(manifest);
    ctx.blocking(move || {
        for entry in manifest.entries.iter().rev() {
            match &entry.kind {
                EntryKind::Dir => {
                    incoming.finish_dir(&entry.path, entry.mode, entry.mtime, durable)
                }
                EntryKind::Symlink { .. } => incoming.finish_link(&entry.path, entry.mtime),
                EntryKind::File { .. } => Ok(()),
            }
            .map_err(fault::at(&entry.path))?;
        }
        if durable == Durable::No {
            incoming.sync_all()?;
        }
        Ok(())
    })
    .await
}
