//! Events that lay among the dead letters, read once more.

use super::{
    note_plays,
    parse::{self, Parsed, Refused},
};
use crate::Coordinator;
use tourbus_store::{InputError, StoreError};

/// Why an event was not applied this time either.
pub(crate) enum Again {
    /// It cannot be.
    Refused(String),
    /// The database is away: later.
    Away(StoreError),
}

impl From<StoreError> for Again {
    fn from(error: StoreError) -> Self {
        if error.is_transient() { Self::Away(error) } else { Self::Refused(error.to_string()) }
    }
}

/// What is wrong with an event by itself: a stable name, and words.
pub(crate) fn fault(body: &[u8], routing_key: &str) -> Option<(&'static str, String)> {
    let refused = parse::read(body, routing_key).err()?;
    let name = match &refused {
        Refused::Malformed(_) => "malformed",
        Refused::BadKey => "bad_routing_key",
        Refused::Forged { .. } => "forged",
        Refused::NotApplied(_) | Refused::PlaysNotApplied(_) | Refused::CatalogueNotApplied(_) => {
            "not_applied"
        }
    };
    Some((name, refused.to_string()))
}

impl Coordinator {
    /// Applies an event that was refused before. What is late by now changes nothing, as ever.
    pub(crate) async fn apply_again(&self, body: &[u8], routing_key: &str) -> Result<(), Again> {
        let parsed = parse::read(body, routing_key)
            .map_err(|refused| Again::Refused(refused.to_string()))?;
        match parsed {
            Parsed::Told(told, _) => {
                let outcome = self.store.apply_inputs(&[told], &self.config.moves).await?.pop();
                match outcome {
                    Some(Ok(_) | Err(InputError::UnknownJob)) | None => Ok(()),
                    Some(Err(error)) => Err(Again::Refused(error.to_string())),
                }
            }
            Parsed::Plays(plays) => {
                note_plays(self.store.apply_plays(&[plays]).await?);
                Ok(())
            }
            Parsed::Catalogue(from) => Ok(self.apply_catalogue(&from).await?),
            Parsed::Heartbeat(_) | Parsed::Checked => {
                Err(Again::Refused("it is old news, of which nothing follows".to_owned()))
            }
        }
    }
}
