//! JSON bodies.

use apiverse_contract::ErrorCode;
use axum::extract::{FromRequest, OptionalFromRequest, Request};
use http::{HeaderMap, header};
use serde::de::DeserializeOwned;

use crate::ApiProblem;
use crate::body::{parse, read};

/// Most bytes of a JSON body.
pub const BODY_LIMIT: usize = 1 << 20;

/// A JSON body, checked. An `Option` of it is `None` when the request has no body at all.
///
/// # Errors
/// 415 `unsupported_media_type`; 413 `body_too_large`; 400 `malformed_json` with line and column;
/// 422 `validation_failed` with every field that is unknown, given twice, or not of its type.
#[derive(Clone, Debug)]
pub struct ApiJson<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for ApiJson<T> {
    type Rejection = ApiProblem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Self::Rejection> {
        check_content_type(request.headers())?;
        let bytes = read::within_limit(request, BODY_LIMIT).await?;
        parse::object(&bytes).map(Self)
    }
}

impl<T: DeserializeOwned, S: Send + Sync> OptionalFromRequest<S> for ApiJson<T> {
    type Rejection = ApiProblem;

    async fn from_request(request: Request, _state: &S) -> Result<Option<Self>, Self::Rejection> {
        if axum::body::HttpBody::is_end_stream(request.body()) {
            return Ok(None);
        }
        check_content_type(request.headers())?;
        let bytes = read::within_limit(request, BODY_LIMIT).await?;
        parse::object(&bytes).map(|value| Some(Self(value)))
    }
}

/// `application/json` or `application/…+json`, in UTF-8 if it names a charset.
pub(super) fn check_content_type(headers: &HeaderMap) -> Result<(), ApiProblem> {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if is_json(value) {
        return Ok(());
    }
    Err(ApiProblem::new(
        ErrorCode::UnsupportedMediaType,
        "send the body as JSON, with `Content-Type: application/json`",
    ))
}

fn is_json(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let json = essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"));
    json && parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            let value = value.trim().trim_matches('"');
            value.eq_ignore_ascii_case("utf-8") || value.eq_ignore_ascii_case("utf8")
        }
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use super::is_json;

    #[test]
    fn content_types() {
        for good in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/merge-patch+json",
            "application/json; charset=\"utf-8\"",
        ] {
            assert!(is_json(good), "{good}");
        }
        for bad in [
            "",
            "text/plain",
            "text/json+x",
            "application/x-www-form-urlencoded",
            "application/json; charset=latin1",
            "application/jsonp",
        ] {
            assert!(!is_json(bad), "{bad}");
        }
    }
}
