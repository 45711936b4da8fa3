//! The overview: how the cluster is, at a glance, and what needs a person.

use super::{
    balance_watch,
    batch::servers,
    batch_head::Head,
    chrome::{Chrome, html},
    servers::overview::live,
    show,
};
use crate::{
    api::{
        balance_watch as api_watch,
        batches::{self, BatchParams},
        queues as queues_api,
        view::{ServerState, ServerView},
    },
    app::App,
    auth::Actor,
    problem::Problem,
};
use askama::Template;
use axum::{extract::State, response::Response};
use futures_util::TryFutureExt;
use tokio::try_join;
use tourbus_domain::Lane;
use tourbus_store::{FAILED_MOVES_MAX, LanePauseRow, LofiFailed, Needs};

/// Batches that are shown.
const BATCHES: u32 = 8;
/// A disk that is fuller than this needs a person, in percent.
const FULL_PERCENT: i64 = 90;

/// Something that needs a person.
struct Need {
    what: String,
    more: String,
    href: String,
    /// What the link says.
    mend: &'static str,
}

/// One bar of a chart.
struct Bar {
    server: String,
    value: String,
    width: String,
    full: bool,
}

/// Bars of all servers for one figure.
struct Chart {
    title: &'static str,
    bars: Vec<Bar>,
    total: String,
}

struct HealthLine {
    server: ServerView,
    label: &'static str,
    state: &'static str,
    workers: String,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    chrome: Chrome,
    needs: Vec<Need>,
    charts: Vec<Chart>,
    /// The charts' figures of each server, under their titles.
    figures: Vec<(String, Vec<(&'static str, String)>)>,
    health: Vec<HealthLine>,
    running: Vec<Head>,
}

fn counted(n: i64, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{} {many}", show::count(n)) }
}

fn failed_moves(n: i64) -> String {
    if n > FAILED_MOVES_MAX {
        return format!("{}+ artists’ last moves failed", show::count(FAILED_MOVES_MAX));
    }
    counted(n, "artist’s last move failed", "artists’ last moves failed")
}

/// What is wrong with a server by itself.
fn of_server(server: &ServerView) -> Option<Need> {
    let href = format!("/servers/{}", server.id);
    let need =
        |what: String, more: String, mend| Some(Need { what, more, href: href.clone(), mend });
    match server.state {
        ServerState::Offline => need(
            format!("{} is offline", server.name),
            "No worker of it reports. Its artists can be heard as long as its media service runs; \
             moves from and to it wait."
                .to_owned(),
            "Look at the server",
        ),
        ServerState::Quarantined => {
            let why = server.quarantine.as_ref();
            let why = why.map_or_else(String::new, |q| show::sentences(&[&q.message, &q.remedy]));
            need(format!("{} is in quarantine", server.name), why, "Look and release")
        }
        ServerState::Never if server.joined_at.is_none() && !server.is_master => need(
            format!("{} has not joined yet", server.name),
            "Run the command of its page on that machine.".to_owned(),
            "Show the command",
        ),
        _ => None,
    }
}

fn full(server: &ServerView) -> Option<Need> {
    let (total, free) = server.total_bytes.zip(server.free_bytes)?;
    let used = show::percent(total - free, total);
    (used >= FULL_PERCENT).then(|| Need {
        what: format!("{}’s disk is {used} % full", server.name),
        more: format!("{} of {} are free.", show::bytes(free), show::bytes(total)),
        href: format!("/move?server_id={}", server.id),
        mend: "Move artists off it",
    })
}

fn of_database(needs: &Needs) -> Vec<Need> {
    let need = |n: i64, one: &str, many: &str, more: &str, href: &str, mend| {
        (n > 0).then(|| Need {
            what: counted(n, one, many),
            more: more.to_owned(),
            href: href.to_owned(),
            mend,
        })
    };
    [
        need(
            needs.stuck,
            "job is stuck",
            "jobs are stuck",
            "Undoing it has failed: mend what its error names, then retry.",
            "/jobs?group=failed",
            "Look at it",
        ),
        (needs.failed_moves > 0).then(|| Need {
            what: failed_moves(needs.failed_moves),
            more: "Everything was undone: they are where they were.".to_owned(),
            href: "/jobs?group=failed&kind=move".to_owned(),
            mend: "Look and retry",
        }),
        need(
            needs.red_checks,
            "check of a server is red",
            "checks of servers are red",
            "",
            "/servers",
            "Look at the servers",
        ),
        need(
            needs.paused_batches,
            "batch is paused",
            "batches are paused",
            "Nothing new begins of it until it is resumed.",
            "/batches?state=paused",
            "Look at it",
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

async fn of_broker(app: &App) -> Vec<Need> {
    let need = |what: &str, more: String, href: &str, mend| Need {
        what: what.to_owned(),
        more,
        href: href.to_owned(),
        mend,
    };
    let snapshot = match queues_api::snapshot(app).await {
        Ok(snapshot) => snapshot,
        Err(p) => {
            return vec![need(
                "The broker does not answer",
                p.detail,
                "/queues",
                "Look at the queues",
            )];
        }
    };
    let mut needs = Vec::new();
    if snapshot.alarms().next().is_some() {
        let more = "It is short of disk or memory. Nothing is lost; everything waits, and servers \
                    may show as offline meanwhile."
            .to_owned();
        needs.push(need("The broker takes no messages", more, "/queues", "See what to do"));
    }
    let dead = snapshot.facts.as_ref().map_or(0, |f| f.dead_letters);
    if dead > 0 {
        let what = counted(dead, "dead letter", "dead letters");
        needs.push(need(
            &what,
            "Messages that were refused.".to_owned(),
            "/queues/dead",
            "Read them",
        ));
    }
    needs
}

async fn of_lanes(app: &App) -> Result<Vec<Need>, Problem> {
    let need = |p: LanePauseRow| {
        let why = if p.reason.is_empty() { String::new() } else { format!(": “{}”", p.reason) };
        let stops = p.lane.parse().map_or("", Lane::pause_stops);
        Need {
            what: format!("Lane {} of {} is paused", p.lane, p.server_name),
            more: format!(
                "By {}, since {}{why}. {stops}",
                p.paused_by,
                show::when(p.paused_at).text
            ),
            href: "/queues".to_owned(),
            mend: "Look and resume",
        }
    };
    Ok(app.store.lane_pauses().await?.into_iter().map(need).collect())
}

async fn of_lofi(app: &App) -> Result<Option<Need>, Problem> {
    let LofiFailed { songs, without_lofi: bare, more } = app.store.lofi_failed().await?;
    let have = if bare == 1 && !more { "has" } else { "have" };
    Ok((songs > 0).then(|| Need {
        what: match songs {
            1 if !more => "1 song could not be converted".to_owned(),
            n => format!("{} songs could not be converted", show::up_to(n, more)),
        },
        more: match bare {
            0 => String::new(),
            n => format!("{} {have} no LOFI at all.", show::at_least(n, more)),
        },
        href: "/lofi".to_owned(),
        mend: "See why",
    }))
}

async fn of_verify(app: &App) -> Result<Option<Need>, Problem> {
    let open = app.store.open_findings().await?;
    let (findings, damaged): (i64, i64) =
        (open.iter().map(|o| o.findings).sum(), open.iter().map(|o| o.damaged).sum());
    Ok((findings > 0).then(|| Need {
        what: counted(findings, "file is not as it should be", "files are not as they should be"),
        more: if damaged > 0 {
            counted(damaged, "of them is", "of them are") + " damaged, changed or missing."
        } else {
            "They are there, and Tourbus did not put them there.".to_owned()
        },
        href: "/verify".to_owned(),
        mend: "See which",
    }))
}

async fn of_watch(app: &App) -> Result<Vec<Need>, Problem> {
    let watch = api_watch::read(app).await?;
    let need = |what: &str, more: String, mend| Need {
        what: what.to_owned(),
        more,
        href: "/balance".to_owned(),
        mend,
    };
    let mut needs = Vec::new();
    if watch.alert_since.is_some() {
        let more = format!("{}.", balance_watch::worst(&watch));
        needs.push(need("The cluster is out of balance", more, "See which moves would help"));
    }
    if watch.silent {
        let last = watch.last_run_at.map(|at| format!(" It last did at {}.", show::when(at).text));
        let more = format!(
            "It should look at the balance {}, and has not for twice that long: nobody knows how \
             it is. Check that the coordinator runs.{}",
            if watch.every == "hourly" { "every hour" } else { "every day" },
            last.unwrap_or_default()
        );
        needs.push(need("The watch over the balance has not run", more, "Look at the watch"));
    }
    Ok(needs)
}

async fn of_webhooks(app: &App) -> Result<Vec<Need>, Problem> {
    let amiss = app.store.webhooks_amiss().await?;
    let need = |n: i64, one: &str, many: &str, more: &str| {
        (n > 0).then(|| Need {
            what: counted(n, one, many),
            more: more.to_owned(),
            href: "/webhooks".to_owned(),
            mend: "See why",
        })
    };
    let (off, failing) = (amiss.switched_off, amiss.failing);
    let needs = [
        need(
            off,
            "webhook was switched off by itself",
            "webhooks were switched off by themselves",
            "Nothing arrived there for days, or it wants no more.",
        ),
        need(
            failing,
            "webhook is failing",
            "webhooks are failing",
            "Nothing has arrived there for an hour; it is tried again.",
        ),
    ];
    Ok(needs.into_iter().flatten().collect())
}

fn chart(
    title: &'static str,
    servers: &[ServerView],
    value: impl Fn(&ServerView) -> i64,
    text: impl Fn(i64) -> String,
) -> Chart {
    let most = servers.iter().map(&value).max().unwrap_or(0).max(1);
    let bar = |s: &ServerView| Bar {
        server: s.name.clone(),
        value: text(value(s)),
        width: format!("{:.2}%", value(s) as f64 * 100.0 / most as f64),
        full: false,
    };
    Chart {
        title,
        bars: servers.iter().map(bar).collect(),
        total: text(servers.iter().map(&value).sum()),
    }
}

/// Disks are measured against their own size.
fn disks(servers: &[ServerView]) -> Chart {
    let known = |s: &&ServerView| s.total_bytes.is_some_and(|t| t > 0) && s.free_bytes.is_some();
    let bar = |s: &ServerView| {
        let (total, free) = (s.total_bytes.unwrap_or(0), s.free_bytes.unwrap_or(0));
        let used = total - free;
        let percent = show::percent(used, total);
        Bar {
            server: s.name.clone(),
            value: format!("{percent} % of {}, {} free", show::bytes(total), show::bytes(free)),
            width: format!("{:.2}%", used as f64 * 100.0 / total.max(1) as f64),
            full: percent >= FULL_PERCENT,
        }
    };
    Chart {
        title: "Disk",
        bars: servers.iter().filter(known).map(bar).collect(),
        total: String::new(),
    }
}

/// Everything at a glance.
pub async fn page(State(app): State<App>, actor: Actor) -> Result<Response, Problem> {
    let params = BatchParams {
        state: Some("open".to_owned()),
        limit: Some(BATCHES),
        ..BatchParams::default()
    };
    let broker = async { Ok(of_broker(&app).await) };
    let database = async { Ok(of_database(&app.store.needs().await?)) };
    let (live, ever, running) =
        (live(&app), servers(&app), batches::page(&app, &params).map_ok(|page| page.items));
    // They are asked side by side: none is long, and there are many.
    let (live, ever, running, broker, database, watch, webhooks, lanes, findings, songs) = try_join!(
        live,
        ever,
        running,
        broker,
        database,
        of_watch(&app),
        of_webhooks(&app),
        of_lanes(&app),
        of_verify(&app),
        of_lofi(&app),
    )?;
    // First what makes others follow: nobody can report to a broker that takes nothing.
    let mut needs = broker;
    needs.extend(live.iter().filter_map(of_server));
    needs.extend(live.iter().filter_map(full));
    needs.extend(database);
    needs.extend(watch);
    needs.extend(webhooks);
    needs.extend(lanes);
    needs.extend(findings);
    needs.extend(songs);
    let charts = vec![
        chart("Plays, last 30 days", &live, |s| s.plays_30d, show::count),
        chart("Plays, ever", &live, |s| s.plays_total, show::count),
        chart("Artists", &live, |s| s.artists, show::count),
        chart("Music", &live, |s| s.bytes, show::bytes),
        disks(&live),
    ];
    let figures = live.iter().map(|server| {
        let value = |c: &Chart| {
            let bar = c.bars.iter().find(|b| b.server == server.name);
            (c.title, bar.map_or_else(|| "–".to_owned(), |b| b.value.clone()))
        };
        (server.name.clone(), charts.iter().map(value).collect())
    });
    let figures = figures.collect();
    let health = live.into_iter().map(|server| HealthLine {
        label: server.state.label(),
        state: server.state.as_str(),
        workers: counted(server.workers, "worker", "workers"),
        server,
    });
    html(&OverviewPage {
        chrome: Chrome { reload_s: 30, ..Chrome::of(&actor, "overview", "Overview") },
        needs,
        figures,
        charts,
        health: health.collect(),
        running: running.iter().map(|b| Head::new(b, &ever)).collect(),
    })
}
