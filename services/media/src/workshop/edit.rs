//! What the workshop changes other than by uploads. Small, and each in one instant.

use super::{
    Leave, import, json, names, problem::Problem, read_tree, settle::TITLE_CHARS_MAX, shelf::Shelf,
    with_tree,
};
use crate::app::App;
use axum::body::Body;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, de::DeserializeOwned};
use std::{collections::HashMap, sync::Arc};
use tourbus_protocol::{
    TreePath,
    page::{About, IMAGES_DIR, Song, VAULT_DIR, lofi_of},
};
use uuid::Uuid;

/// Largest request, in bytes.
const BODY_BYTES_MAX: usize = 1 << 20;
/// Longest name of an artist, in characters; as the database has it.
const NAME_CHARS_MAX: usize = 200;
/// Longest text, in characters.
const TEXT_CHARS_MAX: usize = 20_000;

/// What becomes different of the page; what is left out stays.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PagePatch {
    /// The revision that this was made from: refused if there is a newer one.
    revision: Option<u64>,
    name: Option<String>,
    text: Option<String>,
    downloads: Option<bool>,
    /// Every song's id, in the order of the page.
    songs: Option<Vec<Uuid>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SongPatch {
    title: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CoverPatch {
    /// One of the artist's pictures; none for no cover.
    path: Option<TreePath>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Imports {
    /// Names of files in `import/`; all of them when it is left out.
    pub(super) names: Option<Vec<String>>,
}

/// Answers a request below `workshop`.
pub(super) async fn answer(
    app: &Arc<App>,
    request: Request<Incoming>,
    leave: &Leave,
    rest: &[String],
) -> Result<Response<Body>, Problem> {
    let parts: Vec<&str> = rest.iter().map(String::as_str).collect();
    let method = request.method().clone();
    match (&method, parts.as_slice()) {
        (&Method::GET, []) => {}
        (&Method::PATCH, []) => {
            let patch: PagePatch = read(request).await?;
            if patch == PagePatch::default() {
                let detail = "The request changes nothing.";
                return Err(Problem::unprocessable("nothing_said", detail)
                    .remedy("Name at least one of name, text, downloads, songs."));
            }
            with_tree(app, leave, move |tree| tree.change(|_, about| change_page(about, patch)))
                .await?;
        }
        (&Method::PATCH | &Method::DELETE, ["songs", id]) => {
            change_song(app, request, leave, song_id(id)?).await?;
        }
        (&Method::DELETE, ["files", ..]) => {
            let path = file_path(&parts[1..])?;
            with_tree(app, leave, move |tree| {
                tree.change(|tree, about| {
                    if tree.size(&path)?.is_none() {
                        return Err(Problem::not_found(format!("There is no file {path}.")));
                    }
                    if about.cover.as_ref() == Some(&path) {
                        about.cover = None;
                    }
                    Ok(tree.remove_entry(&path)?)
                })
            })
            .await?;
        }
        (&Method::POST, ["cover"]) => {
            let CoverPatch { path } = read(request).await?;
            with_tree(app, leave, move |tree| {
                tree.change(|tree, about| {
                    if let Some(path) = &path {
                        let there = is_in(path, &[IMAGES_DIR]) && tree.size(path)?.is_some();
                        if !there {
                            return Err(Problem::not_found(format!("There is no picture {path}.")));
                        }
                    }
                    about.cover = path;
                    Ok(())
                })
            })
            .await?;
        }
        (&Method::POST, ["imports"]) => {
            let asked: Imports = read(request).await?;
            return json(StatusCode::OK, &import::import(app, leave, asked).await?);
        }
        (_, [] | ["cover" | "imports"] | ["songs", _] | ["files", ..]) => {
            return Err(Problem::method("the methods that the documentation names"));
        }
        _ => return Err(Problem::not_found("The workshop has no such place.")),
    }
    let whose = leave.clone();
    let shelf = read_tree(app, leave, move |tree| Shelf::of(tree, &whose)).await?;
    json(StatusCode::OK, &shelf)
}

/// Gives a song another title, or deletes it.
async fn change_song(
    app: &Arc<App>,
    request: Request<Incoming>,
    leave: &Leave,
    id: Uuid,
) -> Result<(), Problem> {
    if *request.method() == Method::PATCH {
        let title = line("title", &read::<SongPatch>(request).await?.title, TITLE_CHARS_MAX)?;
        return with_tree(app, leave, move |tree| {
            tree.change(|_, about| {
                song(about, id)?.title = title;
                Ok::<_, Problem>(())
            })
        })
        .await;
    }
    with_tree(app, leave, move |tree| {
        tree.change(|tree, about| {
            let Song { path, waveform, .. } = song(about, id)?.clone();
            about.songs.retain(|s| s.id != id);
            tree.remove_entry(&path)?;
            if let Some(lofi) = lofi_of(&path) {
                tree.remove_entry(&lofi)?;
            }
            waveform.map_or(Ok(()), |w| Ok(tree.remove_entry(&w)?))
        })
    })
    .await
}

async fn read<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, Problem> {
    let body = Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await;
    let body = body.map_err(|_| {
        let detail = "The request breaks off, or is larger than 1 MiB.";
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "unreadable_body", detail)
    })?;
    serde_json::from_slice(&body.to_bytes()).map_err(|e| {
        Problem::bad_request("wrong_json", format!("The request is not as it should be: {e}."))
    })
}

fn song_id(text: &str) -> Result<Uuid, Problem> {
    text.parse().map_err(|_| Problem::not_found(format!("There is no song {text:?}.")))
}

fn song(about: &mut About, id: Uuid) -> Result<&mut Song, Problem> {
    let there = about.songs.iter_mut().find(|s| s.id == id);
    there.ok_or_else(|| Problem::not_found("The song is not there, or not any more."))
}

fn is_in(path: &TreePath, dirs: &[&str]) -> bool {
    let bytes = path.as_bytes();
    let parts: Vec<&[u8]> = bytes.split(|b| *b == b'/').collect();
    parts.len() == 2 && dirs.iter().any(|d| d.as_bytes() == parts[0]) && !parts[1].starts_with(b".")
}

/// A picture's or a vault file's path, as the URL has it.
fn file_path(parts: &[&str]) -> Result<TreePath, Problem> {
    let none = || Problem::not_found("There is no such file among the pictures and in the vault.");
    let decoded: Vec<Vec<u8>> = parts.iter().map(|p| percent_decode_str(p).collect()).collect();
    let path = TreePath::new(decoded.join(&b'/')).map_err(|_| none())?;
    if is_in(&path, &[IMAGES_DIR, VAULT_DIR]) { Ok(path) } else { Err(none()) }
}

/// Text of one line.
fn line(what: &str, text: &str, chars_max: usize) -> Result<String, Problem> {
    let text = text.trim();
    let bad = |why: &str| Err(Problem::unprocessable("bad_text", format!("The {what} {why}.")));
    if text.is_empty() {
        return bad("is empty");
    }
    if text.chars().count() > chars_max {
        return bad(&format!("is longer than {chars_max} characters"));
    }
    if text.chars().any(char::is_control) {
        return bad("holds a control character");
    }
    if text.chars().any(names::hides) {
        return bad("holds a character that is not seen, or that turns text around");
    }
    Ok(text.to_owned())
}

fn change_page(about: &mut About, patch: PagePatch) -> Result<(), Problem> {
    if patch.revision.is_some_and(|r| r != about.revision) {
        let detail = "The page was changed meanwhile, in another window or by somebody else.";
        return Err(Problem::new(StatusCode::CONFLICT, "changed_meanwhile", detail)
            .remedy("Load the page again, and make your change anew."));
    }
    if let Some(name) = patch.name {
        about.name = line("name", &name, NAME_CHARS_MAX)?;
    }
    if let Some(text) = patch.text {
        let text = text.replace("\r\n", "\n");
        if text.chars().count() > TEXT_CHARS_MAX {
            let detail = format!("The text is longer than {TEXT_CHARS_MAX} characters.");
            return Err(Problem::unprocessable("bad_text", detail));
        }
        if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
            let detail = "The text holds a control character.";
            return Err(Problem::unprocessable("bad_text", detail));
        }
        text.trim().clone_into(&mut about.text);
    }
    if let Some(downloads) = patch.downloads {
        about.downloads = downloads;
    }
    if let Some(order) = patch.songs {
        reorder(about, &order)?;
    }
    Ok(())
}

/// Songs that the order does not name, because they have come meanwhile, stay at the end.
fn reorder(about: &mut About, order: &[Uuid]) -> Result<(), Problem> {
    let places: HashMap<Uuid, usize> = order.iter().enumerate().map(|(at, id)| (*id, at)).collect();
    if places.len() != order.len() {
        return Err(Problem::unprocessable("bad_order", "The order names a song twice."));
    }
    about.songs.sort_by_key(|s| places.get(&s.id).copied().unwrap_or(usize::MAX));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(titles: &[&str]) -> About {
        let song = |title: &&str| Song {
            id: Uuid::now_v7(),
            path: TreePath::new(format!("songs/{title}.mp3")).unwrap(),
            title: (*title).to_owned(),
            ..Song::default()
        };
        About { revision: 3, songs: titles.iter().map(song).collect(), ..About::default() }
    }

    #[test]
    fn an_order_keeps_songs_that_came_meanwhile() {
        let mut page = about(&["a", "b", "c"]);
        let order = vec![page.songs[1].id, page.songs[0].id];
        change_page(&mut page, PagePatch { songs: Some(order.clone()), ..PagePatch::default() })
            .unwrap();
        let titles: Vec<&str> = page.songs.iter().map(|s| s.title.as_str()).collect();
        assert_eq!(titles, ["b", "a", "c"]);
        let twice = vec![order[0], order[0]];
        let refused =
            change_page(&mut page, PagePatch { songs: Some(twice), ..PagePatch::default() });
        assert_eq!(refused.unwrap_err().code, "bad_order");
    }

    #[test]
    fn a_change_of_an_old_page_is_refused() {
        let old = PagePatch { revision: Some(2), name: Some("X".into()), ..PagePatch::default() };
        let mut page = about(&[]);
        assert_eq!(change_page(&mut page, old).unwrap_err().code, "changed_meanwhile");
        assert_eq!(page.name, "");
        let long = PagePatch { text: Some("x".repeat(20_001)), ..PagePatch::default() };
        assert_eq!(change_page(&mut page, long).unwrap_err().code, "bad_text");
        let text = PagePatch { text: Some(" a\r\nb\t".into()), ..PagePatch::default() };
        change_page(&mut page, text).unwrap();
        assert_eq!(page.text, "a\nb");
    }

    #[test]
    fn only_pictures_and_the_vault_can_be_deleted_by_path() {
        assert_eq!(file_path(&["images", "a%20b.png"]).unwrap().to_string(), "images/a b.png");
        for bad in [
            &["artist.json"][..],
            &["songs", "a.mp3"],
            &["images", "..", "artist.json"],
            &["images", "%2e%2e"],
            &["images", ".hidden"],
            &["images"],
            &[".uploads", "x"],
            &["images", "a%2fb"],
        ] {
            assert_eq!(file_path(bad).unwrap_err().status, 404, "{bad:?}");
        }
    }
}
