//! Songs from files that somebody has dropped into the artist's `import/` directory.

use super::{Leave, edit::Imports, names, problem::Problem, settle, with_tree};
use crate::app::App;
use serde::Serialize;
use std::{os::unix::ffi::OsStrExt as _, sync::Arc};
use tourbus_lofi::Inspection;
use tourbus_mediaroot::{Beneath, UploadKind};
use tourbus_protocol::{
    TreePath,
    page::{About, IMPORT_DIR, Song},
};
use uuid::Uuid;

/// Files of one request at most.
const FILES_MAX: usize = 1000;

/// What came of the files, each on its own.
#[derive(Debug, Default, Serialize)]
pub(super) struct Imported {
    imported: Vec<One>,
    refused: Vec<Refused>,
}

#[derive(Debug, Serialize)]
struct One {
    name: String,
    path: TreePath,
    title: String,
}

#[derive(Debug, Serialize)]
struct Refused {
    name: String,
    code: String,
    detail: String,
}

/// Makes songs of these files. What is refused stays where it is.
pub(super) async fn import(
    app: &Arc<App>,
    leave: &Leave,
    asked: Imports,
) -> Result<Imported, Problem> {
    let there =
        with_tree(app, leave, move |tree| Ok(tree.tree().list(&TreePath::known(IMPORT_DIR))?))
            .await?;
    let visible =
        there.iter().filter(|n| !n.as_bytes().starts_with(b".")).filter_map(|n| n.to_str());
    let asked_for_all = asked.names.is_none();
    let wanted = asked.names.unwrap_or_else(|| visible.map(str::to_owned).collect());
    if wanted.len() > FILES_MAX {
        let detail = format!("{} files are more than a request may name.", wanted.len());
        return Err(Problem::unprocessable("too_many", detail)
            .remedy(format!("Name up to {FILES_MAX}, and the others in another request.")));
    }
    let mut all = Imported::default();
    if asked_for_all {
        let odd = there.iter().filter(|n| n.to_str().is_none());
        all.refused.extend(odd.map(|name| Refused {
            name: name.to_string_lossy().into_owned(),
            code: "bad_name".to_owned(),
            detail: "The file's name is not UTF-8: give it another one on the server.".to_owned(),
        }));
    }
    for name in wanted {
        match one(app, leave, &name).await {
            Ok((path, title)) => all.imported.push(One { name, path, title }),
            Err(problem) if matches!(problem.status, 400 | 404 | 413 | 422) => {
                let (code, detail) = (problem.code, problem.detail);
                all.refused.push(Refused { name, code, detail });
            }
            Err(problem) => return Err(problem),
        }
    }
    Ok(all)
}

async fn one(app: &Arc<App>, leave: &Leave, name: &str) -> Result<(TreePath, String), Problem> {
    names::check(name)?;
    let from = TreePath::new(format!("{IMPORT_DIR}/{name}"))
        .map_err(|_| Problem::not_found(format!("There is no file {name:?}.")))?;
    let (path, shown) = (from.clone(), name.to_owned());
    let file = with_tree(app, leave, move |tree| {
        let file = tree.tree().read(&path).map_err(|e| {
            if e.is_missing() {
                Problem::not_found(format!("There is no file {shown:?} to import."))
            } else {
                e.into()
            }
        })?;
        Ok(file.into_fd())
    })
    .await?;
    let song = app.inspector.inspect(file).await?;
    let name = name.to_owned();
    with_tree(app, leave, move |tree| place(tree, &from, &name, &song)).await
}

fn place(
    tree: &tourbus_mediaroot::Writable,
    from: &TreePath,
    name: &str,
    song: &Inspection,
) -> Result<(TreePath, String), Problem> {
    let id = Uuid::now_v7();
    let safe = names::safe(names::stem(name), Some(song.format.extension()));
    let title = settle::title(song, name);
    let register = |tree: &Beneath, about: &mut About, path: &TreePath| {
        let waveform = settle::waveform_path(id);
        settle::write_waveform(tree, &waveform, song)?;
        // A try before this one may have noted it under a name that somebody else took.
        about.songs.retain(|s| s.id != id);
        about.songs.push(Song {
            id,
            path: path.clone(),
            title: title.clone(),
            duration_ms: song.duration_ms,
            waveform: Some(waveform),
            awaits_lofi: true,
            ..Song::default()
        });
        Ok::<(), Problem>(())
    };
    let path = tree.place_file(from, UploadKind::Song, &safe, register)?;
    Ok((path, title))
}
