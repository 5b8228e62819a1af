//! Which problems an operation answers, next to its handler and in the document.

use std::collections::BTreeMap;

use apiverse_contract::{ErrorCode, FieldError, Problem};
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

/// Answered by every operation that needs a caller.
pub const SIGNED_IN: &[ErrorCode] = &[ErrorCode::AuthenticationRequired, ErrorCode::InvalidToken];
/// Answered by those that only some roles may use.
pub const ROLE: &[ErrorCode] = &[ErrorCode::Forbidden, ErrorCode::TwoFactorRequired];
/// Answered by those that are dangerous.
pub const RECENT: &[ErrorCode] = &[ErrorCode::StepUpRequired];
/// Answered by those that change something.
pub const CHANGE: &[ErrorCode] = &[
    ErrorCode::Forbidden,
    ErrorCode::TwoFactorRequired,
    ErrorCode::CrossSiteRequest,
];
/// Answered by those that take a body.
pub const BODY: &[ErrorCode] = &[
    ErrorCode::MalformedJson,
    ErrorCode::InvalidRequest,
    ErrorCode::BodyTooLarge,
    ErrorCode::UnsupportedMediaType,
    ErrorCode::ValidationFailed,
];
/// Answered by those that take query parameters.
pub const QUERY: &[ErrorCode] = &[ErrorCode::InvalidRequest, ErrorCode::ValidationFailed];
/// Answered by all.
const ALWAYS: &[ErrorCode] = &[ErrorCode::Internal, ErrorCode::ServiceUnavailable];

/// Makes a type for `responses(…)` of `utoipa::path` from lists of codes.
macro_rules! problems {
    ($name:ident: $($codes:expr),+ $(,)?) => {
        struct $name;

        impl utoipa::IntoResponses for $name {
            fn responses() -> std::collections::BTreeMap<
                String,
                utoipa::openapi::RefOr<utoipa::openapi::Response>,
            > {
                $crate::openapi::problems::responses(&[$($codes),+])
            }
        }
    };
}
pub(crate) use problems;

/// One response for each status, with an example for each code.
pub fn responses(lists: &[&[ErrorCode]]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<u16, Vec<ErrorCode>> = BTreeMap::new();
    for code in lists.iter().copied().chain([ALWAYS]).flatten().copied() {
        let codes = by_status.entry(code.status()).or_default();
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    by_status
        .into_iter()
        .map(|(status, codes)| (status.to_string(), response(&codes).into()))
        .collect()
}

fn response(codes: &[ErrorCode]) -> Response {
    let names: Vec<String> = codes.iter().map(|code| format!("`{code}`")).collect();
    let examples = codes.iter().map(|code| {
        let example = ExampleBuilder::new()
            .summary(code.title())
            .value(serde_json::to_value(example(*code)).ok())
            .build();
        (code.as_str(), RefOr::T(example))
    });
    ResponseBuilder::new()
        .description(names.join(", "))
        .content(
            "application/problem+json",
            ContentBuilder::new()
                .schema(Some(Ref::from_schema_name("Problem")))
                .examples_from_iter(examples)
                .build(),
        )
        .build()
}

fn example(code: ErrorCode) -> Problem {
    let mut problem = Problem::new(code, detail(code));
    problem.request_id = Some("01932c07-2a5e-7c3b-9d3e-5a1f0c7b8e21".to_owned());
    if code == ErrorCode::ValidationFailed {
        problem.errors = vec![FieldError::new("name", "is required")];
    }
    problem
}

/// What `detail` says, for instance.
fn detail(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::MalformedJson => "expected `,` or `}` at line 3 column 5",
        ErrorCode::InvalidRequest => "the query is not percent-encoded UTF-8",
        ErrorCode::InvalidPath => "the path leaves the API's base path",
        ErrorCode::MfaRequired => "send `mfa_token` with a code to `POST /auth/mfa`",
        ErrorCode::InvalidCode => "the code is wrong, or was used before",
        ErrorCode::StepUpRequired => "prove who you are again (`POST /auth/step-up`)",
        ErrorCode::TwoFactorRequired => "set a second factor up: the organization requires one",
        ErrorCode::AccessTokenNotFound => "there is no access token of yours with this id",
        ErrorCode::PasskeyNotFound => "there is no passkey of yours with this id",
        ErrorCode::ServiceAccountNotFound => "there is no service account with this id",
        ErrorCode::SavedViewNameTaken => "another view of yours has this name",
        ErrorCode::ServiceAccountNameTaken => "another service account has this name",
        ErrorCode::TwoFactorOn => "there is a second factor already",
        ErrorCode::TwoFactorOff => "there is no second factor; set one up first",
        ErrorCode::InvalidLink => "the link was used, or is too old; ask for another one",
        ErrorCode::LastOwner => "you are the only owner; make somebody else an owner first",
        ErrorCode::IdentityNotFound => "you have no linked sign-in with this id",
        ErrorCode::IdentityTaken => "this sign-in belongs to another account",
        ErrorCode::LastWayIn => "it is your only way to sign in; set a password first",
        ErrorCode::InvalidSignature => "the report is not signed by the service",
        ErrorCode::AuthenticationRequired => {
            "sign in, or send an access token as `Authorization: Bearer`"
        }
        ErrorCode::InvalidCredentials => "the e-mail address or the password is wrong",
        ErrorCode::InvalidToken => "the access token is malformed, expired or revoked",
        ErrorCode::InvalidRefreshToken => "the refresh token is unknown, expired or was used",
        ErrorCode::MissingApiKey => "send an API key in `X-API-Key`",
        ErrorCode::InvalidApiKey => "the API key is unknown or was revoked",
        ErrorCode::ExpiredApiKey => "the API key has expired",
        ErrorCode::Forbidden => "your role in this organization does not allow this",
        ErrorCode::CrossSiteRequest => {
            "a change with the session cookie must come from the console"
        }
        ErrorCode::KeyNotAllowed => "the API key is not for this API or method",
        ErrorCode::IpNotAllowed => "the API key is not accepted from this address",
        ErrorCode::NotFound => "there is nothing at this address",
        ErrorCode::ApiNotFound => "there is no such API in this organization",
        ErrorCode::ApiKeyNotFound => "there is no such API key in this organization",
        ErrorCode::RouteNotFound => "there is no such route of this API",
        ErrorCode::PolicyNotFound => "no policy of this kind is attached there",
        ErrorCode::PriceRuleNotFound => "there is no price rule with this id in your organization",
        ErrorCode::BudgetNotFound => "there is no budget with this id in your organization",
        ErrorCode::AlertRuleNotFound => "there is no alert rule with this id in your organization",
        ErrorCode::SilenceNotFound => "there is no silence with this id in your organization",
        ErrorCode::AlertWebhookNotFound => "there is no webhook with this id in your organization",
        ErrorCode::SavedViewNotFound => "you see no saved view with this id",
        ErrorCode::SloNotFound => "there is no objective with this id in your organization",
        ErrorCode::ReportScheduleNotFound => {
            "there is no schedule of reports with this id in your organization"
        }
        ErrorCode::ReportNotFound => "there is no report with this id in your organization",
        ErrorCode::FindingNotFound => "there is no finding with this id in your organization",
        ErrorCode::MuteNotFound => "there is no mute with this id in your organization",
        ErrorCode::VersionNotFound => "there is no such version of this API",
        ErrorCode::SessionNotFound => "there is no such session of yours",
        ErrorCode::OrganizationNotFound => "you are in no organization with this id",
        ErrorCode::MemberNotFound => "nobody with this id is in your organization",
        ErrorCode::InvitationNotFound => "there is no open invitation with this id",
        ErrorCode::NotificationNotFound => "there is no such message in your outbox",
        ErrorCode::MethodNotAllowed => "`Allow` lists the methods that are",
        ErrorCode::RequestTimeout => "the request's body stopped arriving",
        ErrorCode::EmailTaken => "an account with this e-mail address exists",
        ErrorCode::SlugTaken => "another API of this organization has this slug",
        ErrorCode::RouteNameTaken => "another route of this API has this name",
        ErrorCode::VersionNameTaken => "another version of this API has this name",
        ErrorCode::VersionRetired => "the version `v1` is retired since 2026-01-01T00:00:00Z",
        ErrorCode::PreconditionFailed => "the policy has version 4 now; read it again",
        ErrorCode::ApiKeyRevoked => "the API key was revoked and cannot be changed any more",
        ErrorCode::BodyTooLarge => "the body may have at most 1048576 bytes",
        ErrorCode::HeadersTooLarge => "the request has too many or too large headers",
        ErrorCode::UnsupportedMediaType => "send the body as JSON",
        ErrorCode::ValidationFailed => "`name` is required",
        ErrorCode::RequestInvalid => {
            "the request does not fit the API's schema; errors points at what does not"
        }
        ErrorCode::RequestTransformFailed => {
            "the request's body cannot be transformed: it is not JSON"
        }
        ErrorCode::TooManyAttempts => "try again in 30 seconds",
        ErrorCode::RateLimited => "the limit `burst` allows 100 calls in 60 seconds",
        ErrorCode::QuotaExceeded => "the quota `monthly` is used up until 2026-02-01T00:00:00Z",
        ErrorCode::BudgetExceeded => "the budget for these calls is spent until the month is over",
        ErrorCode::ConcurrencyLimited => "10 calls are under way, as many as are allowed at once",
        ErrorCode::ClientClosedRequest => "the client closed the connection",
        ErrorCode::Internal => "name the request id when asking for help",
        ErrorCode::UpstreamUnreachable => "the upstream refused the connection",
        ErrorCode::UpstreamBlocked => "the upstream's address is in a private range",
        ErrorCode::UpstreamAuthFailed => "the token endpoint refused the client's credentials",
        ErrorCode::ResponseTransformFailed => {
            "the upstream's answer cannot be transformed: it is larger than 1048576 bytes"
        }
        ErrorCode::CircuitOpen => "most of the last calls failed",
        ErrorCode::ApiDisabled => "the API is switched off",
        ErrorCode::ServiceUnavailable => "the database is away; try again in a moment",
        ErrorCode::UpstreamTimeout => "the upstream did not begin its answer in time",
    }
}
