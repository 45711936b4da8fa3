//! Descriptions from staging: checked against the hash that the message vouches for.

use crate::context::{Context, Stop};
use serde::de::DeserializeOwned;
use tourbus_domain::{ErrorClass, JobError, SegmentRef};
use tourbus_protocol::manifest::Digest;
use tourbus_staging::Staging;

/// Largest description of a segment or a tree, in bytes: some two million files.
const DESCRIPTION_BYTES_MAX: usize = 512 << 20;

/// Fetches what `reference` names.
pub async fn description<S: Staging, T: DeserializeOwned>(
    ctx: &Context<S>,
    reference: &SegmentRef,
) -> Result<T, Stop> {
    let bytes = ctx.staging.get(&reference.key, DESCRIPTION_BYTES_MAX).await?;
    if Digest::of(&bytes).to_string() != reference.blake3 {
        return Err(corrupt(&reference.key).into());
    }
    serde_json::from_slice(&bytes).map_err(|e| {
        let message =
            format!("{} is not a description that this version knows: {e}", reference.key);
        let remedy = "Run the same version of tourbus on both servers, then retry";
        JobError::new(ErrorClass::Permanent, "description_unknown", message, remedy).into()
    })
}

/// Staging gave something else than was staged.
pub fn corrupt(key: &str) -> JobError {
    JobError::new(
        ErrorClass::Transient,
        "staged_corrupt",
        format!("the staged object {key} does not hash to what was staged"),
        "If it happens again, check the staging store's disks, then retry the move",
    )
}
