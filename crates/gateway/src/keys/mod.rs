//! Who calls: finding the key in a request, and telling whether it is one of ours.

mod cache;
mod extract;
mod guesses;
mod identify;
mod missing;

pub(crate) use cache::VerifiedKeys;
pub(crate) use extract::{
    Candidate, X_API_KEY, bearer_of_ours, carries_our_key, from_headers, from_query,
    without_our_keys, without_parameter,
};
pub(crate) use guesses::Guesses;
pub(crate) use identify::{Identifier, IdentifyError};
pub(crate) use missing::{missing, read};

/// What a ticket begins with.
pub(crate) const TICKET_TAG: &[u8] = b"apvt_";
/// What a key begins with, whatever its environment.
pub(crate) const KEY_TAG: &[u8] = b"apv_";
/// What a key of the test environment begins with.
pub(crate) const TEST_TAG: &[u8] = b"apv_test_";
