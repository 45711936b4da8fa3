//! One suite for every backend of [`Staging`]. It panics at the first thing that does not hold.
//!
//! Give it a store with a prefix of its own: it leaves nothing below that prefix, also when other
//! suites run in the same bucket.

mod listing;
mod objects;

use crate::Staging;
use bytes::Bytes;

/// Runs everything.
///
/// # Panics
/// When the backend does not conform; the message says how.
pub async fn run(staging: impl Staging) {
    let probe = staging.probe().await.expect("probe of a working store");
    assert_eq!(probe.warnings, Vec::<String>::new(), "a store we test against has no reservations");
    objects::put_get_overwrite(&staging).await;
    objects::empty(&staging).await;
    objects::large(&staging).await;
    objects::ranges(&staging).await;
    objects::odd_keys(&staging).await;
    objects::missing(&staging).await;
    objects::too_large(&staging).await;
    objects::concurrent_puts_of_one_key(&staging).await;
    listing::pages_in_order(&staging).await;
    listing::begins_inside_a_name(&staging).await;
    listing::nothing_is_an_empty_page(&staging).await;
    listing::delete_leaves_siblings(&staging).await;
    listing::put_races_delete_of_a_neighbour(&staging).await;
    let removed = staging.delete_prefix("").await.expect("deleting below a configured prefix");
    assert_eq!(removed, 0, "each part of the suite cleans up after itself");
}

/// `len` bytes that are not all alike, different for each `seed`.
fn pattern(len: usize, seed: u64) -> Bytes {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        // xorshift64: cheap, and no block repeats.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes.into()
}

async fn clean(staging: &impl Staging, prefix: &str, objects: u64) {
    let deleted = staging.delete_prefix(prefix).await.expect("delete_prefix");
    assert_eq!(deleted, objects, "objects deleted below {prefix}");
    let page = staging.list(prefix, None, 10).await.expect("list");
    assert!(page.objects.is_empty(), "left below {prefix}: {:?}", page.objects);
}
