//! An upload that is whole: looked at, then put into its place, or thrown away with the reason.

use super::{Leave, blocking, images, names, problem::Problem, turns::Turn, with_tree};
use crate::app::App;
use std::sync::Arc;
use tourbus_lofi::Inspection;
use tourbus_mediaroot::{Beneath, NotNow, ReadFile, Upload, UploadKind, UploadState, upload};
use tourbus_protocol::{
    TreePath,
    page::{About, Song, WAVEFORMS_DIR, title_of},
};
use uuid::Uuid;

/// Longest title, in characters.
pub(super) const TITLE_CHARS_MAX: usize = 200;

/// What a file was found to be.
enum Found {
    Song(Box<Inspection>),
    Image { extension: &'static str },
    Any,
}

/// Looks at an upload and puts it into its place, with the upload's turn, and whether or not anybody
/// still waits for it: whoever has sent all of a file may go. A refusal is remembered, and the file
/// is gone.
pub(super) async fn settle(
    app: &Arc<App>,
    leave: &Leave,
    id: Uuid,
    turn: Turn,
) -> Result<(), Problem> {
    let (app, leave) = (Arc::clone(app), leave.clone());
    let settling = tokio::spawn(async move {
        let settled = look_and_place(&app, &leave, id).await;
        drop(turn);
        settled
    });
    settling.await.unwrap_or_else(|error| {
        tracing::error!(%error, "workshop.panicked");
        Err(Problem::internal())
    })
}

async fn look_and_place(app: &Arc<App>, leave: &Leave, id: Uuid) -> Result<(), Problem> {
    let (found, file) = with_tree(app, leave, move |tree| {
        let (found, _) = upload(tree.tree(), id)?.ok_or_else(Problem::internal)?;
        if found.state != UploadState::Receiving {
            return Ok((found, None));
        }
        let file = tree.tree().read(&Upload::part(id))?;
        Ok((found, Some(file)))
    })
    .await?;
    let Some(file) = file else { return Ok(()) };
    match look(app, &found, file).await {
        Ok(is) => {
            place(app, leave, found, is).await?;
            metrics::counter!("tourbus_media_uploads_total", "event" => "placed").increment(1);
            Ok(())
        }
        Err(problem) if problem.status == 422 => {
            metrics::counter!("tourbus_media_uploads_total", "event" => "refused").increment(1);
            let (code, detail) = (problem.code.clone(), problem.detail.clone());
            with_tree(app, leave, move |tree| Ok(tree.refuse_upload(&found, &code, &detail)?))
                .await?;
            Err(problem)
        }
        Err(problem) => Err(problem),
    }
}

async fn look(app: &Arc<App>, found: &Upload, file: ReadFile) -> Result<Found, Problem> {
    match found.kind {
        UploadKind::Song => {
            let song = app.inspector.inspect(file.into_fd()).await?;
            Ok(Found::Song(Box::new(song)))
        }
        UploadKind::Image | UploadKind::Cover => {
            let length = usize::try_from(found.bytes.min(images::BYTES_MAX)).unwrap_or(0);
            blocking(move || {
                let mut bytes = vec![0; length];
                let filled = file.read_at(&mut bytes, 0).map_err(|error| {
                    tracing::error!(%error, "workshop.unreadable");
                    Problem::internal()
                })?;
                images::look(&bytes[..filled]).map(|extension| Found::Image { extension })
            })
            .await
        }
        UploadKind::Vault => Ok(Found::Any),
    }
}

async fn place(app: &Arc<App>, leave: &Leave, upload: Upload, is: Found) -> Result<(), Problem> {
    let stem = names::stem(&upload.name).to_owned();
    let name = match &is {
        Found::Song(song) => names::safe(&stem, Some(song.format.extension())),
        Found::Image { extension } => names::safe(&stem, Some(extension)),
        Found::Any => names::safe(&stem, names::extension(&upload.name).as_deref()),
    };
    with_tree(app, leave, move |tree| {
        let register = |tree: &Beneath, about: &mut About, path: &TreePath| {
            match &is {
                Found::Song(song) => register_song(tree, about, path, &upload, song)?,
                Found::Image { .. } if upload.kind == UploadKind::Cover => {
                    about.cover = Some(path.clone());
                }
                Found::Image { .. } | Found::Any => {}
            }
            Ok::<(), Problem>(())
        };
        tree.place_upload(&upload, &name, register).map(|_| ())
    })
    .await
}

fn register_song(
    tree: &Beneath,
    about: &mut About,
    path: &TreePath,
    upload: &Upload,
    song: &Inspection,
) -> Result<(), Problem> {
    let waveform = waveform_path(upload.id);
    write_waveform(tree, &waveform, song)?;
    // A try before this one may have noted it.
    about.songs.retain(|s| s.id != upload.id);
    let place = place_of(about, upload.id);
    about.songs.insert(
        place,
        Song {
            id: upload.id,
            path: path.clone(),
            title: title(song, &upload.name),
            duration_ms: song.duration_ms,
            waveform: Some(waveform),
            awaits_lofi: true,
            ..Song::default()
        },
    );
    Ok(())
}

/// Where a new song goes: to the end, but before those whose uploads began later. So an album keeps its
/// order, whichever song has arrived first. Ids of uploads are in the order in which they began.
fn place_of(about: &About, upload: Uuid) -> usize {
    let later = |song: &Song| song.id.get_version_num() == 7 && song.id > upload;
    about.songs.iter().rposition(|song| !later(song)).map_or(0, |last| last + 1)
}

/// Where a song's waveform is.
pub(super) fn waveform_path(song: Uuid) -> TreePath {
    TreePath::known(format!("{WAVEFORMS_DIR}/{song}.dat"))
}

pub(super) fn write_waveform(
    tree: &Beneath,
    path: &TreePath,
    song: &Inspection,
) -> Result<(), NotNow> {
    let bytes = song.peaks.to_dat();
    let file = tree.write(path)?;
    file.set_len(0)?;
    file.write_at(&bytes, 0)?;
    Ok(file.flush()?)
}

/// The title that the song itself says, or the one that its file's name suggests.
pub(super) fn title(song: &Inspection, file_name: &str) -> String {
    let said = song.tags.title.as_deref().map(str::trim).filter(|t| !t.is_empty());
    let title = said.map_or_else(|| title_of(file_name.as_bytes()), str::to_owned);
    title.chars().take(TITLE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tourbus_protocol::page::song_id;

    #[test]
    fn an_album_keeps_its_order_whichever_song_arrives_first() {
        let song = |id: Uuid| Song {
            id,
            path: TreePath::known(format!("songs/{id}.mp3")),
            ..Song::default()
        };
        let found = song_id(tourbus_domain::ArtistId::new(), &TreePath::known("songs/x.mp3"));
        let begun: Vec<Uuid> = (0..3).map(|_| Uuid::now_v7()).collect();
        let mut about = About { songs: vec![song(found)], ..About::default() };
        for n in [1, 2, 0] {
            let place = place_of(&about, begun[n]);
            about.songs.insert(place, song(begun[n]));
        }
        let order: Vec<Uuid> = about.songs.iter().map(|s| s.id).collect();
        assert_eq!(order, [&[found][..], &begun].concat());
    }
}
