//! Pages as they come out of the templates, with data that never changes.

use super::{
    batch_lines::{Chip, JobLine, JobList, Section},
    chrome::{Chrome, html},
    error::{ErrorPage, Way},
    move_artists,
    servers::{
        card::ServerCard,
        delete::{Kept, ListPage, obstacles},
        form::{FormPage, Typed},
        menu::Menu,
        overview::ServersPage,
    },
};
use crate::{
    api::view::{JobView, ServerState, ServerView},
    problem::Problem,
    queues::QueueDepth,
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
        joined_at: None,
        deleted: false,
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
        limits: crate::servers::limits::LimitsBody::default(),
        limits_pending: false,
        rate_bytes_s: None,
        rate_until: None,
        arriving_bytes: 0,
    }
}

fn job(n: u128, state: &str, error: Option<serde_json::Value>) -> JobView {
    JobView {
        id: id(100 + n),
        trace_id: None,
        batch_id: Some(id(10)),
        kind: "move".to_owned(),
        state: state.to_owned(),
        artist_id: id(200 + n),
        artist_name: format!("Tom & <Jerry> {n}"),
        artist_slug: format!("tom-{n}"),
        source_server_id: id(1),
        target_server_id: id(2),
        bulk: false,
        song_id: None,
        song_title: None,
        express: false,
        at_servers: Vec::new(),
        paused: false,
        cancel_requested: false,
        artist_server_id: id(1),
        retryable: state == "failed",
        files_total: 12,
        bytes_staged: 40_000_000,
        bytes_done: 25_000_000,
        bytes_total: 100_000_000,
        findings: 0,
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
    let servers = [
        server(1, "Main", ServerState::Online),
        server(2, "Hilltop", ServerState::Late),
        server(3, "Away", ServerState::Offline),
    ];
    let error = json!({
        "class": "permanent", "code": "disk_full", "message": "The disk of Hilltop is full",
        "path": "songs/<one>.mp3", "remedy": "Free some space there."
    });
    let lines = [
        JobView { at_servers: vec![id(1), id(2)], ..job(1, "copying", None) },
        job(2, "failed", Some(error)),
        JobView { at_servers: vec![id(3)], ..job(3, "queued", None) },
    ];
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
        pick: false,
        picked: false,
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

fn menu(here: &'static str) -> Menu {
    Menu { here, may: true, create: true, full: String::new() }
}

#[test]
fn every_server_with_its_lanes() {
    let mut fresh = server(2, "Fresh", ServerState::Never);
    (fresh.free_bytes, fresh.total_bytes, fresh.last_seen_at) = (None, None, None);
    let lane = |lane: &str, ready, unacked, consumers| QueueDepth {
        in_s: None,
        out_s: None,
        oldest_waiting_s: None,
        paused: None,
        queue: format!("tourbus.lane.main.{lane}"),
        server_slug: Some("main".to_owned()),
        lane: Some(lane.to_owned()),
        ready,
        unacked,
        consumers,
    };
    let depths = [lane("export", 1200, 2, 1), lane("import", 0, 0, 1), lane("lofi", 3, 0, 0)];
    let servers = [server(1, "Main", ServerState::Online), fresh];
    let page = ServersPage {
        chrome: Chrome::public("Servers"),
        menu: Menu {
            create: false,
            full: "Server limit reached: 1 of 1".to_owned(),
            ..menu("overview")
        },
        cards: servers.into_iter().map(|s| ServerCard::new(s, &depths)).collect(),
        lanes_unknown: String::new(),
        may: true,
    };
    let text = text(&page);
    assert!(!text.contains("Create Server"));
    insta::assert_snapshot!(text);
}

#[test]
fn a_form_with_what_is_wrong_beside_the_fields() {
    let wrong = |code, detail: &str, field| Problem::unprocessable(code, detail).field(field);
    let page = FormPage {
        chrome: Chrome::public("Create Server"),
        menu: menu("create"),
        server: None,
        typed: Typed {
            name: "<Hill>".to_owned(),
            ip: "nowhere".to_owned(),
            active: true,
            ..Typed::default()
        },
        problems: vec![
            wrong("bad_ip", "\"nowhere\" is no IP address.", "ip").remedy("Write one."),
            wrong("bad_url", "\"\" is no full URL.", "url"),
        ],
        saved: false,
        main_domain: "example.org".to_owned(),
        example: "https://server4.example.org".to_owned(),
        default_now: "Main".to_owned(),
    };
    let text = text(&page);
    assert!(!text.contains("<Hill>"), "what was typed is escaped");
    insta::assert_snapshot!(text);
}

#[test]
fn who_can_be_deleted_and_what_keeps_the_others() {
    let ties = tourbus_store::ServerTies { arriving: 1, ..Default::default() };
    let mut empty = server(3, "Empty", ServerState::Online);
    empty.artists = 0;
    let kept = [server(1, "Main", ServerState::Online), server(2, "Hill", ServerState::Online)]
        .map(|server| Kept { why: obstacles(&server, ties), server });
    let page = ListPage {
        chrome: Chrome::public("Delete Server"),
        menu: menu("delete"),
        free: vec![empty],
        kept: kept.into(),
        pending: vec!["gone".to_owned()],
    };
    insta::assert_snapshot!(text(&page));
}

#[test]
fn a_problem_as_a_page() {
    let problem = Problem::not_found("batch", id(7));
    let ways = vec![Way { href: "/batches".to_owned(), text: "To all batches" }];
    let page = ErrorPage { chrome: Chrome::public(problem.title), problem, ways };
    assert!(html(&page).is_ok());
    insta::assert_snapshot!(text(&page));
}
