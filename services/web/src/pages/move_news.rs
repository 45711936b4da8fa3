//! What an artist is told of moves, in the workshop.

use super::show::{self, When};
use crate::{app::App, auth::Actor, pages::form::Fields, problem::Problem};
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use chrono::{DateTime, Utc};
use tourbus_domain::{ArtistId, Slug};
use tourbus_store::MoveNews;
use uuid::Uuid;

/// What the page says.
#[derive(Default)]
pub struct News {
    /// While it goes on; empty otherwise.
    pub moving: String,
    /// How the last one ended; empty if there is nothing to tell.
    pub ended: String,
    /// When that was; sent back by who puts the notice away.
    pub at: Option<When>,
    /// The same to the microsecond.
    pub ended_at: String,
}

fn told(news: &MoveNews) -> News {
    let moving = match &news.moving_to {
        Some(to) if news.undoing => format!(
            "The move of your music to {to} is being undone. Your music stays where it is; nothing \
             goes offline."
        ),
        Some(to) => format!(
            "Your music is moving to {to}. Uploads wait for a few seconds at the end; nothing goes \
             offline."
        ),
        None => String::new(),
    };
    let ended = match &news.ended_to {
        Some(to) if news.arrived => {
            format!("Your music has moved to {to}. All links to it work as before.")
        }
        Some(to) if news.stuck => format!(
            "The move of your music to {to} was broken off. Your music is where it was; the people \
             who run this site look into it."
        ),
        Some(to) => format!(
            "The move of your music to {to} did not work out, and was undone. Nothing has changed: \
             your music is where it was."
        ),
        None => String::new(),
    };
    let exact = |at: DateTime<Utc>| at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    News {
        moving,
        ended,
        at: news.ended_at.map(show::when),
        ended_at: news.ended_at.map(exact).unwrap_or_default(),
    }
}

/// What this artist is told now.
pub async fn of(app: &App, artist: Uuid) -> Result<News, Problem> {
    Ok(told(&app.store.move_news(ArtistId(artist)).await?))
}

/// Puts the notice of a move away.
pub async fn put_away(
    State(app): State<App>,
    actor: Actor,
    Path(slug): Path<String>,
    fields: Fields,
) -> Result<Response, Problem> {
    let unknown = || Problem::not_found("artist", &slug);
    let name: Slug = slug.parse().map_err(|_| unknown())?;
    let facts = app.store.grant_facts_of(&name).await?.ok_or_else(unknown)?;
    actor.require_artist(facts.account_id)?;
    let at = DateTime::parse_from_rfc3339(fields.text("ended_at")).map_err(|_| {
        Problem::bad_request("bad_time", "The form does not say which notice is meant.")
            .remedy("Go back, reload the page and try again.")
    })?;
    app.store.read_move_news(&actor.by(), facts.id, at.to_utc()).await?;
    Ok(Redirect::to(&format!("/workshop/{name}")).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_artist_is_told_what_goes_on_and_how_it_ended() {
        let moving = MoveNews { moving_to: Some("Two".to_owned()), ..MoveNews::default() };
        assert!(told(&moving).moving.starts_with("Your music is moving to Two."));
        assert!(told(&MoveNews { undoing: true, ..moving }).moving.contains("undone"));
        let ended = MoveNews {
            ended_to: Some("Two".to_owned()),
            ended_at: Some(Utc::now()),
            ..MoveNews::default()
        };
        assert!(told(&ended).ended.contains("Nothing has changed"));
        assert!(told(&MoveNews { stuck: true, ..ended.clone() }).ended.contains("look into it"));
        let arrived = told(&MoveNews { arrived: true, ..ended });
        assert!(arrived.ended.contains("has moved to Two") && !arrived.ended_at.is_empty());
        assert!(told(&MoveNews::default()).ended.is_empty());
    }
}
