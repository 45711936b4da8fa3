//! Pages as they come out of the templates, with data that never changes.

use super::{
    batch_lines::{Chip, JobLine, JobList, Section},
    chrome::{Chrome, html},
    error::{ErrorPage, Way},
    move_artists,
};
use crate::{
    api::view::{JobView, ServerState, ServerView},
    problem::Problem,
};
use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

fn at(s: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + s, 0).unwrap()
}

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

pub(super) fn server(n: u128, name: &str, state: ServerState) -> ServerView {
    ServerView {
        id: id(n),
        slug: name.to_lowercase(),
        name: name.to_owned(),
        ip: "127.0.0.1".to_owned(),
        url: format!("http://{}.example", name.to_lowercase()),
        is_master: n == 1,
        active: true,
        is_default: n == 1,
        draining: false,
        state,
        quarantine: None,
        last_seen_at: Some(at(0)),
        workers: 2,
        version: Some("0.1.0".to_owned()),
        artists: 120,
        plays_total: 1_234_567,
        plays_30d: 98_765,
        bytes: 5_400_000_000,
        free_bytes: Some(90_000_000_000),
        total_bytes: Some(200_000_000_000),
        arriving_bytes: 0,
    }
}

fn job(n: u128, state: &str, error: Option<serde_json::Value>) -> JobView {
    JobView {
        id: id(100 + n),
        batch_id: Some(id(10)),
        kind: "move".to_owned(),
        state: state.to_owned(),
        artist_id: id(200 + n),
        artist_name: format!("Tom & <Jerry> {n}"),
        artist_slug: format!("tom-{n}"),
        source_server_id: id(1),
        target_server_id: id(2),
        express: false,
        cancel_requested: false,
        artist_server_id: id(1),
        retryable: state == "failed",
        files_total: 12,
        bytes_staged: 40_000_000,
        bytes_done: 25_000_000,
        bytes_total: 100_000_000,
        error,
        created_at: at(0),
        started_at: Some(at(5)),
        finished_at: None,
        updated_at: at(9),
    }
}

fn text(template: &impl askama::Template) -> String {
    // What a person would check: the empty lines of the templates are noise.
    let text = template.render().unwrap();
    let lines = text.lines().map(str::trim_end).filter(|l| !l.trim().is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

#[derive(askama::Template)]
#[template(path = "_jobs.html")]
struct Jobs {
    jobs: JobList,
}

#[test]
fn a_list_of_jobs() {
    let servers = [server(1, "Main", ServerState::Online), server(2, "Hilltop", ServerState::Late)];
    let error = json!({
        "class": "permanent", "code": "disk_full", "message": "The disk of Hilltop is full",
        "path": "songs/<one>.mp3", "remedy": "Free some space there."
    });
    let lines = [job(1, "copying", None), job(2, "failed", Some(error)), job(3, "queued", None)];
    let chip = Chip {
        href: "?group=running".to_owned(),
        name: "Moving",
        group: "running",
        count: 1,
        chosen: true,
    };
    let jobs = JobList {
        chips: vec![chip],
        sections: Section::only(lines.into_iter().map(|j| JobLine::new(j, &servers)).collect()),
        previous: String::new(),
        next: "?page=1".to_owned(),
        may_steer: true,
        back: "/batches/x".to_owned(),
        show_batch: false,
        empty: "",
    };
    let text = text(&Jobs { jobs });
    assert!(!text.contains("<Jerry>") && !text.contains("<one>"), "names are escaped");
    insta::assert_snapshot!(text);
}

#[test]
fn servers_that_can_be_chosen() {
    let mut resting = server(3, "Resting", ServerState::Online);
    resting.active = false;
    let mut draining = server(4, "Draining", ServerState::Online);
    draining.draining = true;
    let servers = [
        server(1, "Main", ServerState::Late),
        server(2, "Gone", ServerState::Offline),
        resting,
        draining,
    ];
    let cards = move_artists::cards(&servers);
    let shown: Vec<_> = cards.iter().map(|c| (c.name.as_str(), c.closed.as_str())).collect();
    assert_eq!(
        shown,
        [
            ("Main", ""),
            ("Gone", "Offline: start a worker there first."),
            ("Draining", "Being drained: it takes no more artists."),
        ]
    );
}

#[test]
fn a_problem_as_a_page() {
    let problem = Problem::not_found("batch", id(7));
    let ways = vec![Way { href: "/batches".to_owned(), text: "To all batches" }];
    let page = ErrorPage { chrome: Chrome::public(problem.title), problem, ways };
    assert!(html(&page).is_ok());
    insta::assert_snapshot!(text(&page));
}
