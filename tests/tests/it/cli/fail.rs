//! Masters that are older, away or none, and what makes no sense.

use super::{Shell, command, said};
use crate::web::fixture::Web;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A master that knows no routes: what an older one says to what it does not have.
async fn older_master() -> (String, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let body = json!({ "title": "There is no such route", "status": 404, "code": "no_such_route",
        "detail": "It is no route of this API.", "remedy": "See /api/v1/openapi.json." });
    let answer = format!(
        "HTTP/1.1 404 Not Found\r\ncontent-type: application/problem+json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.to_string().len()
    );
    let serving = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = Vec::new();
            while !asked.windows(4).any(|w| w == b"\r\n\r\n") {
                if stream.read_buf(&mut asked).await.unwrap() == 0 {
                    break;
                }
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (url, serving)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_master_is_told_as_such() {
    let (url, serving) = older_master().await;
    let shell = Shell::new(&url, "admin");
    let id = "0192aaaa-0000-7000-8000-000000000000";
    for (line, route) in [
        ("balance --tolerance 0.2".to_owned(), "/balance)"),
        ("queues dead".to_owned(), "/queues/dead)"),
        (
            "queues requeue 01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
            "/queues/dead/01890a5d-ac96-774b-bcce-b302099a8057/requeue)",
        ),
        ("queues discard --all".to_owned(), "/queues/dead/discard)"),
        (format!("verify queue --artist {id}"), "/verify)"),
        (format!("verify resolve {id}"), "/verify/findings)"),
        (format!("jobs report {id}"), &*format!("/jobs/{id}/report)")),
        (format!("batches pause {id}"), &*format!("/batches/{id}/pause)")),
    ] {
        shell.run(&line).await.must(1, &["older than this program", route]);
    }
    serving.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_fail_has_its_status_and_says_what_to_do() {
    let web = Web::start("cli_fail").await;
    let artist = web.artists(0, &[("The Rooks", 500)]).await[0];
    let shell = Shell::new(&web.url, "admin");
    let missing = Shell::new(&format!("{}/no-such-place", web.url), "admin");
    let away = missing.run("servers").await;
    assert_eq!(away.code, 1, "a page is no master: {away:?}");

    shell.run("moves queue --to server2").await.must(2, &["--artist", "--from", "--all"]);
    shell.run("artists --filter x show y").await.must(2, &["before a subcommand"]);
    let mut nowhere = command(shell.dir.path(), &["servers"]);
    nowhere.env("TOURBUS_API_TOKEN", "admin");
    said(nowhere).await.must(2, &["no master is named", "--url"]);
    let mut tokenless = command(shell.dir.path(), &["servers", "--url", &web.url]);
    tokenless.env("TOURBUS_API_TOKEN", "");
    said(tokenless).await.must(4, &["TOURBUS_API_TOKEN is not set"]);
    let wrong = Shell::new(&web.url, "wrong").run("servers --json").await;
    wrong.must(4, &["not signed in"]);
    assert_eq!(wrong.out, "", "no half an answer");
    let away = Shell::new("http://127.0.0.1:9", "admin").run("servers").await;
    away.must(3, &["cannot reach the master at http://127.0.0.1:9"]);
    let readable = Shell::new("http://192.0.2.7", "admin").run("servers").await;
    readable.must(2, &["is not encrypted", "--allow-unencrypted main_url"]);

    // The credentials of a local stack are found where it is.
    let data = shell.dir.path().join(".data");
    std::fs::create_dir(&data).unwrap();
    let credentials = json!({ "url": web.url, "admin_email": "x", "api_token": "admin" });
    std::fs::write(data.join("credentials.json"), credentials.to_string()).unwrap();
    said(command(shell.dir.path(), &["servers"])).await.must(0, &["server2"]);
    let show = ["artists", "show", &artist.to_string(), "--json"];
    assert_eq!(said(command(shell.dir.path(), &show)).await.json()["name"], "The Rooks");
    web.finish().await;
}
