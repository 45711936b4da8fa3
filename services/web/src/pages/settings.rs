//! Cluster Settings.

use super::{
    chrome::{Chrome, html},
    form::Fields,
    servers::menu::Menu,
};
use crate::{
    api::settings::{self, LimitWish, SettingsPatch, SettingsView},
    app::App,
    auth::Actor,
    problem::Problem,
};
use askama::Template;
use axum::{extract::State, response::Response};

#[derive(Template)]
#[template(path = "settings.html")]
struct SettingsPage {
    chrome: Chrome,
    menu: Menu,
    /// As it was typed; empty for no limit.
    server_limit: String,
    sign_up: bool,
    /// As it was typed, in GiB.
    quota_gib: String,
    /// As it was typed.
    verify_every_days: String,
    /// As it was typed, in MB/s.
    verify_mb_s: String,
    servers: u32,
    problem: Option<Problem>,
    saved: bool,
}

impl SettingsPage {
    /// Whether the problem is about this field, so that it is told there.
    fn at(&self, field: &str) -> bool {
        self.problem.as_ref().and_then(|p| p.field) == Some(field)
    }
}

async fn answer(
    app: &App,
    actor: &Actor,
    typed: Option<&Fields>,
    problem: Option<Problem>,
    saved: bool,
) -> Result<Response, Problem> {
    let now = settings::read(app).await?;
    let known = || now.server_limit.map_or_else(String::new, |n| n.to_string());
    let text = |name: &str| typed.map(|f| f.text(name).trim().to_owned());
    let status = problem.as_ref().map(Problem::status_code);
    let mut response = html(&SettingsPage {
        chrome: Chrome::of(actor, "servers", "Cluster Settings"),
        menu: Menu::of(app, actor, "settings").await?,
        server_limit: text("server_limit").unwrap_or_else(known),
        sign_up: typed.map_or(now.sign_up, |f| f.ticked("sign_up")),
        quota_gib: text("quota_gib").unwrap_or_else(|| gib(now.quota_bytes)),
        verify_every_days: text("verify_every_days")
            .unwrap_or_else(|| now.verify_every_days.to_string()),
        verify_mb_s: text("verify_mb_s").unwrap_or_else(|| mb_s(now.verify_rate_bytes_s)),
        servers: now.servers,
        problem,
        saved,
    })?;
    if let Some(status) = status {
        *response.status_mut() = status;
    }
    Ok(response)
}

/// `10`, `0.5`: as few digits as say it.
fn gib(bytes: u64) -> String {
    let text = format!("{:.3}", bytes as f64 / f64::from(1 << 30));
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `50`, `1.5`: as few digits as say it.
fn mb_s(bytes_s: u64) -> String {
    let text = format!("{:.6}", bytes_s as f64 / 1e6);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A number of MB/s.
pub(super) fn rate(text: &str) -> Result<u64, Problem> {
    match text.replace(',', ".").parse::<f64>() {
        Ok(value) if (0.0..=1e9).contains(&value) => Ok((value * 1e6).round() as u64),
        _ => {
            let shown: String = text.chars().take(40).collect();
            Err(Problem::unprocessable("bad_rate", format!("{shown:?} is no number of MB/s."))
                .remedy("Write a number, such as 50.")
                .field("verify_rate_bytes_s"))
        }
    }
}

fn days(text: &str) -> Result<u32, Problem> {
    let shown: String = text.chars().take(40).collect();
    text.parse().map_err(|_| {
        Problem::unprocessable("bad_verify_days", format!("{shown:?} is no number of days."))
            .remedy("Write a whole number; 0 for never.")
            .field("verify_every_days")
    })
}

/// A number of GiB.
fn quota(text: &str) -> Result<u64, Problem> {
    let value: Option<f64> = text.replace(',', ".").parse().ok();
    match value {
        Some(value) if (0.0..=1e9).contains(&value) => {
            Ok((value * f64::from(1 << 30)).round() as u64)
        }
        _ => {
            let shown: String = text.chars().take(40).collect();
            Err(Problem::unprocessable("bad_quota", format!("{shown:?} is no number of GiB."))
                .remedy("Write a number, such as 10 or 0.5.")
                .field("quota_bytes"))
        }
    }
}

/// The form.
pub async fn page(State(app): State<App>, actor: Actor) -> Result<Response, Problem> {
    answer(&app, &actor, None, None, false).await
}

/// An empty field means no limit.
fn limit(text: &str) -> Result<LimitWish, Problem> {
    if text.is_empty() {
        return Ok(LimitWish::Unlimited);
    }
    let shown: String = text.chars().take(40).collect();
    text.parse().map(LimitWish::AtMost).map_err(|_| {
        Problem::unprocessable("bad_server_limit", format!("{shown:?} is no number of servers."))
            .remedy("Write a number, or leave it empty for no limit.")
            .field("server_limit")
    })
}

/// Changes the settings.
pub async fn submit(
    State(app): State<App>,
    actor: Actor,
    fields: Fields,
) -> Result<Response, Problem> {
    let now = settings::read(&app).await?;
    let done = match patch(&fields, &now) {
        Ok(patch) => settings::change(&app, &actor, &patch).await,
        Err(problem) => Err(problem),
    };
    match done {
        Ok(()) => answer(&app, &actor, None, None, true).await,
        Err(problem) if problem.status == 422 => {
            answer(&app, &actor, Some(&fields), Some(problem), false).await
        }
        Err(problem) => Err(problem),
    }
}

/// What was typed into a field that may be missing from the form.
fn typed_of<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    Some(fields.text(name).trim()).filter(|t| !t.is_empty())
}

fn patch(fields: &Fields, now: &SettingsView) -> Result<SettingsPatch, Problem> {
    let typed = fields.text("quota_gib").trim();
    // What is shown may be rounded: it stays unless it was touched.
    let touched = typed != gib(now.quota_bytes);
    Ok(SettingsPatch {
        server_limit: limit(fields.text("server_limit").trim())?,
        sign_up: Some(fields.ticked("sign_up")),
        quota_bytes: touched.then(|| quota(typed)).transpose()?,
        lofi_profile: None,
        verify_every_days: typed_of(fields, "verify_every_days").map(days).transpose()?,
        verify_rate_bytes_s: typed_of(fields, "verify_mb_s").map(rate).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_that_was_not_touched_stays_to_the_byte() {
        let now = SettingsView {
            server_limit: None,
            servers: 0,
            sign_up: true,
            quota_bytes: 1000,
            lofi_profile: "standard".to_owned(),
            verify_every_days: 7,
            verify_rate_bytes_s: 50_000_000,
        };
        let typed = |quota: &str| Fields::parse(format!("quota_gib={quota}").as_bytes());
        assert_eq!(patch(&typed("0"), &now).unwrap().quota_bytes, None);
        assert_eq!(patch(&typed("1"), &now).unwrap().quota_bytes, Some(1 << 30));
    }

    #[test]
    fn a_quota_is_shown_as_it_was_typed() {
        for text in ["10", "0.5", "0", "1.25"] {
            assert_eq!(gib(quota(text).unwrap()), text);
        }
        for bad in ["", "x", "-1", "NaN", "inf", "1e30"] {
            assert_eq!(quota(bad).unwrap_err().code, "bad_quota", "{bad}");
        }
    }
}
