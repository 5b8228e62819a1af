//! The way of one call, as named phases over one context.
//!
//! `locate` (which API is meant) → `identify` (whose key is it) → `authorize` (may it do this) →
//! `meet` (what is attached to all that) → `limit`
//! (is there room for it) → `policies` (what else is to be done) → `direct` (where it goes upstream) → `outbound` (what the
//! upstream gets to see) → `forward` (the exchange) → `inbound` (what the caller gets to see). A
//! phase either adds to the context or refuses; later policies take their place between
//! `authorize` and `forward`.

mod ask;
mod authorize;
mod direct;
mod forward;
mod grpc;
mod identify;
mod inbound;
mod limit;
mod locate;
mod meet;
mod outbound;
mod pass_on;
mod policies;
mod refusal;
mod refuse;
mod token;
mod trace;

pub(crate) use ask::ask_upstream;
pub(crate) use authorize::authorize;
pub(crate) use direct::{InvalidPath, write_address};
pub(crate) use forward::{conclude, proceed, serve};
pub(crate) use grpc::route_grpc;
pub(crate) use identify::{Identified, identify, may_guess, note_guess};
pub(crate) use inbound::{strip_hop, strip_own_cookies};
pub(crate) use limit::limit;
pub(crate) use locate::{Located, is_proxied, locate};
pub(crate) use meet::{Met, meet, plan_without_key};
pub(crate) use outbound::{MAX_PASSES, original_host};
pub(crate) use policies::{Address, Applied, PolicyRequest};
pub(crate) use refusal::{Refusal, X_REQUEST_ID, problem};
pub(crate) use refuse::note_refusal;
pub(crate) use token::{bearer_value, forget_token};
pub(crate) use trace::{is_request_id, new_request_id, next_traceparent, request_id};
