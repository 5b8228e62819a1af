//! Server functions: what the hydrated console asks for. Each is a REST endpoint too, with a stable
//! address below `/api/fn`, JSON in and out, and a place in the OpenAPI document.
//!
//! They are thin: find out who asks, call one service, map the error. Arguments are one struct named
//! `input`; outside it is the body itself.

pub mod account;
pub mod alerts;
pub mod apis;
pub mod calls;
pub mod charted;
pub mod costs;
mod error;
pub mod insights;
pub mod keys;
pub mod limits;
pub mod plan;
pub mod policies;
pub mod reports;
pub mod routes;
pub mod targets;
pub mod team;
mod transport;
pub mod usage;
pub mod versions;
pub mod views;

pub use error::RpcError;
use serde::{Deserialize, Serialize};
pub use transport::{Answering, Loaded, call, encode, load_with, send};

/// The answer of every server function.
pub type Rpc<T> = Result<T, RpcError>;

/// An id with the name it is shown by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct Named {
    pub id: String,
    pub name: String,
}

/// An argument with a secret in it. The generated code wants `Debug`; this one tells nothing.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Private<T>(pub T);

impl<T> std::fmt::Debug for Private<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Private")
    }
}
