//! `tourbus artists`.

use super::more;
use crate::{
    Ended,
    args::{ArtistsAction, ArtistsList, Extent, OneArtist},
    client,
    error::CliError,
    names::{self, Servers},
    numbers::{bytes, count, duration},
    screen::Screen,
    table::{Cell, Column, Facts, Table},
    view::{Artist, Page, Song},
};

/// Does it.
pub async fn run(screen: &Screen, action: ArtistsAction) -> Result<Ended, CliError> {
    match action {
        ArtistsAction::List(list) => self::list(screen, list).await?,
        ArtistsAction::Show(one) => show(screen, &one).await?,
    }
    Ok(Ended::Well)
}

async fn list(screen: &Screen, list: ArtistsList) -> Result<(), CliError> {
    let servers = Servers::read(&screen.api).await?;
    let server = list.server.as_deref().map(|slug| servers.find(slug)).transpose()?;
    let query = [
        ("filter", list.filter),
        ("server_id", server.map(|s| s.id.to_string())),
        ("sort", list.sort),
    ];
    let value = screen.api.list("/artists", &query, list.extent).await?;
    more(screen, &value);
    screen.answer(value, |v| {
        let mut table = Table::new(&[
            Column::Left("ARTIST"),
            Column::Left("SLUG"),
            Column::Left("SERVER"),
            Column::Right("SONGS"),
            Column::Right("SIZE"),
            Column::Right("PLAYS 30D"),
            Column::Right("PLAYS"),
            Column::Left(""),
        ]);
        for artist in client::read::<Page<Artist>>(v)?.items {
            table.row([
                Cell::from(&artist.name),
                Cell::from(&artist.slug),
                servers.slug(artist.server_id).into(),
                count(artist.songs).into(),
                bytes(artist.bytes).into(),
                count(artist.plays_30d).into(),
                count(artist.plays_total).into(),
                if artist.operating_job_id.is_some() { Cell::state("busy") } else { "".into() },
            ]);
        }
        Ok(table.show(screen.paint))
    })
}

async fn show(screen: &Screen, one: &OneArtist) -> Result<(), CliError> {
    let id = names::artist(&screen.api, &one.artist).await?.id;
    let value = screen.api.get(&format!("/artists/{id}")).await?;
    if screen.json {
        return screen.answer(value, |_| Ok(String::new()));
    }
    let servers = Servers::read(&screen.api).await?;
    let songs = format!("/artists/{id}/songs");
    let all = Extent { all: true, limit: None };
    let songs: Page<Song> = client::read(screen.api.list(&songs, &[], all).await?)?;
    screen.answer(value, |v| {
        let artist: Artist = client::read(v)?;
        let job = artist.operating_job_id.map_or_else(String::new, |id| id.to_string());
        let facts = Facts::default()
            .with("artist", &artist.name)
            .with("slug", &artist.slug)
            .with("id", artist.id.to_string())
            .with("server", servers.slug(artist.server_id))
            .with("size", bytes(artist.bytes))
            .with("songs", format!("{}, {} with a LOFI", count(artist.songs), count(artist.lofis)))
            .with("profile", artist.lofi_profile.clone().unwrap_or_default())
            .with(
                "plays",
                format!("{} ({} in 30 days)", count(artist.plays_total), count(artist.plays_30d)),
            )
            .with("held by job", job);
        let facts = facts.show(screen.paint);
        if songs.items.is_empty() {
            return Ok(facts);
        }
        let mut table = Table::new(&[
            Column::Left("SONG"),
            Column::Left("FILE"),
            Column::Right("LENGTH"),
            Column::Right("SIZE"),
            Column::Right("PLAYS"),
            Column::Left("LOFI"),
        ]);
        for song in songs.items {
            let length = match song.duration_ms / 1000 {
                0 => "-".to_owned(),
                seconds => duration(seconds),
            };
            table.row([
                Cell::from(&song.title),
                Cell::from(&song.path),
                length.into(),
                bytes(song.bytes).into(),
                count(song.plays_total).into(),
                Cell::from(&song.lofi_state),
            ]);
        }
        Ok(format!("{facts}\n{}", table.show(screen.paint)))
    })
}
