//! The operations, a file for each area. Handlers are thin: take the request apart, call the
//! platform, dress the answer.

pub mod access_tokens;
pub mod accounts;
pub mod alerts;
pub mod apis;
pub mod audit;
pub mod configuration;
pub mod costs;
pub mod documents;
pub mod explain;
pub mod health;
pub mod insights;
pub mod keys;
pub mod limits;
pub mod live;
pub mod metrics;
pub mod notifications;
pub mod organizations;
pub mod passkeys;
pub mod policies;
pub mod reports;
pub mod saved_views;
pub mod sessions;
pub mod sign_in;
pub mod slos;
pub mod two_factor;
pub mod usage;
pub mod verify;
pub mod versions;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::router::PREFIX;

/// 201 with the address of what was made.
fn created<T: Serialize>(path: &str, id: impl std::fmt::Display, body: T) -> Response {
    let mut response = (StatusCode::CREATED, Json(body)).into_response();
    if let Ok(location) = HeaderValue::from_str(&format!("{PREFIX}{path}/{id}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Keeps an answer with a secret out of every cache.
fn no_store(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
