//! Who calls: a bearer token, or the console's session cookie.

use apiverse_contract::ErrorCode;
use apiverse_platform::Actor;
use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, header};
use tower_sessions::Session;

use crate::origin::{SameOrigin, same_origin};
use crate::{ApiProblem, Caller, RestState};

/// The caller of an operation that needs one.
///
/// `Authorization: Bearer` with an access token or `UNIFIED_API_KEY` decides alone when it is
/// there; else the session cookie does. With the cookie, which a browser sends along whoever asks,
/// a state-changing method must come from a page of ours.
///
/// # Errors
/// 401 `authentication_required` or `invalid_token`, 403 `cross_site_request`.
#[derive(Clone, Debug)]
pub struct Authenticated(pub Actor);

impl FromRequestParts<RestState> for Authenticated {
    type Rejection = ApiProblem;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &RestState,
    ) -> Result<Self, Self::Rejection> {
        let Caller(info) = Caller::from_parts(parts);
        if let Some(token) = bearer_token(&parts.headers)? {
            let actor = state.platform.actor_from_bearer(&info, token).await?;
            return Ok(Self(actor));
        }
        let Some(session) = parts.extensions.get::<Session>() else {
            return Err(required());
        };
        let Some(actor) = state.platform.actor_from_session(session, &info).await? else {
            return Err(required());
        };
        if !parts.method.is_safe()
            && same_origin(&parts.headers, &parts.uri, &state.shared.origins) != SameOrigin::Yes
        {
            return Err(cross_site());
        }
        Ok(Self(actor))
    }
}

fn required() -> ApiProblem {
    ApiProblem::new(
        ErrorCode::AuthenticationRequired,
        "sign in, or send an access token as `Authorization: Bearer`",
    )
}

pub(crate) fn cross_site() -> ApiProblem {
    ApiProblem::new(
        ErrorCode::CrossSiteRequest,
        "a change with the session cookie must come from the console itself; \
         send an access token instead",
    )
}

/// The token of `Authorization: Bearer`, `None` without that header.
fn bearer_token(headers: &HeaderMap) -> Result<Option<&str>, ApiProblem> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let malformed = || {
        ApiProblem::new(
            ErrorCode::InvalidToken,
            "`Authorization` must be `Bearer` and a token",
        )
    };
    if values.next().is_some() {
        return Err(malformed());
    }
    let text = value.to_str().map_err(|_| malformed())?;
    let (scheme, token) = text.split_once(' ').ok_or_else(malformed)?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(malformed());
    }
    Ok(Some(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token_of(value: &'static str) -> Result<Option<String>, u16> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, http::HeaderValue::from_static(value));
        bearer_token(&headers)
            .map(|token| token.map(str::to_owned))
            .map_err(|problem| problem.problem().status)
    }

    #[test]
    fn the_scheme_is_case_insensitive() {
        assert_eq!(token_of("Bearer abc"), Ok(Some("abc".to_owned())));
        assert_eq!(token_of("bearer  abc"), Ok(Some("abc".to_owned())));
    }

    #[test]
    fn another_scheme_or_no_token_is_refused() {
        assert_eq!(token_of("Basic dTpw"), Err(401));
        assert_eq!(token_of("Bearer"), Err(401));
        assert_eq!(token_of("Bearer "), Err(401));
        assert_eq!(bearer_token(&HeaderMap::new()).ok(), Some(None));
    }

    #[test]
    fn two_authorizations_are_refused() {
        let mut headers = HeaderMap::new();
        headers.append(
            header::AUTHORIZATION,
            http::HeaderValue::from_static("Bearer a"),
        );
        headers.append(
            header::AUTHORIZATION,
            http::HeaderValue::from_static("Bearer b"),
        );
        assert!(bearer_token(&headers).is_err());
    }
}
