//! What every answer of the control plane gets, whoever made it.

pub mod cors;
pub mod cross_site;
pub mod headers;
pub mod hosts;
pub mod observe;
pub mod panics;
pub mod request_id;
pub mod session;

pub(crate) use observe::describe;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};

use crate::RestState;

/// Wraps the whole control plane (REST and console merged): request ids, log line, metrics,
/// security headers, allowed hosts, CORS, caught panics, the cross-site check of server functions,
/// and the session cookie.
///
/// The router must have got its state and its fallback before.
pub fn layers(router: Router, state: &RestState) -> Router {
    // The last one added is the first to see a request and the last to see its answer.
    router
        .layer(session::layer(state))
        .layer(from_fn_with_state(state.clone(), cross_site::guard))
        .layer(from_fn(panics::catch))
        .layer(from_fn_with_state(state.clone(), cors::cors))
        .layer(from_fn_with_state(state.clone(), hosts::check))
        .layer(from_fn_with_state(state.clone(), headers::secure))
        .layer(from_fn_with_state(state.clone(), observe::observe))
}
