//! Many jobs are chosen, and the same is done with all of them.

use super::{
    MINUTE, Person,
    batches::{hold_back, let_go},
};
use crate::quarantine::several;
use chrono::{Days, Utc};
use serde_json::{Value, json};
use tourbus_tests::{support::Cluster, wait};

/// Answers come when the test says so; until then the page is being read.
const SLOW: &str = "
    const real = fetch; window.asked = 0; window.answered = 0;
    window.fetch = async (...what) => {
        asked += 1;
        await new Promise((go) => (window.go = go));
        const answer = await real(...what), text = await answer.text();
        answer.text = async () => { setTimeout(() => (answered += 1)); return text; };
        return answer;
    };";

/// The states of a batch's jobs, in the order in which they were asked for.
async fn states(cluster: &Cluster, ids: &[String]) -> Vec<Value> {
    let mut states = Vec::new();
    for id in ids {
        states.push(cluster.api.get(&format!("/jobs/{id}")).await.unwrap()["state"].clone());
    }
    states
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_ticked_or_found_by_the_filter_and_done_with_once_it_is_confirmed() {
    let cluster = Cluster::start("page_jobs").await;
    // They wait, until they are wanted by express.
    cluster.set_export_slots("worker-server2-1", 0).await;
    let artists = several(&cluster, "server2", 4).await;
    let batch = cluster.move_all(&artists, "server3").await;
    let ids: Vec<String> = cluster.jobs(&batch).await.iter().map(|j| text(&j["id"])).collect();
    let operator = Person::operator(&cluster).await;

    operator.tick("/jobs", &ids[..2]).await;
    operator.press("Cancel…").await;
    operator.is_told("Cancel 2 jobs?").await;
    operator.is_told("What waits is called off.").await;
    operator.press("Leave them").await;
    assert!(states(&cluster, &ids).await.iter().all(|s| s == "queued"), "nothing was confirmed");
    operator.tick("/jobs", &ids[..2]).await;
    operator.press("Cancel…").await;
    operator.browser.picture("jobs-many").await;
    operator.press("Cancel 2 jobs").await;
    operator.is_told("2 being undone or called off").await;
    operator.press("One by one").await;
    operator.is_told(&ids[0]).await;
    operator.is_told(&ids[1]).await;
    let seen = || states(&cluster, &ids);
    let called_off = ["cancelled", "cancelled", "queued", "queued"];
    wait::until("two to be cancelled", MINUTE, seen, |s| *s == called_off).await;

    // Those that the filter finds.
    operator.press("Back to the jobs").await;
    operator.browser.choose("#group", "cancelled").await;
    operator.press("Show").await;
    operator.browser.find("#group option[value='cancelled'][selected]").await;
    assert_eq!(operator.count("li[data-job]").await, 2);
    operator.click("#select input[name='all']").await;
    operator.press("Retry…").await;
    operator.is_told("Retry 2 jobs?").await;
    operator.press("Retry 2 jobs").await;
    operator.is_told("2 queued again").await;
    assert!(states(&cluster, &ids).await.iter().all(|s| s == "queued"));

    // A whole page of them.
    operator.open("/jobs?group=waiting").await;
    operator.press("Select this page").await;
    operator.browser.find(".pick :checked").await;
    operator.press("Expedite…").await;
    operator.press("Expedite 4 jobs").await;
    operator.is_told("4 expedited").await;
    cluster.wait_batch(&batch, MINUTE).await;
    for artist in &artists {
        assert_eq!(cluster.home(artist).await, "server3");
    }
    // Nothing is left to be cancelled.
    operator.open("/jobs").await;
    operator.click("#select input[name='all']").await;
    operator.press("Cancel…").await;
    operator.is_told("No job to cancel").await;
    operator.leave().await;
    cluster.set_export_slots("worker-server2-1", 2).await;
    cluster.finish().await;
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// A list that is read anew leaves alone what somebody has begun to tick.
#[tokio::test(flavor = "multi_thread")]
async fn a_tick_is_not_lost_when_the_list_is_read_anew_at_that_moment() {
    let cluster = Cluster::start("page_jobs_tick").await;
    cluster.set_export_slots("worker-server2-1", 0).await;
    let artists = several(&cluster, "server2", 2).await;
    let batch = cluster.move_all(&artists, "server3").await;
    let operator = Person::operator(&cluster).await;
    operator.open("/jobs").await;
    operator.browser.ask(SLOW).await;
    let pause = format!("/batches/{batch}/pause");
    assert_eq!(cluster.api.post(&pause, &json!({})).await.unwrap().0, 200);
    let seen = || async { operator.browser.ask("return [asked, answered];").await };
    wait::until("the list to be read", MINUTE, seen, |n| *n == json!([1, 0])).await;
    operator.click(".pick input").await;
    operator.browser.ask("document.activeElement.blur(); go();").await;
    wait::until("the answer", MINUTE, seen, |n| *n == json!([1, 1])).await;
    assert_eq!(operator.count(".pick :checked").await, 1, "the tick is lost");
    // It is read again when the tick is taken back.
    operator.browser.ask("document.querySelector('.pick :checked').checked = false;").await;
    wait::until("the list to be read again", MINUTE, seen, |n| *n == json!([2, 1])).await;
    operator.browser.ask("go();").await;
    operator.sees("#refresh", "Paused").await;
    operator.leave().await;
    cluster.abandon().await;
}

/// How many jobs the filter finds: `shown` is how the page tells that this is the filter.
async fn found(operator: &Person, shown: &str) -> u64 {
    operator.press("Show").await;
    operator.browser.find(shown).await;
    operator.count("li[data-job]").await
}

/// Each field of the filter finds nothing but the operator's reading, which is on this server.
async fn narrow(operator: &Person, reading: &Value, server: &str) {
    let only = format!("li[data-job='{}']", text(&reading["id"]));
    for (list, value) in [("#kind", "verify"), ("#server", server)] {
        operator.open("/jobs").await;
        operator.browser.choose(list, value).await;
        let shown = format!("{list} option[value='{value}'][selected]");
        assert_eq!(found(operator, &shown).await, 1, "{list}");
        assert_eq!(operator.count(&only).await, 1, "{list}");
    }
    let artist = text(&reading["artist_name"]);
    for (field, typed) in [("#artist", &*artist), ("#who", "Operator@example.org")] {
        operator.open("/jobs").await;
        operator.put(field, typed).await;
        assert_eq!(found(operator, &format!("{field}[value='{typed}']")).await, 1, "{field}");
        assert_eq!(operator.count(&only).await, 1, "{field}");
    }
}

/// Both days of the filter are this one. How a day is typed depends on the browser's language.
async fn put_days(operator: &Person, day: &str) {
    operator.open("/jobs").await;
    let script =
        format!("for (const id of ['from', 'to']) document.getElementById(id).value = '{day}';");
    operator.browser.ask(&script).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_narrowed_and_paged_and_what_is_on_every_page_is_cancelled() {
    let cluster = Cluster::start("page_jobs_pages").await;
    hold_back(&cluster).await;
    let artists = several(&cluster, "server2", 51).await;
    let batch = cluster.move_all(&artists, "server3").await;
    let other = several(&cluster, "master", 1).await.remove(0);
    let operator = Person::operator(&cluster).await;
    operator.open(&format!("/artists/{}", other.id)).await;
    operator.press("Verify now").await;
    let readings = || async { cluster.api.all("/jobs?kind=verify&state=succeeded").await.unwrap() };
    let reading = wait::until("the reading", MINUTE, readings, |r| r.len() == 1).await.remove(0);

    narrow(&operator, &reading, &cluster.server_id("master")).await;
    let day = (Utc::now().date_naive() - Days::new(9)).to_string();
    let old = format!("UPDATE jobs SET created_at = '{day} 12:00+00' WHERE kind = 'verify'");
    cluster.sql(&old).unwrap();
    put_days(&operator, &day).await;
    assert_eq!(found(&operator, &format!("#from[value='{day}']")).await, 1);
    let before = (Utc::now().date_naive() - Days::new(20)).to_string();
    put_days(&operator, &before).await;
    assert_eq!(found(&operator, &format!("#from[value='{before}']")).await, 0);
    operator.is_told("No job fits these filters.").await;
    operator.press("Clear").await;

    // To the second page, and back.
    operator.browser.choose("#kind", "move").await;
    assert_eq!(found(&operator, "#kind option[value='move'][selected]").await, 50);
    operator.press("Next page").await;
    operator.browser.find("nav[aria-label='Back']").await;
    assert_eq!(operator.count("li[data-job]").await, 1);
    operator.browser.picture("jobs-second-page").await;
    operator.press("First page").await;
    operator.browser.find("nav[aria-label='Pages of jobs'] a").await;
    assert_eq!(operator.count("li[data-job]").await, 50);

    operator.click("#select input[name='all']").await;
    operator.press("Cancel…").await;
    operator.is_told("Cancel 51 jobs?").await;
    operator.press("Cancel 51 jobs").await;
    operator.is_told("51 being undone or called off").await;
    let moves = || cluster.jobs(&batch);
    let all = |jobs: &Vec<Value>| jobs.iter().all(|j| j["state"] == "cancelled");
    wait::until("all to be cancelled", 2 * MINUTE, moves, all).await;
    operator.leave().await;
    let_go(&cluster).await;
    cluster.finish().await;
}
