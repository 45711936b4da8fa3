//! The operator's command line: the real binary on the real web service.

mod batches;
mod fail;
mod files;
mod servers;
mod watch;

use crate::web::fixture::Web;
use serde_json::Value;
use std::{path::Path, process::Stdio, time::Duration};
use tokio::process::Command;

const PATIENCE: Duration = Duration::from_secs(60);

/// What a command said, and how it ended.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// That it ended like this, and said these things.
    fn must(&self, code: i32, parts: &[&str]) -> &Self {
        assert_eq!(self.code, code, "{self:?}");
        for part in parts {
            assert!(self.out.contains(part) || self.err.contains(part), "{part:?} in {self:?}");
        }
        self
    }
}

/// The binary with nothing of this test's environment, in a directory without a stack.
fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(tourbus_local::find_tourbus().unwrap());
    command.args(args).current_dir(dir).stdin(Stdio::null()).kill_on_drop(true);
    for name in ["URL", "API_TOKEN", "CREDENTIALS", "CA", "DATA_DIR"] {
        command.env_remove(format!("TOURBUS_{name}"));
    }
    command
}

async fn said(mut command: Command) -> Said {
    let output = command.output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap();
    Said { code, out: text(output.stdout), err: text(output.stderr) }
}

/// A master, as an admin's shell sees it.
struct Shell {
    dir: tempfile::TempDir,
    url: String,
    token: String,
}

impl Shell {
    fn new(url: &str, token: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { dir, url: url.to_owned(), token: token.to_owned() }
    }

    fn command(&self, line: &str) -> Command {
        let args: Vec<&str> = line.split_whitespace().collect();
        let mut command = command(self.dir.path(), &args);
        command.env("TOURBUS_URL", &self.url).env("TOURBUS_API_TOKEN", &self.token);
        command
    }

    async fn run(&self, line: &str) -> Said {
        said(self.command(line)).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_cluster_has_is_shown_to_people_and_to_scripts() {
    let web = Web::start("cli_look").await;
    let artists = web.artists(0, &[("The Rooks", 500), ("Mötley 音楽", 20)]).await;
    web.artists(1, &[("Larks \u{1b}[2J", 70)]).await;
    let shell = Shell::new(&web.url, "admin");

    let servers = shell.run("servers").await;
    servers.must(0, &["SERVER", "master, default", "server2", "online", "1.1 GB"]);
    assert!(!servers.out.contains('\u{1b}'), "no colours in a pipe: {servers:?}");
    let json = shell.run("servers --json").await.json();
    assert_eq!(json, web.api("/servers").await.1, "as the API gives it");
    shell.run("servers show server2").await.must(0, &["server2 (Server 1)", "http://server2.test"]);
    shell
        .run("servers show nowhere")
        .await
        .must(1, &["no server \"nowhere\", but master, server2"]);

    let list = shell.run("artists --sort -plays_total --limit 2").await;
    list.must(0, &["The Rooks", "there are more"]);
    let lines: Vec<&str> = list.out.lines().collect();
    assert!(lines.len() == 3 && lines[1].starts_with("The Rooks"), "{list:?}");
    let larks = shell.run("artists list --server server2").await;
    assert!(larks.out.contains("Larks \u{fffd}[2J"), "it steers no terminal: {larks:?}");
    let page = shell.run("artists --limit 1 --json").await.json();
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    assert!(page["next_cursor"].is_string(), "{page}");
    assert_eq!(
        shell.run("artists --all --json").await.json()["items"].as_array().unwrap().len(),
        3
    );

    let slug = format!("a-{}", artists[0]);
    for name in [slug, artists[0].to_string()] {
        shell.run(&format!("artists show {name}")).await.must(0, &["The Rooks", "Song 1", "3 min"]);
    }
    shell.run("artists show nobody").await.must(1, &["no artist is called \"nobody\""]);
    shell.run("jobs").await.must(0, &["None."]);
    shell.run("audit --since 1h").await.must(0, &["account.create", "test"]);
    shell.run("lofi status").await.must(0, &["standard", "0 of 6 songs"]);
    shell.run("lofi failures").await.must(0, &["No song's last conversion failed"]);
    // Nobody listens where this web's broker should be.
    shell.run("queues").await.must(1, &["The queues are not known", "Check that RabbitMQ runs"]);
    web.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn moves_are_queued_steered_and_refused() {
    let web = Web::start("cli_moves").await;
    let artists = web.artists(0, &[("The Rooks", 500), ("Larks", 20)]).await;
    web.artists(1, &[("There", 70)]).await;
    let shell = Shell::new(&web.url, "admin");

    let dry = shell.run("moves queue --all --to server2 --dry-run").await;
    dry.must(0, &["2 artists would move to Server 1", "1 already lives on Server 1"]);
    assert!(shell.run("jobs --json").await.json()["items"].as_array().unwrap().is_empty());
    let queue = format!("moves queue --artist {} --to server2 --reason because", artists[0]);
    shell.run(&queue).await.must(0, &["1 artist queued to Server 1: batch "]);
    shell.run(&queue).await.must(1, &["Nobody was queued", "The Rooks"]);
    shell.run("moves queue --from server3 --to server2").await.must(1, &["No artist matches"]);
    let rest =
        shell.run("moves queue --from master --filter lark --to server3 --json").await.json();
    assert_eq!(rest["accepted"], 1, "{rest}");

    let batches = shell.run("batches").await;
    batches.must(0, &["because", "running", "server2", "admin@test.example"]);
    let batch = rest["batch_id"].as_str().unwrap();
    let short = &batch[..13];
    let seen = shell.run(&format!("batches show {short}")).await;
    seen.must(0, &[batch, "1: 1 waiting", "server3"]);
    shell.run("batches show 0192").await.must(2, &["8 characters or more"]);
    shell.run("batches show 01920000").await.must(1, &["none of the 1000 newest batches"]);

    let jobs = shell.run(&format!("jobs --batch {short} --state queued")).await;
    jobs.must(0, &["Larks", "master → server3"]);
    let job = jobs.out.lines().nth(1).unwrap().split(' ').next().unwrap().to_owned();
    shell.run(&format!("jobs express {job}")).await.must(0, &["Larks overtakes"]);
    shell.run(&format!("jobs show {job}")).await.must(0, &["express", "export"]);
    shell
        .run(&format!("jobs retry {job}"))
        .await
        .must(1, &["tourbus: Not possible in this state: ", "\n  Wait until it has ended"]);
    shell.run("jobs --state done").await.must(1, &["Use one or several of queued"]);
    shell.run(&format!("batches cancel {short}")).await.must(0, &["1 job being undone."]);
    let again = shell.run(&format!("batches retry {batch} --include-cancelled")).await;
    again.must(1, &["still being undone"]);

    // A viewer's token shows and does nothing.
    let viewer = Shell::new(&web.url, "viewer");
    viewer.run("servers").await.must(0, &["server2"]);
    viewer.run(&format!("jobs cancel {job}")).await.must(1, &["Not allowed"]);
    web.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_command_line_is_described() {
    let dir = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = said(command(dir.path(), &["completions", shell])).await;
        script.must(0, &["tourbus", "undrain"]);
    }
    said(command(dir.path(), &["man"])).await.must(0, &[".TH tourbus 1"]);
    let pages = dir.path().join("man/man1");
    said(command(dir.path(), &["man", "--dir", pages.to_str().unwrap()])).await.must(0, &[]);
    let page = std::fs::read_to_string(pages.join("tourbus-moves-queue.1")).unwrap();
    assert!(page.contains("dry\\-run"), "{page}");
    // One file without a cluster is converted as ever.
    let wav = dir.path().join("in.wav");
    std::fs::write(&wav, tourbus_tests::song::wav(2, 0.5)).unwrap();
    let line = ["lofi", "in.wav", "out.mp3", "--profile", "classic"];
    said(command(dir.path(), &line)).await.must(0, &["kbit/s"]);
    assert!(dir.path().join("out.mp3").exists());
    said(command(dir.path(), &["lofi", "in.wav"])).await.must(2, &["OUT"]);
}
