//! Errors as callers see them: problem documents (RFC 9457) with stable codes.

use serde::{Deserialize, Serialize};

use crate::FieldError;

/// The body of every error answer, `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// Identifies the kind of problem: `urn:apiverse:problem:{code}`, or the URI that is
    /// registered for it.
    pub r#type: String,
    /// The kind of problem in a few words, always the same for a `code`.
    pub title: String,
    /// The HTTP status, repeated for readers that only have the body.
    pub status: u16,
    /// What happened this time, and what to do about it.
    pub detail: String,
    /// Stable machine-readable code, one of `ErrorCode`.
    pub code: String,
    /// The `x-request-id` of the answer; name it when asking for help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// What is wrong with which field, on 422.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The names of the limits that refused the call, on 429
    /// (draft-ietf-httpapi-ratelimit-headers).
    #[serde(
        default,
        rename = "violated-policies",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub violated_policies: Vec<String>,
    /// On `mfa_required`: what `POST /auth/mfa` takes besides a code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mfa_token: Option<String>,
    /// On `mfa_required`: how the second factor can be proved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
}

/// The problem type of a limit that is used up, as IANA has it for everybody
/// (draft-ietf-httpapi-ratelimit-headers, 7.1).
const QUOTA_EXCEEDED_TYPE: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";

impl Problem {
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self {
            r#type: match code {
                ErrorCode::RateLimited
                | ErrorCode::QuotaExceeded
                | ErrorCode::ConcurrencyLimited => QUOTA_EXCEEDED_TYPE.to_owned(),
                _ => format!("urn:apiverse:problem:{}", code.as_str()),
            },
            title: code.title().to_owned(),
            status: code.status(),
            detail: detail.into(),
            code: code.as_str().to_owned(),
            request_id: None,
            errors: Vec::new(),
            violated_policies: Vec::new(),
            mfa_token: None,
            methods: Vec::new(),
        }
    }

    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident $code:literal $status:literal $title:literal;)*) => {
        /// Every `code` a problem document may carry. Codes are never renamed or reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub enum ErrorCode {
            $($(#[$doc])* #[serde(rename = $code)] $variant,)*
        }

        impl ErrorCode {
            /// All codes, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The HTTP status this code is answered with.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }
        }
    };
}

codes! {
    /// The body is not JSON.
    MalformedJson "malformed_json" 400 "The body is not valid JSON";
    /// Path or query could not be read.
    InvalidRequest "invalid_request" 400 "The request could not be understood";
    /// The path given to the gateway would leave the API's base path.
    InvalidPath "invalid_path" 400 "The path is not allowed";
    /// A webhook's signature does not fit, or is too old.
    InvalidSignature "invalid_signature" 400 "The signature is not valid";
    /// A link that was sent by e-mail is unknown, used or too old.
    InvalidLink "invalid_link" 400 "The link is not valid any more";
    /// No credentials were sent.
    AuthenticationRequired "authentication_required" 401 "Sign in or send an access token";
    /// Wrong e-mail or password; which of them is not told.
    InvalidCredentials "invalid_credentials" 401 "Wrong e-mail or password";
    /// The password was right; a second factor is wanted. `mfa_token` and `methods` say how.
    MfaRequired "mfa_required" 401 "A second factor is required";
    /// The code of the second factor is wrong, or was used before.
    InvalidCode "invalid_code" 401 "The code is not valid";
    /// The access token is malformed, expired, or was revoked.
    InvalidToken "invalid_token" 401 "The access token is not valid";
    /// The refresh token is unknown, expired, or was used before.
    InvalidRefreshToken "invalid_refresh_token" 401 "The refresh token is not valid";
    /// The gateway got no API key.
    MissingApiKey "missing_api_key" 401 "No API key was sent";
    /// The API key is garbled, unknown, or revoked.
    InvalidApiKey "invalid_api_key" 401 "The API key is not valid";
    /// The API key's time is over.
    ExpiredApiKey "expired_api_key" 401 "The API key has expired";
    /// The member's role does not allow this.
    Forbidden "forbidden" 403 "Your role does not allow this";
    /// Prove who you are again first: `POST /auth/step-up`.
    StepUpRequired "step_up_required" 403 "Prove who you are again";
    /// The organization wants its members to have a second factor.
    TwoFactorRequired "two_factor_required" 403 "The organization requires a second factor";
    /// A state-changing call with a session cookie came from another site.
    CrossSiteRequest "cross_site_request" 403 "The request came from another site";
    /// The key is not for this API or method.
    KeyNotAllowed "key_not_allowed" 403 "The API key may not do this";
    /// The key is not accepted from this address.
    IpNotAllowed "ip_not_allowed" 403 "The API key may not be used from this address";
    /// No such path.
    NotFound "not_found" 404 "There is nothing at this address";
    /// No such API, or it belongs to another organization.
    ApiNotFound "api_not_found" 404 "The API does not exist";
    /// No such API key, or it belongs to another organization.
    ApiKeyNotFound "api_key_not_found" 404 "The API key does not exist";
    /// No such route of this API.
    RouteNotFound "route_not_found" 404 "The route does not exist";
    /// No policy of this kind is attached there.
    PolicyNotFound "policy_not_found" 404 "The policy does not exist";
    /// No such price rule.
    PriceRuleNotFound "price_rule_not_found" 404 "The price rule does not exist";
    /// No such budget.
    BudgetNotFound "budget_not_found" 404 "The budget does not exist";
    /// No such alert rule.
    AlertRuleNotFound "alert_rule_not_found" 404 "The alert rule does not exist";
    /// No such silence.
    SilenceNotFound "silence_not_found" 404 "The silence does not exist";
    /// Of another person or organization, too.
    SavedViewNotFound "saved_view_not_found" 404 "The saved view does not exist";
    /// No such address.
    AlertWebhookNotFound "alert_webhook_not_found" 404 "The webhook does not exist";
    /// No such objective.
    SloNotFound "slo_not_found" 404 "The objective does not exist";
    /// No such schedule of reports.
    ReportScheduleNotFound "report_schedule_not_found" 404 "The schedule does not exist";
    /// No such report.
    ReportNotFound "report_not_found" 404 "The report does not exist";
    /// No such finding.
    FindingNotFound "finding_not_found" 404 "The finding does not exist";
    /// No such mute.
    MuteNotFound "mute_not_found" 404 "The mute does not exist";
    /// No such version of this API.
    VersionNotFound "version_not_found" 404 "The version does not exist";
    /// No such session, or it is another user's.
    SessionNotFound "session_not_found" 404 "The session does not exist";
    /// No such organization of the caller.
    OrganizationNotFound "organization_not_found" 404 "The organization does not exist";
    /// No such member of the organization.
    MemberNotFound "member_not_found" 404 "The member does not exist";
    /// No such invitation, or it is not open any more.
    InvitationNotFound "invitation_not_found" 404 "The invitation does not exist";
    /// No such access token of the caller.
    PasskeyNotFound "passkey_not_found" 404 "The passkey does not exist";
    AccessTokenNotFound "access_token_not_found" 404 "The access token does not exist";
    /// No such service account.
    ServiceAccountNotFound "service_account_not_found" 404 "The service account does not exist";
    /// No such message in the outbox.
    NotificationNotFound "notification_not_found" 404 "The message does not exist";
    /// The path exists, but not for this method.
    MethodNotAllowed "method_not_allowed" 405 "The method is not allowed here";
    /// The request's body stopped arriving.
    RequestTimeout "request_timeout" 408 "The request did not arrive in time";
    /// An account with this e-mail exists.
    EmailTaken "email_taken" 409 "The e-mail address is taken";
    /// Another API, or another organization, has this slug.
    SlugTaken "slug_taken" 409 "The slug is taken";
    /// Another route of the API has this name.
    RouteNameTaken "route_name_taken" 409 "The route's name is taken";
    /// Another version of the API has this name.
    VersionNameTaken "version_name_taken" 409 "The version's name is taken";
    /// Another service account has this name.
    ServiceAccountNameTaken "service_account_name_taken" 409 "The service account's name is taken";
    /// Another view of the same person has this name.
    SavedViewNameTaken "saved_view_name_taken" 409 "The view's name is taken";
    /// There is a second factor already.
    TwoFactorOn "two_factor_on" 409 "The second factor is on";
    /// There is no second factor.
    TwoFactorOff "two_factor_off" 409 "The second factor is off";
    /// An organization always has an owner.
    IdentityNotFound "identity_not_found" 404 "There is no such linked sign-in";
    IdentityTaken "identity_taken" 409 "The sign-in belongs to another account";
    LastWayIn "last_way_in" 409 "It is the last way to sign in";
    LastOwner "last_owner" 409 "The organization needs an owner";
    /// The key was revoked; it cannot be changed or rotated.
    ApiKeyRevoked "api_key_revoked" 409 "The API key was revoked";
    /// The version of the API that is asked for is no longer served.
    VersionRetired "version_retired" 410 "The version is retired";
    /// `If-Match` or `If-None-Match` does not fit: somebody else made a change.
    PreconditionFailed "precondition_failed" 412 "It was changed meanwhile";
    /// The body is larger than the limit.
    BodyTooLarge "body_too_large" 413 "The body is too large";
    /// A request's head has more, or larger, fields than are accepted.
    HeadersTooLarge "headers_too_large" 431 "The headers are too large";
    /// The `Content-Type` is not `application/json`.
    UnsupportedMediaType "unsupported_media_type" 415 "The content type is not supported";
    /// The body is JSON, but fields are wrong; `errors` names them.
    ValidationFailed "validation_failed" 422 "Some fields are not valid";
    /// A request does not fit the API's schema; `errors` points at what does not.
    RequestInvalid "request_invalid" 422 "The request does not fit the API's schema";
    /// A policy could not make the upstream's request out of this one.
    RequestTransformFailed "request_transform_failed" 422 "The request could not be transformed";
    /// Too many attempts to sign in or register.
    TooManyAttempts "too_many_attempts" 429 "Too many attempts";
    /// A rate limit refused the call; `Retry-After` tells when the next one may pass.
    RateLimited "rate_limited" 429 "Too many calls";
    /// A quota of the day or month is used up.
    QuotaExceeded "quota_exceeded" 429 "The quota is used up";
    /// A budget of the month is spent, and it is one that blocks.
    BudgetExceeded "budget_exceeded" 429 "The budget is spent";
    /// As many calls as are allowed at once are under way.
    ConcurrencyLimited "concurrency_limited" 429 "Too many calls at once";
    /// The caller hung up before the answer was ready; recorded, never sent.
    ClientClosedRequest "client_closed_request" 499 "The client closed the connection";
    /// A fault of ours; `request_id` finds it in the log.
    Internal "internal" 500 "Something went wrong on our side";
    /// The upstream could not be connected to, or its answer was not HTTP.
    UpstreamUnreachable "upstream_unreachable" 502 "The upstream could not be reached";
    /// The upstream's address is in a range that is not allowed.
    UpstreamBlocked "upstream_blocked" 502 "The upstream's address is not allowed";
    /// The upstream's credentials could not be obtained.
    UpstreamAuthFailed "upstream_auth_failed" 502 "The upstream's credentials were refused";
    /// A policy could not make the caller's answer out of the upstream's.
    ResponseTransformFailed "response_transform_failed" 502 "The answer could not be transformed";
    /// Most of the last calls failed, so this one was not tried; `Retry-After` tells when it will be.
    CircuitOpen "circuit_open" 503 "The upstream is failing; the call was not tried";
    /// The API is switched off.
    ApiDisabled "api_disabled" 503 "The API is switched off";
    /// A dependency is away; try again.
    ServiceUnavailable "service_unavailable" 503 "The service is not available right now";
    /// The upstream did not answer in time.
    UpstreamTimeout "upstream_timeout" 504 "The upstream did not answer in time";
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
