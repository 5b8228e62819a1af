//! Who calls: finding the key in a request, and telling whether it is one of ours.

mod cache;
mod extract;
mod identify;

pub(crate) use cache::VerifiedKeys;
pub(crate) use extract::{
    Candidate, X_API_KEY, bearer_of_ours, carries_our_key, from_headers, from_query,
    without_our_keys, without_parameter,
};
pub(crate) use identify::{Identifier, IdentifyError};

/// What a ticket begins with.
pub(crate) const TICKET_TAG: &[u8] = b"apvt_";
/// What a key begins with, whatever its environment.
pub(crate) const KEY_TAG: &[u8] = b"apv_";
