//! `tourbus up` as an ordinary user, who may not read everything.

use crate::up::{Up, free_ports, processes_of};
use serde_json::{Value, json};
use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::Path,
    process::Command,
    time::Duration,
};
use tourbus_tests::{api::Api, wait};

const MINUTE: Duration = Duration::from_secs(60);
/// Debian's `nobody` and `nogroup`.
const NOBODY: u32 = 65534;

/// The binary, run by somebody who is not root: ourselves, or `nobody` when we are root.
fn as_ordinary_user(dir: &Path) -> Command {
    let binary = tourbus_local::find_tourbus().unwrap();
    if !rustix::process::geteuid().is_root() {
        return Command::new(binary);
    }
    // Where we have built it, `nobody` may not look.
    let reachable = dir.join("tourbus");
    fs::copy(binary, &reachable).unwrap();
    chown(dir, Some(NOBODY), Some(NOBODY)).unwrap();
    let mut command = Command::new(reachable);
    command.uid(NOBODY).gid(NOBODY).current_dir("/").env("HOME", "/nonexistent");
    command
}

async fn ended(api: &Api, batch: &str) -> Value {
    let job = || async { api.all(&format!("/jobs?batch_id={batch}")).await.unwrap().remove(0) };
    let over = |j: &Value| j["state"] == "succeeded" || j["state"] == "failed";
    wait::until("the move to end", MINUTE, job, over).await
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn an_ordinary_user_runs_it_and_a_file_he_may_not_read_is_named() {
    let dir = tempfile::Builder::new().prefix("tourbus-user-").tempdir().unwrap();
    set_mode(dir.path(), 0o755);
    let mut up = Up::start_as(dir.path(), &free_ports(), as_ordinary_user(dir.path()));
    up.ready().await;
    let credentials = up.credentials().unwrap();
    let text = |name: &str| credentials[name].as_str().unwrap().to_owned();
    let api = Api::new(&text("url"), &text("api_token")).unwrap();

    let servers = api.all("/servers").await.unwrap();
    let id_of = |slug: &str| servers.iter().find(|s| s["slug"] == slug).unwrap()["id"].clone();
    let (home, target) = (id_of("server2"), id_of("server3"));
    let artists = api.all("/artists").await.unwrap();
    let artist = artists.iter().find(|a| a["server_id"] == home).unwrap();
    let id = artist["id"].as_str().unwrap();
    let tree = |server: &str| up.data.join("servers").join(server).join("media").join(id);
    let songs = api.all(&format!("/artists/{id}/songs")).await.unwrap();
    let song = songs[0]["path"].as_str().unwrap();
    let file = tree("server2").join(song);
    let bytes = fs::read(&file).unwrap();
    set_mode(&file, 0);

    let answer = api.move_artists(&[id.to_owned()], target.as_str().unwrap()).await.unwrap();
    let batch = answer["batch_id"].as_str().unwrap_or_else(|| panic!("{answer}"));
    let job = ended(&api, batch).await;
    assert_eq!(job["state"], "failed", "{job}");
    assert_eq!(job["error"]["code"], "file_unreadable", "{job}");
    assert_eq!(job["error"]["path"], song, "{job}");
    assert!(job["error"]["remedy"].as_str().unwrap().contains("chmod"), "{job}");
    assert!(tree("server2").exists() && !tree("server3").exists());

    set_mode(&file, 0o640);
    let retry = format!("/jobs/{}/retry", job["id"].as_str().unwrap());
    let (status, body) = api.post(&retry, &json!({})).await.unwrap();
    assert!((200..300).contains(&status), "{status} {body}");
    assert_eq!(ended(&api, batch).await["state"], "succeeded");
    let moved = tree("server3").join(song);
    assert_eq!(fs::read(&moved).unwrap(), bytes);
    assert_eq!(fs::metadata(&moved).unwrap().permissions().mode() & 0o7777, 0o640);
    up.stop();
    assert_eq!(processes_of(dir.path()), Vec::<String>::new());
}
