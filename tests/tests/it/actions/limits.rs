//! An admin sets a server's limits by its form.

use super::{MINUTE, Person};
use serde_json::{Value, json};
use std::fs;
use tourbus_tests::{support::Cluster, wait};

/// What the form holds, in its order.
const TYPED: [(&str, &str); 8] = [
    ("#moves_out_max", "2"),
    ("#moves_in_max", "3"),
    ("#rate", "0.1"),
    ("[aria-label='Days of window 1']", "mon tue"),
    ("[aria-label='Beginning of window 1']", "08:00"),
    ("[aria-label='End of window 1']", "18:00"),
    ("[aria-label='MB per second of window 1']", "2.5"),
    ("#reserve", "700"),
];

/// What the server's worker keeps to.
fn noted(cluster: &Cluster) -> Value {
    let text = fs::read(cluster.hidden("server2", "limits.json")).unwrap_or_default();
    let note: Value = serde_json::from_slice(&text).unwrap_or_default();
    note["limits"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_that_are_wrong_are_refused_with_all_that_was_typed_and_good_ones_are_kept_to() {
    let cluster = Cluster::start("page_limits").await;
    let admin = Person::admin(&cluster).await;
    admin.open("/servers").await;
    admin.press("Modify Server").await;
    admin.click(&format!("a[href='/servers/{}/modify']", cluster.server_id("server2"))).await;
    for (field, text) in TYPED {
        admin.put(field, text).await;
    }
    // Each is refused with what, where and how; the others stay as they were typed.
    let alert = "#limits [role='alert']";
    let mut wrong = None;
    for (field, bad, what, how) in [
        ("#rate", "0.1", "0.1 MB", "0.27 MB"),
        ("#rate", "fast", "\"fast\"", "such as 20 or 2.5"),
        ("[aria-label='End of window 1']", "25:00", "\"25:00\"", "such as 08:30"),
        ("[aria-label='Days of window 1']", "someday", "\"someday\"", "mon, tue"),
        ("#moves_out_max", "0", "0 is no limit", "1 to 1000"),
        ("#reserve", "much", "\"much\"", "megabytes"),
    ] {
        if let Some((field, good)) = wrong.replace((field, good(field))) {
            admin.put(field, good).await;
        }
        admin.put(field, bad).await;
        admin.press("Save").await;
        let told = admin.browser.text(alert).await;
        assert!(told.contains(what) && told.contains(how), "{bad}: {told}");
        assert_eq!(admin.count("[role='alert']").await, 1, "{bad}");
        admin.is_on_screen(alert).await;
        for (other, _) in TYPED {
            let expected = if other == field { bad } else { good(other) };
            assert_eq!(admin.typed(other).await, expected, "{other} after {field}");
        }
    }
    admin.browser.picture("limits-refused").await;
    assert!(noted(&cluster)["moves_in_max"].is_null(), "what is refused counts");

    admin.put("#reserve", "700").await;
    admin.press("Save").await;
    admin.is_told("Saved.").await;
    let kept = json!({
        "moves_out_max": 2, "moves_in_max": 3, "disk_reserve_bytes": 700_000_000,
        "bandwidth": { "default_bytes_s": 5_000_000, "windows": [
            { "days": ["mon", "tue"], "from": "08:00", "to": "18:00", "bytes_s": 2_500_000 }
        ] }
    });
    let seen = || async { noted(&cluster) };
    wait::until("the worker to keep to it", MINUTE, seen, |limits| *limits == kept).await;
    admin.press("To the server’s page").await;
    let told = |t: &str| t.contains("Moves: ") && !t.contains("Not all its workers");
    admin.reads("main", "its page to tell of it", told).await;
    admin.browser.picture("server-limited").await;
    admin.leave().await;
    cluster.finish().await;
}

/// What is meant for a field.
fn good(field: &str) -> &'static str {
    if field == "#rate" {
        return "5";
    }
    TYPED.iter().find(|(name, _)| *name == field).unwrap().1
}
