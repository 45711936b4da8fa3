//! Many jobs are chosen, and the same is done with all of them.

use super::{MINUTE, Person};
use crate::quarantine::several;
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

async fn tick(operator: &Person, jobs: &[String]) {
    operator.open("/jobs").await;
    for id in jobs {
        operator.click(&format!("input[name='id'][value='{id}']")).await;
    }
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

    tick(&operator, &ids[..2]).await;
    operator.press("Cancel…").await;
    operator.is_told("Cancel 2 jobs?").await;
    operator.is_told("What waits is called off.").await;
    operator.press("Leave them").await;
    assert!(states(&cluster, &ids).await.iter().all(|s| s == "queued"), "nothing was confirmed");
    tick(&operator, &ids[..2]).await;
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
