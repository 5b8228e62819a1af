//! From bytes to a request type.

use apiverse_contract::{ErrorCode, FieldError};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::ApiProblem;
use crate::body::messages::{self, Complaint};
use crate::body::strict::{self, StrictError};

/// Field errors told at once; a body of a thousand unknown fields needs no thousand messages.
const MOST_ERRORS: usize = 20;

/// Reads a JSON object into `T`.
///
/// # Errors
/// 400 `malformed_json`, 422 `validation_failed`.
pub fn object<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiProblem> {
    let text = std::str::from_utf8(bytes).map_err(|error| not_utf8(bytes, error.valid_up_to()))?;
    let mut value = match strict::value(text) {
        Ok(value) => value,
        Err(StrictError::Duplicate(path)) => {
            return Err(ApiProblem::invalid(vec![FieldError::new(
                path,
                "is given twice",
            )]));
        }
        Err(StrictError::Syntax(error)) => return Err(not_json(&error)),
    };
    if !value.is_object() {
        return Err(ApiProblem::invalid(vec![FieldError::new(
            "body",
            "must be an object",
        )]));
    }
    let mut errors: Vec<FieldError> = Vec::new();
    while errors.len() < MOST_ERRORS {
        let error = match serde_path_to_error::deserialize::<_, T>(&value) {
            Ok(value) if errors.is_empty() => return Ok(value),
            Ok(_) => break,
            Err(error) => error,
        };
        let Complaint { error, culprit } = messages::explain(&error);
        // A field of the wrong type was taken out below and is now missing: told already.
        if !errors.iter().any(|told| told.field == error.field) {
            errors.push(error);
        }
        // Without the culprit the next problem shows, so that all are told at once.
        let removed = match &mut value {
            Value::Object(map) => map.remove(&culprit),
            _ => None,
        };
        if removed.is_none() {
            break;
        }
    }
    Err(ApiProblem::invalid(errors))
}

fn not_utf8(bytes: &[u8], valid_up_to: usize) -> ApiProblem {
    let before = &bytes[..valid_up_to];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before
        .iter()
        .rev()
        .take_while(|byte| **byte != b'\n')
        .count()
        + 1;
    ApiProblem::new(
        ErrorCode::MalformedJson,
        format!("the body is not UTF-8 at line {line} column {column}"),
    )
}

fn not_json(error: &serde_json::Error) -> ApiProblem {
    // The parser's words speak of syntax only and end with the place: `… at line 1 column 7`.
    ApiProblem::new(ErrorCode::MalformedJson, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use apiverse_contract::apis::CreateApi;
    use apiverse_contract::auth::{LoginRequest, RegisterRequest};
    use apiverse_contract::keys::CreateApiKey;

    fn problem<T: DeserializeOwned>(bytes: &[u8]) -> (u16, String, Vec<(String, String)>) {
        let problem = object::<T>(bytes).err().expect("a problem");
        let problem = problem.problem().clone();
        let errors = problem
            .errors
            .into_iter()
            .map(|e| (e.field, e.message))
            .collect();
        (problem.status, problem.detail, errors)
    }

    fn error(field: &str, message: &str) -> (String, String) {
        (field.to_owned(), message.to_owned())
    }

    #[test]
    fn syntax_is_told_with_its_place() {
        let (status, detail, _) = problem::<LoginRequest>(b"{\"email\":\n  oops}");
        assert_eq!(status, 400);
        assert!(detail.ends_with("at line 2 column 3"), "{detail}");

        let (status, detail, _) = problem::<LoginRequest>(b"");
        assert_eq!(status, 400);
        assert!(detail.contains("line 1 column 0"), "{detail}");

        let (status, detail, _) = problem::<LoginRequest>(b"{\n\"email\": \"\xff\"}");
        assert_eq!(status, 400);
        assert_eq!(detail, "the body is not UTF-8 at line 2 column 11");
    }

    #[test]
    fn a_typo_gets_a_hint() {
        let (status, _, errors) =
            problem::<RegisterRequest>(br#"{"emial":"a@b.co","password":"0123456789"}"#);
        assert_eq!(status, 422);
        assert_eq!(
            errors,
            [
                error("emial", "is not known here; did you mean `email`?"),
                error("email", "is required"),
            ]
        );
    }

    #[test]
    fn wrong_types_are_told_all_at_once_and_without_their_content() {
        let body = br#"{"name":5,"base_url":["secret"],"auth_type":"baisc","limits":{"connect_timeout_ms":-1}}"#;
        let (status, _, errors) = problem::<CreateApi>(body);
        assert_eq!(status, 422);
        assert_eq!(
            errors,
            [
                error(
                    "auth_type",
                    "must be one of `none`, `api_key`, `bearer`, `basic`, `oauth2`; did you mean `basic`?"
                ),
                error("base_url", "must be text"),
                error(
                    "limits.connect_timeout_ms",
                    "must be a whole number, 0 or more"
                ),
                error("name", "must be text"),
            ]
        );
    }

    #[test]
    fn lists_times_and_ids_have_their_own_words() {
        let body = br#"{"name":"k","api_ids":["x"],"expires_at":"tomorrow","methods":"GET"}"#;
        let (_, _, errors) = problem::<CreateApiKey>(body);
        assert_eq!(
            errors,
            [
                error("api_ids.0", "must be a UUID"),
                error("expires_at", "must be a time such as 2026-01-31T12:00:00Z"),
                error("methods", "must be a list"),
            ]
        );
    }

    #[test]
    fn a_body_that_is_no_object_or_says_things_twice_is_refused() {
        let (status, _, errors) = problem::<LoginRequest>(br#"["a@b.co","pw"]"#);
        assert_eq!(
            (status, errors),
            (422, vec![error("body", "must be an object")])
        );
        let (status, _, errors) =
            problem::<LoginRequest>(br#"{"email":"a","email":"b","password":"c"}"#);
        assert_eq!(
            (status, errors),
            (422, vec![error("email", "is given twice")])
        );
    }

    #[test]
    fn a_thousand_unknown_fields_get_twenty_messages() {
        let fields: Vec<String> = (0..1000).map(|n| format!("\"f{n:04}\":1")).collect();
        let body = format!("{{{}}}", fields.join(","));
        let (_, _, errors) = problem::<LoginRequest>(body.as_bytes());
        assert_eq!(errors.len(), MOST_ERRORS);
    }
}
