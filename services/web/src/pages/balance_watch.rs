//! The watch over the balance, on the balance page: how it watches, and what it found.

use super::{
    balance,
    form::Fields,
    show::{self, When},
};
use crate::{
    api::balance_watch::{self, WatchPatch, WatchView},
    app::App,
    auth::{Actor, Right},
    problem::Problem,
};
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};

/// What the page says of it.
pub struct Watch {
    pub view: WatchView,
    pub may_set: bool,
    pub ran: Option<When>,
    pub alert: Option<When>,
    /// `Server 2 is 40 % above its share`; empty if no server has one.
    pub worst: String,
    /// In per cent.
    pub tolerance: String,
}

/// How far a server is from its share.
pub fn worst(view: &WatchView) -> String {
    let Some((server, off)) = view.worst_server.as_ref().zip(view.worst_off) else {
        return String::new();
    };
    if off.abs() < 0.005 {
        return "every server is at its share".to_owned();
    }
    let side = if off < 0.0 { "below" } else { "above" };
    format!("{server} is {:.0} % {side} its share", off.abs() * 100.0)
}

fn percent(part: f64) -> String {
    let text = format!("{:.1}", part * 100.0);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl Watch {
    /// As it stands.
    pub async fn read(app: &App, actor: &Actor) -> Result<Self, Problem> {
        let view = balance_watch::read(app).await?;
        Ok(Self {
            may_set: actor.may(Right::Servers),
            ran: view.last_run_at.map(show::when),
            alert: view.alert_since.map(show::when),
            worst: worst(&view),
            tolerance: percent(view.tolerance),
            view,
        })
    }
}

fn patch(fields: &Fields) -> Result<WatchPatch, Problem> {
    let text = fields.text("watch_tolerance").trim().replace(',', ".");
    let shown: String = text.chars().take(40).collect();
    let percent: f64 = text.parse().map_err(|_| {
        Problem::unprocessable("bad_watch", format!("{shown:?} is no number of per cent."))
            .remedy("Write a number from 1 to 100.")
            .field("tolerance")
    })?;
    let every = Some(fields.text("every").to_owned());
    Ok(WatchPatch { every, tolerance: Some(percent / 100.0) })
}

/// Changes how it watches.
pub async fn set(
    State(app): State<App>,
    actor: Actor,
    fields: Fields,
) -> Result<Response, Problem> {
    let changed = match patch(&fields) {
        Ok(patch) => balance_watch::change(&app, &actor, &patch).await.map(drop),
        Err(problem) => Err(problem),
    };
    match changed {
        Ok(()) => Ok(Redirect::to("/balance#watch").into_response()),
        Err(problem) if problem.status == 422 => {
            balance::answer(&app, &actor, balance::Query::default(), Some(problem)).await
        }
        Err(problem) => Err(problem),
    }
}

/// Wants a look now.
pub async fn look(State(app): State<App>, actor: Actor) -> Result<Response, Problem> {
    balance_watch::look(&app, &actor).await?;
    Ok(Redirect::to("/balance#watch").into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tolerance_is_typed_in_per_cent() {
        let of = |text: &str| {
            patch(&Fields::parse(format!("every=daily&watch_tolerance={text}").as_bytes()))
        };
        assert!((of("12,5").unwrap().tolerance.unwrap() - 0.125).abs() < 1e-9);
        assert_eq!(of("x").unwrap_err().field, Some("tolerance"));
        assert_eq!((percent(0.25), percent(0.125)), ("25".to_owned(), "12.5".to_owned()));
    }
}
