//! One job is steered on its own page, which tells what was asked of it.

use super::{
    Person,
    batches::{hold_back, let_go},
};
use crate::quarantine::several;
use serde_json::{Value, json};
use tourbus_tests::support::Cluster;

const PHASE: &str = ".progress-card .phase";
const TIMELINE: &str = "ol.timeline";

/// The only job of a batch.
async fn job(cluster: &Cluster, batch: &str) -> Value {
    cluster.jobs(batch).await.remove(0)
}

async fn open(operator: &Person, job: &Value) {
    operator.open(&format!("/jobs/{}", job["id"].as_str().unwrap())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_overtakes_although_its_batch_is_paused_and_another_is_cancelled_and_retried() {
    let cluster = Cluster::start("page_job").await;
    hold_back(&cluster).await;
    let artists = several(&cluster, "server2", 2).await;
    let paused = cluster.move_all(&artists[..1], "server3").await;
    let other = cluster.move_all(&artists[1..], "server3").await;
    let pause = format!("/batches/{paused}/pause");
    assert_eq!(cluster.api.post(&pause, &json!({})).await.unwrap().0, 200);
    let operator = Person::operator(&cluster).await;

    open(&operator, &job(&cluster, &paused).await).await;
    operator.sees(PHASE, "Paused").await;
    operator.press("Move now (express)").await;
    operator.sees(PHASE, "Moved").await;
    operator.sees("#refresh h1", "Moved Artist 0").await;
    operator.sees(TIMELINE, "Express was asked for").await;
    operator.sees(TIMELINE, "By operator@example.org.").await;
    operator.browser.picture("job-expedited").await;
    assert_eq!(job(&cluster, &paused).await["state"], "succeeded");
    assert_eq!(cluster.home(&artists[0]).await, "server3");

    open(&operator, &job(&cluster, &other).await).await;
    operator.sees(PHASE, "Waiting").await;
    operator.press("Cancel").await;
    operator.sees(PHASE, "Cancelled").await;
    operator.sees(TIMELINE, "Cancel was asked for").await;
    assert_eq!(operator.count("form[action$='/cancel']").await, 0, "it has ended");
    assert_eq!(job(&cluster, &other).await["state"], "cancelled");
    operator.press("Retry").await;
    operator.sees(PHASE, "Waiting").await;
    operator.sees(TIMELINE, "Retry was asked for").await;
    assert_eq!(job(&cluster, &other).await["state"], "queued");
    assert_eq!(cluster.home(&artists[1]).await, "server2");
    let_go(&cluster).await;
    operator.sees(PHASE, "Moved").await;
    assert_eq!(cluster.home(&artists[1]).await, "server3");
    operator.leave().await;
    cluster.finish().await;
}
