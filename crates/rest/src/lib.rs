#![doc = include_str!("../README.md")]
#![warn(clippy::unwrap_used, clippy::expect_used)]

mod body;
mod csv;
mod docs;
mod extract;
mod layers;
mod openapi;
mod origin;
mod problem;
mod router;
mod routes;
mod state;

#[cfg(test)]
mod tests;

pub use extract::auth::Authenticated;
pub use extract::caller::{Caller, ClientAddr};
pub use extract::json::{ApiJson, BODY_LIMIT};
pub use extract::path::{ApiPath, ResourceId};
pub use extract::query::ApiQuery;
pub use layers::{layers, request_id::RequestId, session::COOKIE_NAME};
pub use openapi::{ServerFunction, ServerFunctions, openapi};
pub use origin::{SameOrigin, is_same_origin};
pub use problem::ApiProblem;
pub use router::router;
pub use routes::metrics::{metrics_router, metrics_text};
pub use state::{HealthProbe, ProbeFuture, RestSettings, RestState};
