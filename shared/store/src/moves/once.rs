//! The same request twice gives the same answer and one batch.

use super::{MoveAnswer, MoveRequest, enqueue};
use crate::{
    Store, StoreError,
    once::{self, Claimed},
    tries::Tries,
};
use uuid::Uuid;

/// What came of a request with an `Idempotency-Key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Once {
    /// Done now.
    Fresh(MoveAnswer),
    /// Done before; this was the answer.
    Replayed(MoveAnswer),
    /// The key was used before for another request.
    Conflict,
}

impl Store {
    /// [`Store::enqueue_moves`], once per account and key: simultaneous repetitions wait for the
    /// first. `request_hash` tells a repetition from another request under the same key. The
    /// request must name an account; the key is 1 to 255 characters.
    pub async fn enqueue_moves_once(
        &self,
        request: &MoveRequest,
        key: &str,
        request_hash: &[u8],
    ) -> Result<Once, StoreError> {
        let invalid = |message: &str| Err(StoreError::Invalid(message.to_owned()));
        let Some(account) = request.by.account_id else {
            return invalid("an Idempotency-Key needs an account");
        };
        if key.is_empty() || key.chars().count() > 255 {
            return invalid("an Idempotency-Key has 1 to 255 characters");
        }
        let mut tries = Tries::of_request();
        loop {
            match self.once(request, account, key, request_hash).await {
                Ok(Some(once)) => return Ok(once),
                Ok(None) => tries.count(once::gone())?,
                Err(error) => tries.again(error).await?,
            }
        }
    }

    /// `None` when the key's row has gone between two looks at it.
    async fn once(
        &self,
        request: &MoveRequest,
        account: Uuid,
        key: &str,
        hash: &[u8],
    ) -> Result<Option<Once>, StoreError> {
        let mut tx = self.begin_enqueue().await?;
        let answer = match once::claim(&mut tx, account, key, hash).await? {
            Claimed::Ours => enqueue(&mut tx, request).await?,
            Claimed::Before(answer) => return Ok(Some(Once::Replayed(answer))),
            Claimed::Conflict => return Ok(Some(Once::Conflict)),
            Claimed::Gone => return Ok(None),
        };
        once::keep(&mut tx, account, key, &answer).await?;
        tx.commit().await?;
        Ok(Some(Once::Fresh(answer)))
    }
}
