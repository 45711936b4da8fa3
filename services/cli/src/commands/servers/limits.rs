//! `tourbus servers limits`.

use crate::{
    args::{Limit, Limits, limit_size},
    client,
    error::CliError,
    numbers::bytes,
    screen::Screen,
    table::{Facts, Paint},
    view::Server,
};
use serde_json::{Value, json};

/// Shows them, changed first if something is asked for.
pub async fn run(screen: &Screen, asked: Limits) -> Result<(), CliError> {
    let path = format!("/servers/{}", super::id(screen, &asked.server).await?);
    let mut value = screen.api.get(&path).await?;
    let mut limits = value["limits"].clone();
    if change(&mut limits, &asked)? {
        value = screen.api.patch(&path, &json!({ "limits": limits })).await?;
    }
    screen.answer(value, |v| Ok(facts(&client::read(v)?, screen.paint)))
}

/// Whether something is asked for.
fn change(limits: &mut Value, asked: &Limits) -> Result<bool, CliError> {
    let fields = [
        ("/moves_out_max", asked.moves_out),
        ("/moves_in_max", asked.moves_in),
        ("/bandwidth/default_bytes_s", asked.rate),
        ("/disk_reserve_bytes", asked.reserve),
    ];
    let mut changed = asked.no_windows || !asked.windows.is_empty();
    for (field, limit) in fields {
        if let (Some(Limit(limit)), Some(place)) = (limit, limits.pointer_mut(field)) {
            *place = json!(limit);
            changed = true;
        }
    }
    if changed && (asked.no_windows || !asked.windows.is_empty()) {
        let windows = asked.windows.iter().map(|w| window(w)).collect::<Result<Vec<_>, _>>()?;
        limits["bandwidth"]["windows"] = json!(windows);
    }
    Ok(changed)
}

/// `[mon,tue] 08:00-18:00 20MB`
fn window(text: &str) -> Result<Value, CliError> {
    let wrong = || {
        let say =
            "days (or none for every day), hours and a rate, such as \"mon,tue 08:00-18:00 5MB\"";
        CliError::Usage(format!("{text:?} is no window: write {say}"))
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let (days, hours, rate) = match words[..] {
        [hours, rate] => ("", hours, rate),
        [days, hours, rate] => (days, hours, rate),
        _ => return Err(wrong()),
    };
    let days: Vec<&str> = days.split(',').filter(|d| !d.is_empty()).collect();
    let (from, to) = hours.split_once('-').ok_or_else(wrong)?;
    let Limit(rate) = limit_size(rate).map_err(|_| wrong())?;
    Ok(json!({ "days": days, "from": from, "to": to, "bytes_s": rate }))
}

fn facts(server: &Server, paint: Paint) -> String {
    let limits = &server.limits;
    let size = |v: &Value| v.as_u64().and_then(|b| i64::try_from(b).ok()).map(bytes);
    let rate = |v: &Value| size(v).map_or_else(|| "no limit".to_owned(), |b| format!("{b}/s"));
    let moves = |v: &Value| v.as_u64().map_or_else(|| "no limit".to_owned(), |n| n.to_string());
    let until = server.rate_until.as_ref().map_or_else(String::new, |t| format!(" until {t} UTC"));
    let mut facts = Facts::default()
        .with("server", format!("{} ({})", server.slug, server.name))
        .with("moves out", moves(&limits["moves_out_max"]))
        .with("moves in", moves(&limits["moves_in_max"]))
        .with("rate", rate(&limits["bandwidth"]["default_bytes_s"]));
    for window in limits["bandwidth"]["windows"].as_array().into_iter().flatten() {
        let word = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let days: Vec<String> = window["days"].as_array().into_iter().flatten().map(word).collect();
        let days = if days.is_empty() { "every day".to_owned() } else { days.join(",") };
        let hours = format!("{}-{}", word(&window["from"]), word(&window["to"]));
        facts = facts.with("window", format!("{days} {hours} UTC: {}", rate(&window["bytes_s"])));
    }
    let reserve = size(&limits["disk_reserve_bytes"]);
    let kept = if server.limits_pending { "not by all its workers yet" } else { "" };
    facts
        .with("reserve", reserve.unwrap_or_else(|| "as the cluster has it".to_owned()))
        .with("now", format!("{}{until}", rate(&json!(server.rate_bytes_s))))
        .with("kept", kept)
        .show(paint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_read_with_and_without_days() {
        let read = window("mon,tue 22:00-06:00 1MB").unwrap();
        assert_eq!(
            read,
            json!({ "days": ["mon", "tue"], "from": "22:00", "to": "06:00", "bytes_s": 1_000_000 })
        );
        assert_eq!(window("08:00-18:00 none").unwrap()["bytes_s"], Value::Null);
        for bad in ["", "08:00 1MB", "08:00-18:00", "mon 08:00-18:00 fast"] {
            assert!(window(bad).is_err(), "{bad}");
        }
    }
}
