//! Conditions on changes: `If-Match` and `If-None-Match` (RFC 9110, 13.1).

use apiverse_contract::ErrorCode;
use apiverse_platform::Condition;
use http::{HeaderMap, HeaderName, header};

use crate::ApiProblem;

/// The headers, for the document.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only its description is used")]
pub struct IfUnchanged {
    /// The `ETag` that was read, or `*` for any.
    #[param(rename = "If-Match")]
    if_match: Option<String>,
    /// Only `*`: there must be none yet.
    #[param(rename = "If-None-Match")]
    if_none_match: Option<String>,
}

impl IfUnchanged {
    /// # Errors
    /// 400 `invalid_request` for what is neither a version's tag nor `*`.
    pub fn read(headers: &HeaderMap) -> Result<Condition, ApiProblem> {
        let one = |name: HeaderName| {
            let mut values = headers.get_all(name).iter();
            match (values.next(), values.next()) {
                (value, None) => Ok(value.map(|value| value.to_str().unwrap_or_default().trim())),
                (_, Some(_)) => Err(()),
            }
        };
        let condition = match (one(header::IF_MATCH), one(header::IF_NONE_MATCH)) {
            (Ok(None), Ok(None)) => Some(Condition::Any),
            (Ok(Some("*")), Ok(None)) => Some(Condition::Exists),
            (Ok(None), Ok(Some("*"))) => Some(Condition::Absent),
            (Ok(Some(tag)), Ok(None)) => tag
                .strip_prefix('"')
                .and_then(|tag| tag.strip_suffix('"'))
                .and_then(|version| version.parse().ok())
                .map(Condition::Version),
            _ => None,
        };
        condition.ok_or_else(|| {
            ApiProblem::new(
                ErrorCode::InvalidRequest,
                "`If-Match` takes one ETag as it was given or `*`, `If-None-Match` takes `*`",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read() {
        let read = |pairs: &[(HeaderName, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(name, value.parse().expect("a value"));
            }
            IfUnchanged::read(&headers).ok()
        };
        let (yes, no) = (header::IF_MATCH, header::IF_NONE_MATCH);
        assert_eq!(read(&[]), Some(Condition::Any));
        assert_eq!(read(&[(yes.clone(), "\"7\"")]), Some(Condition::Version(7)));
        assert_eq!(read(&[(yes.clone(), "*")]), Some(Condition::Exists));
        assert_eq!(read(&[(no.clone(), "*")]), Some(Condition::Absent));
        for bad in [
            &[(yes.clone(), "7")][..],
            &[(yes.clone(), "W/\"7\"")],
            &[(yes.clone(), "\"x\"")],
            &[(yes.clone(), "\"1\""), (yes.clone(), "\"2\"")],
            &[(no.clone(), "\"7\"")],
            &[(yes, "*"), (no, "*")],
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
