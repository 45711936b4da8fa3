//! What people call things: servers by slug, batches and jobs by the beginning of their id, artists
//! by their name in URLs.

use crate::{
    client::Api,
    error::CliError,
    view::{Artist, Page, Server},
};
use serde::Deserialize;
use uuid::Uuid;

/// Shortest beginning of an id that means something, in characters.
const PREFIX_CHARS_MIN: usize = 8;
/// A beginning is looked for among so many of the newest.
const RECENT: u32 = 1000;
/// Ids that are told when a beginning means more than one.
const TOLD_MAX: usize = 5;
/// How much of a batch's id a list shows: the millisecond in which it was made.
const SHORT_CHARS: usize = 13;

/// Every server that is not deleted.
pub struct Servers(pub Vec<Server>);

impl Servers {
    /// Asks for them.
    pub async fn read(api: &Api) -> Result<Self, CliError> {
        Ok(Self(api.get_as::<Page<Server>>("/servers").await?.items))
    }

    /// The one with this slug, or id.
    pub fn find(&self, text: &str) -> Result<&Server, CliError> {
        let id = Uuid::parse_str(text).ok();
        self.0.iter().find(|s| s.slug == text || Some(s.id) == id).ok_or_else(|| {
            let slugs: Vec<&str> = self.0.iter().map(|s| s.slug.as_str()).collect();
            CliError::Failed(format!("there is no server {text:?}, but {}", slugs.join(", ")))
        })
    }

    /// The slug; of a deleted server the beginning of its id.
    pub fn slug(&self, id: Uuid) -> String {
        let found = self.0.iter().find(|s| s.id == id);
        found.map_or_else(|| format!("deleted {}", &id.to_string()[..8]), |s| s.slug.clone())
    }
}

/// The id of the server that is named, if one is.
pub async fn server_id(api: &Api, named: Option<&String>) -> Result<Option<String>, CliError> {
    match named {
        None => Ok(None),
        Some(text) => Ok(Some(Servers::read(api).await?.find(text)?.id.to_string())),
    }
}

/// How lists show the id of a batch: enough of it to name it by.
pub fn short(id: Uuid) -> String {
    id.to_string()[..SHORT_CHARS].to_owned()
}

/// A batch, by its id or the beginning of that.
pub async fn batch(api: &Api, text: &str) -> Result<Uuid, CliError> {
    by_prefix(api, "batch", "batches", text).await
}

/// Batches, likewise. One that is named twice is meant once.
pub async fn batches(api: &Api, texts: &[String]) -> Result<Vec<Uuid>, CliError> {
    let named: Vec<Named> =
        texts.iter().map(|text| Named::read("batch", text)).collect::<Result<_, _>>()?;
    let begun = named.iter().any(|named| matches!(named, Named::Beginning(_)));
    let recent = if begun { recent(api, "batches").await? } else { Vec::new() };
    let mut ids = Vec::with_capacity(named.len());
    for named in named {
        let id = named.pick("batch", "batches", &recent)?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// A job, likewise.
pub async fn job(api: &Api, text: &str) -> Result<Uuid, CliError> {
    by_prefix(api, "job", "jobs", text).await
}

#[derive(Deserialize)]
struct WithId {
    id: Uuid,
}

/// How something is named.
enum Named {
    Whole(Uuid),
    Beginning(String),
}

impl Named {
    fn read(one: &str, text: &str) -> Result<Self, CliError> {
        let text = text.trim().to_ascii_lowercase();
        if let Ok(id) = Uuid::parse_str(&text) {
            return Ok(Self::Whole(id));
        }
        let looks = text.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        if !looks || text.len() < PREFIX_CHARS_MIN {
            return Err(CliError::Usage(format!(
                "{text:?} is no {one}: give its id, or {PREFIX_CHARS_MIN} characters or more of its \
                 beginning"
            )));
        }
        Ok(Self::Beginning(text))
    }

    /// The id, if it begins one of these only.
    fn pick(self, one: &str, many: &str, recent: &[Uuid]) -> Result<Uuid, CliError> {
        let text = match self {
            Self::Whole(id) => return Ok(id),
            Self::Beginning(text) => text,
        };
        let of = |id: &&Uuid| id.to_string().starts_with(&text);
        match recent.iter().filter(of).collect::<Vec<_>>().as_slice() {
            [id] => Ok(**id),
            [] => Err(CliError::Failed(format!(
                "none of the {RECENT} newest {many} begins with {text}: give the whole id"
            ))),
            more => {
                let told: Vec<String> =
                    more.iter().take(TOLD_MAX).map(ToString::to_string).collect();
                let rest = if more.len() > TOLD_MAX { ", …" } else { "" };
                Err(CliError::Failed(format!(
                    "more than one {one} begins with {text}: {}{rest}",
                    told.join(", ")
                )))
            }
        }
    }
}

/// The ids of the newest.
async fn recent(api: &Api, many: &str) -> Result<Vec<Uuid>, CliError> {
    let page = api.pages(&format!("/{many}"), &[], Some(RECENT)).await?;
    let page: Page<WithId> = crate::client::read(page)?;
    Ok(page.items.into_iter().map(|i| i.id).collect())
}

async fn by_prefix(api: &Api, one: &str, many: &str, text: &str) -> Result<Uuid, CliError> {
    match Named::read(one, text)? {
        Named::Whole(id) => Ok(id),
        begun @ Named::Beginning(_) => begun.pick(one, many, &recent(api, many).await?),
    }
}

/// An artist, by id or slug. The API knows no slugs: names that are like it are looked at first,
/// then everybody.
pub async fn artist(api: &Api, text: &str) -> Result<Artist, CliError> {
    if let Ok(id) = Uuid::parse_str(text) {
        return api.get_as(&format!("/artists/{id}")).await;
    }
    let alike = [("filter", Some(text.replace('-', " ")))];
    for query in [alike.as_slice(), &[]] {
        let found = crate::client::read::<Page<Artist>>(api.pages("/artists", query, None).await?)?;
        if let Some(artist) = found.items.into_iter().find(|a| a.slug == text) {
            return Ok(artist);
        }
    }
    Err(CliError::Failed(format!(
        "no artist is called {text:?} in URLs; `tourbus artists --filter TEXT` looks through names"
    )))
}

/// Ids of artists that are named.
pub async fn artist_ids(api: &Api, named: &[String]) -> Result<Vec<Uuid>, CliError> {
    let mut ids = Vec::with_capacity(named.len());
    for text in named {
        // Whether an id means somebody is the master's to say, for all of them at once.
        let id = match Uuid::parse_str(text) {
            Ok(id) => id,
            Err(_) => artist(api, text).await?.id,
        };
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_means_one_or_is_told() {
        let ids: Vec<Uuid> = [
            "0192aaaa-0001-7000-8000-000000000000",
            "0192aaaa-0002-7000-8000-000000000000",
            "0192bbbb-0001-7000-8000-000000000000",
        ]
        .iter()
        .map(|t| t.parse().unwrap())
        .collect();
        let pick = |text: &str| Named::read("batch", text)?.pick("batch", "batches", &ids);
        assert_eq!(pick("0192bbbb").unwrap(), ids[2]);
        assert_eq!(pick(&short(ids[1])).unwrap(), ids[1]);
        let error = pick("0192aaaa").unwrap_err().to_string();
        assert!(error.contains(&ids[0].to_string()) && error.contains(&ids[1].to_string()));
        assert!(pick("0192cccc").is_err());
    }
}
