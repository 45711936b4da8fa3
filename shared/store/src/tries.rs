//! Trying again what has lost against other transactions.

use crate::StoreError;

/// How often something may still be tried.
pub(crate) struct Tries {
    max: u32,
    failed: u32,
}

impl Tries {
    /// Of what a person waits for.
    pub(crate) const fn of_request() -> Self {
        Self { max: 5, failed: 0 }
    }

    /// Of what messages tell, which come again if all fail.
    pub(crate) const fn of_messages() -> Self {
        Self { max: 8, failed: 0 }
    }

    /// Counts a try that failed with this. Returns it when there is no other try.
    pub(crate) fn count(&mut self, error: StoreError) -> Result<(), StoreError> {
        self.failed += 1;
        if self.failed < self.max { Ok(()) } else { Err(error) }
    }

    /// Until the next try after this, longer each time; at once with what another try does not mend.
    pub(crate) async fn again(&mut self, error: StoreError) -> Result<(), StoreError> {
        if !matches!(error, StoreError::Contention(_)) {
            return Err(error);
        }
        let pause = error.pause();
        tracing::debug!(%error, tries = self.failed + 1, "store.contention");
        self.count(error)?;
        tokio::time::sleep(pause * self.failed).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_lost_is_tried_so_often_and_nothing_else() {
        let lost = || StoreError::Contention(sqlx::Error::RowNotFound);
        let mut tries = Tries { max: 3, failed: 0 };
        assert!(tries.again(lost()).await.is_ok());
        assert!(tries.again(StoreError::Invalid("no".to_owned())).await.is_err());
        assert!(tries.again(lost()).await.is_ok());
        assert!(matches!(tries.again(lost()).await, Err(StoreError::Contention(_))));
    }
}
