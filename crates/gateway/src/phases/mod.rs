//! The way of one call, as named phases over one context.
//!
//! `locate` (which API is meant) → `identify` (whose key is it) → `authorize` (may it do this) →
//! `direct` (where it goes upstream) → `outbound` (what the upstream gets to see) → `forward` (the
//! exchange) → `inbound` (what the caller gets to see). A phase either adds to the context or
//! refuses; later policies take their place between `authorize` and `forward`.

mod authorize;
mod direct;
mod forward;
mod identify;
mod inbound;
mod locate;
mod outbound;
mod refusal;
mod trace;

pub(crate) use forward::serve;
pub(crate) use locate::is_proxied;
pub(crate) use refusal::{X_REQUEST_ID, problem};
pub(crate) use trace::request_id;
