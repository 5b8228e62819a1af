//! A panic in a handler costs that request only.

use std::panic::AssertUnwindSafe;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;

use crate::ApiProblem;

pub async fn catch(request: Request, next: Next) -> Response {
    // Whatever the handler was holding is dropped with it and not looked at again.
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => {
            let message = panic
                .downcast_ref::<&str>()
                .copied()
                .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
                .unwrap_or("no message");
            tracing::error!(panic = message, "request panicked");
            ApiProblem::internal().into_response()
        }
    }
}
