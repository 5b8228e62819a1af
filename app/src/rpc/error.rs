//! How a server function fails: with the same problem document as the REST API.

use apiverse_contract::{ErrorCode, FieldError, Problem};
use leptos::server_fn::codec::JsonEncoding;
use leptos::server_fn::error::{FromServerFnError, ServerFnErrorErr};
use serde::{Deserialize, Serialize};

use crate::ambient;

/// A problem document (RFC 9457). In the browser it may also be one of the browser's own, with the
/// code `offline` or `unexpected_answer`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RpcError(pub Problem);

impl RpcError {
    /// An address that cannot lead anywhere, found out before anybody was asked.
    #[must_use]
    pub fn not_found(detail: &str) -> Self {
        ambient::set_status(404);
        Self(Problem::new(ErrorCode::NotFound, detail))
    }

    /// A field that is wrong, found out before anybody was asked.
    #[must_use]
    pub fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self(
            Problem::new(ErrorCode::ValidationFailed, "some fields are not valid")
                .with_errors(vec![FieldError::new(field, message)]),
        )
    }
}

impl FromServerFnError for RpcError {
    type Encoder = JsonEncoding;

    fn from_server_fn_error(fault: ServerFnErrorErr) -> Self {
        Self(ambient::rpc_fault(fault))
    }
}

impl std::fmt::Display for RpcError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.detail)
    }
}

impl std::error::Error for RpcError {}
