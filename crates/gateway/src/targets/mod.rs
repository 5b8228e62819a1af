//! Several targets for the calls of an API: what an upstream policy says, made ready
//! ([`compile`]); what is known of the targets, shared by all threads ([`state`]); the tries of one
//! call ([`attempts`]); and what goes on beside calls ([`upkeep`], [`mirror`]).

mod attempts;
mod compile;
mod meters;
mod mirror;
mod preview;
mod registry;
mod state;
mod upkeep;
mod view;

pub(crate) use attempts::{NotBalanced, TryNote, UpstreamNote, balanced};
pub(crate) use compile::{Caller, Upstreaming, compile};
pub(crate) use preview::Preview;
pub(crate) use registry::{Own, Registry};
pub(crate) use state::Held;
