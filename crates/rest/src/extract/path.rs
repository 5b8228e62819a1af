//! Ids in paths.

use std::str::FromStr;

use apiverse_contract::{
    AccessTokenId, AlertRuleId, AlertWebhookId, ApiId, BudgetId, ErrorCode, FindingId, IdentityId,
    InvitationId, KeyId, MuteId, NotificationId, OrganizationId, PasskeyId, PriceRuleId, ReportId,
    ReportScheduleId, RouteId, SavedViewId, ServiceAccountId, SessionId, SilenceId, SloId, UserId,
    VersionId,
};
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

impl ResourceId for RouteId {
    const NOT_FOUND: ErrorCode = ErrorCode::RouteNotFound;
}

impl ResourceId for VersionId {
    const NOT_FOUND: ErrorCode = ErrorCode::VersionNotFound;
}

impl ResourceId for PriceRuleId {
    const NOT_FOUND: ErrorCode = ErrorCode::PriceRuleNotFound;
}

impl ResourceId for BudgetId {
    const NOT_FOUND: ErrorCode = ErrorCode::BudgetNotFound;
}

impl ResourceId for AlertRuleId {
    const NOT_FOUND: ErrorCode = ErrorCode::AlertRuleNotFound;
}

impl ResourceId for SilenceId {
    const NOT_FOUND: ErrorCode = ErrorCode::SilenceNotFound;
}

impl ResourceId for AlertWebhookId {
    const NOT_FOUND: ErrorCode = ErrorCode::AlertWebhookNotFound;
}

impl ResourceId for ReportScheduleId {
    const NOT_FOUND: ErrorCode = ErrorCode::ReportScheduleNotFound;
}

impl ResourceId for ReportId {
    const NOT_FOUND: ErrorCode = ErrorCode::ReportNotFound;
}

impl ResourceId for SavedViewId {
    const NOT_FOUND: ErrorCode = ErrorCode::SavedViewNotFound;
}

impl ResourceId for SloId {
    const NOT_FOUND: ErrorCode = ErrorCode::SloNotFound;
}

impl ResourceId for FindingId {
    const NOT_FOUND: ErrorCode = ErrorCode::FindingNotFound;
}

impl ResourceId for MuteId {
    const NOT_FOUND: ErrorCode = ErrorCode::MuteNotFound;
}

impl ResourceId for OrganizationId {
    const NOT_FOUND: ErrorCode = ErrorCode::OrganizationNotFound;
}

impl ResourceId for UserId {
    const NOT_FOUND: ErrorCode = ErrorCode::MemberNotFound;
}

impl ResourceId for InvitationId {
    const NOT_FOUND: ErrorCode = ErrorCode::InvitationNotFound;
}

impl ResourceId for IdentityId {
    const NOT_FOUND: ErrorCode = ErrorCode::IdentityNotFound;
}

impl ResourceId for AccessTokenId {
    const NOT_FOUND: ErrorCode = ErrorCode::AccessTokenNotFound;
}

impl ResourceId for PasskeyId {
    const NOT_FOUND: ErrorCode = ErrorCode::PasskeyNotFound;
}

impl ResourceId for ServiceAccountId {
    const NOT_FOUND: ErrorCode = ErrorCode::ServiceAccountNotFound;
}

impl ResourceId for NotificationId {
    const NOT_FOUND: ErrorCode = ErrorCode::NotificationNotFound;
}

impl ResourceId for SessionId {
    const NOT_FOUND: ErrorCode = ErrorCode::SessionNotFound;
}

/// The request id of a call, which the caller may have chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallId(pub String);

/// No call has such a request id.
#[derive(Clone, Copy, Debug)]
pub struct NoCallId;

impl FromStr for CallId {
    type Err = NoCallId;

    fn from_str(text: &str) -> Result<Self, NoCallId> {
        let is_one = (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        is_one.then(|| Self(text.to_owned())).ok_or(NoCallId)
    }
}

impl ResourceId for CallId {
    const NOT_FOUND: ErrorCode = ErrorCode::NotFound;
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
        parse(text.as_ref().map(|Path(text)| text.as_str())).map(Self)
    }
}

/// The two ids of the path, of a thing and of one inside it.
///
/// # Errors
/// The 404 of the first that is malformed.
#[derive(Clone, Copy, Debug)]
pub struct ApiPaths<T, U>(pub T, pub U);

impl<T: ResourceId, U: ResourceId, S: Send + Sync> FromRequestParts<S> for ApiPaths<T, U> {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let texts = Path::<(String, String)>::from_request_parts(parts, state)
            .await
            .ok();
        let (first, second) = match &texts {
            Some(Path((first, second))) => (Some(first.as_str()), Some(second.as_str())),
            None => (None, None),
        };
        Ok(Self(parse(first)?, parse(second)?))
    }
}

fn parse<T: ResourceId>(text: Option<&str>) -> Result<T, ApiProblem> {
    match text.and_then(|text| T::from_str(text).ok()) {
        Some(id) => Ok(id),
        None => Err(ApiProblem::new(
            T::NOT_FOUND,
            "the address has no valid id; ids are UUIDs",
        )),
    }
}
