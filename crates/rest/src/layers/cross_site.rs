//! The console's server functions are called by its pages, not by other sites'.
//!
//! REST operations judge for themselves, after they know that a cookie decided. Server functions
//! also sign people in, where there is no session yet, so they are judged as a whole.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header;

use crate::RestState;
use crate::extract::auth::cross_site;
use crate::origin::{SameOrigin, same_origin};

pub async fn guard(State(state): State<RestState>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let guarded = request.uri().path().starts_with("/api/fn/")
        && !request.method().is_safe()
        && !headers.contains_key(header::AUTHORIZATION);
    if guarded {
        let from_us = match same_origin(headers, request.uri(), &state.shared.origins) {
            SameOrigin::Yes => true,
            SameOrigin::No => false,
            // Not a browser, so nobody is led by another site; but then it has no cookie either.
            SameOrigin::Unknown => !headers.contains_key(header::COOKIE),
        };
        if !from_us {
            return cross_site().into_response();
        }
    }
    next.run(request).await
}
