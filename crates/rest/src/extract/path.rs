//! Ids in paths.

use std::str::FromStr;

use apiverse_contract::{ApiId, ErrorCode, KeyId, SessionId};
use axum::extract::{FromRequestParts, Path};
use http::request::Parts;

use crate::ApiProblem;

/// An id that stands in a path. One that is malformed names nothing, so it is answered like one
/// that does not exist.
pub trait ResourceId: FromStr + Send {
    const NOT_FOUND: ErrorCode;
}

impl ResourceId for ApiId {
    const NOT_FOUND: ErrorCode = ErrorCode::ApiNotFound;
}

impl ResourceId for KeyId {
    const NOT_FOUND: ErrorCode = ErrorCode::ApiKeyNotFound;
}

impl ResourceId for SessionId {
    const NOT_FOUND: ErrorCode = ErrorCode::SessionNotFound;
}

/// The one id of the path.
///
/// # Errors
/// The resource's own 404.
#[derive(Clone, Copy, Debug)]
pub struct ApiPath<T>(pub T);

impl<T: ResourceId, S: Send + Sync> FromRequestParts<S> for ApiPath<T> {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let text = Path::<String>::from_request_parts(parts, state).await.ok();
        match text.and_then(|Path(text)| T::from_str(&text).ok()) {
            Some(id) => Ok(Self(id)),
            None => Err(ApiProblem::new(
                T::NOT_FOUND,
                "the address has no valid id; ids are UUIDs",
            )),
        }
    }
}
