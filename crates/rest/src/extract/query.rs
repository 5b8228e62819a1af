//! Query parameters.

use apiverse_contract::ErrorCode;
use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use crate::ApiProblem;
use crate::body::messages::{self, Complaint};

/// The query, checked. A parameter without a value counts as absent, as a form's empty field is
/// meant.
///
/// # Errors
/// 400 `invalid_request` when it cannot be decoded; 422 `validation_failed` with the parameters
/// that are unknown, given twice, or not of their type.
#[derive(Clone, Debug)]
pub struct ApiQuery<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for ApiQuery<T> {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        read(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

fn read<T: DeserializeOwned>(query: &str) -> Result<T, ApiProblem> {
    if !decodes(query) {
        return Err(ApiProblem::new(
            ErrorCode::InvalidRequest,
            "the query is not percent-encoded UTF-8",
        ));
    }
    let mut pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .filter(|(_, value)| !value.is_empty())
        .collect();
    let mut errors = Vec::new();
    loop {
        let mut text = form_urlencoded::Serializer::new(String::new());
        text.extend_pairs(&pairs);
        let text = text.finish();
        let deserializer =
            serde_urlencoded::Deserializer::new(form_urlencoded::parse(text.as_bytes()));
        let error = match serde_path_to_error::deserialize(deserializer) {
            Ok(value) if errors.is_empty() => return Ok(value),
            Ok(_) => break,
            Err(error) => error,
        };
        let Complaint { error, culprit } = messages::explain(&error);
        errors.push(error);
        // Without the culprit the next problem shows, so that all are told at once.
        let before = pairs.len();
        pairs.retain(|(name, _)| *name != culprit);
        if pairs.len() == before {
            break;
        }
    }
    Err(ApiProblem::invalid(errors))
}

/// Every `%` has two hex digits, and the bytes are UTF-8.
fn decodes(query: &str) -> bool {
    let mut bytes = query.bytes();
    let mut decoded = Vec::with_capacity(query.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (Some(high), Some(low)) = (digit(bytes.next()), digit(bytes.next())) else {
            return false;
        };
        decoded.push((high * 16 + low) as u8);
    }
    std::str::from_utf8(&decoded).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use apiverse_contract::ListQuery;
    use apiverse_contract::usage::UsageQuery;

    fn fields<T: DeserializeOwned>(query: &str) -> Vec<(String, String)> {
        let problem = read::<T>(query).err().expect("a problem");
        problem
            .problem()
            .errors
            .iter()
            .map(|error| (error.field.clone(), error.message.clone()))
            .collect()
    }

    #[test]
    fn reads_what_is_there_and_skips_what_is_empty() {
        let query: ListQuery = read("limit=5&q=a%20b&cursor=").expect("a query");
        assert_eq!(query.limit, Some(5));
        assert_eq!(query.q.as_deref(), Some("a b"));
        assert_eq!(query.cursor, None);
    }

    #[test]
    fn every_wrong_parameter_is_named() {
        let wrong = fields::<UsageQuery>("api_id=1&limit=-3&form=2026-01-01&status=200");
        let names: Vec<&str> = wrong.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["api_id", "limit", "form", "status"]);
        assert_eq!(wrong[0].1, "must be a UUID");
        assert_eq!(wrong[1].1, "must be a whole number, 0 or more");
        assert_eq!(wrong[2].1, "is not known here; did you mean `from`?");
        assert_eq!(wrong[3].1, "must be one of `2xx`, `3xx`, `4xx`, `5xx`");
    }

    #[test]
    fn twice_or_too_large_is_refused() {
        assert_eq!(
            fields::<ListQuery>("limit=1&limit=2"),
            [("limit".to_owned(), "is given twice".to_owned())]
        );
        assert_eq!(
            fields::<ListQuery>("limit=99999999999"),
            [("limit".to_owned(), "is too large".to_owned())]
        );
    }

    #[test]
    fn what_cannot_be_decoded_is_a_bad_request() {
        for query in ["q=%ff", "q=%zz", "q=%"] {
            let problem = read::<ListQuery>(query).expect_err("a problem");
            assert_eq!(problem.problem().status, 400, "{query}");
        }
    }
}
