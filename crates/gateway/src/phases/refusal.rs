//! What the gateway answers when it does not pass an upstream's answer on.

use apiverse_connectors::oauth2::TokenError;
use apiverse_contract::{ErrorCode, FieldError, Problem};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};

use super::direct::InvalidPath;
use crate::body::GatewayBody;
use crate::keys::IdentifyError;
use crate::limits::{LimitRefusal, add_fields};
use crate::snapshot::{RetiredVersion, UnknownVersion};
use crate::targets::NotBalanced;
use crate::upstream::ExchangeError;

pub(crate) static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(crate) static X_APIVERSE_ERROR: HeaderName = HeaderName::from_static("x-apiverse-error");

/// Why a call ends here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the method is not proxied")]
    Method,
    #[error("as many calls are under way as this node takes")]
    Overloaded,
    #[error("no api key was sent")]
    MissingKey,
    #[error(transparent)]
    Key(#[from] IdentifyError),
    #[error("the key is not for this address")]
    Address,
    #[error("the key is not in memory, and the database does not answer")]
    KeyUnread,
    #[error("the organization has no such api")]
    ApiNotFound,
    #[error("the key is not for this api")]
    KeyNotForApi,
    #[error("the key is not for this method")]
    KeyNotForMethod,
    #[error("the api is switched off")]
    ApiDisabled,
    #[error(transparent)]
    UnknownVersion(#[from] UnknownVersion),
    #[error(transparent)]
    RetiredVersion(#[from] RetiredVersion),
    #[error("limits refuse the call: {}", .0.detail)]
    Limited(Box<LimitRefusal>),
    #[error("a budget is spent, for {wait_s} s more")]
    Budget { wait_s: u64 },
    #[error(transparent)]
    Path(#[from] InvalidPath),
    #[error("the request's body is announced as larger than the limit")]
    Body { limit: u64 },
    #[error("the call came through this gateway before")]
    Loop,
    #[error("the api's base url cannot be used")]
    NoTarget,
    #[error("the api's credentials cannot be read")]
    Credentials,
    #[error("no token for the upstream")]
    Token(#[from] TokenError),
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    #[error("the circuit is open for {wait_ms} ms")]
    Circuit { wait_ms: u64 },
    #[error("none of the targets is well")]
    NoneWell,
    #[error("every target has as many calls under way as it takes")]
    TargetsFull,
    #[error("a policy refuses the call: {detail}")]
    Policy {
        code: ErrorCode,
        detail: String,
        errors: Vec<FieldError>,
    },
    #[error("a task of the gateway failed")]
    Internal,
}

impl From<Box<LimitRefusal>> for Refusal {
    fn from(refusal: Box<LimitRefusal>) -> Self {
        Self::Limited(refusal)
    }
}

impl From<NotBalanced> for Refusal {
    fn from(error: NotBalanced) -> Self {
        match error {
            NotBalanced::Circuit(wait_ms) => Self::Circuit { wait_ms },
            NotBalanced::NoTarget => Self::NoTarget,
            NotBalanced::NoneWell => Self::NoneWell,
            NotBalanced::Full => Self::TargetsFull,
            NotBalanced::Path(error) => error.into(),
            NotBalanced::Exchange(error) => error.into(),
        }
    }
}

impl Refusal {
    pub(crate) const fn code(&self) -> ErrorCode {
        match self {
            Self::Method => ErrorCode::MethodNotAllowed,
            Self::Overloaded | Self::KeyUnread => ErrorCode::ServiceUnavailable,
            Self::MissingKey => ErrorCode::MissingApiKey,
            Self::Key(error) => error.code(),
            Self::Address => ErrorCode::IpNotAllowed,
            Self::ApiNotFound => ErrorCode::ApiNotFound,
            Self::KeyNotForApi | Self::KeyNotForMethod => ErrorCode::KeyNotAllowed,
            Self::ApiDisabled => ErrorCode::ApiDisabled,
            Self::UnknownVersion(_) => ErrorCode::VersionNotFound,
            Self::RetiredVersion(_) => ErrorCode::VersionRetired,
            Self::Limited(refusal) => refusal.code,
            Self::Budget { .. } => ErrorCode::BudgetExceeded,
            Self::Path(InvalidPath) => ErrorCode::InvalidPath,
            Self::Body { .. } => ErrorCode::BodyTooLarge,
            Self::Loop | Self::NoTarget => ErrorCode::UpstreamUnreachable,
            Self::Credentials => ErrorCode::UpstreamAuthFailed,
            Self::Token(error) => error.code(),
            Self::Exchange(error) => error.code(),
            Self::Circuit { .. } => ErrorCode::CircuitOpen,
            Self::NoneWell | Self::TargetsFull => ErrorCode::ServiceUnavailable,
            Self::Policy { code, .. } => *code,
            Self::Internal => ErrorCode::Internal,
        }
    }

    /// Whether the upstream never saw the call.
    pub(crate) const fn is_before_upstream(&self) -> bool {
        match self {
            Self::Exchange(ExchangeError::Connect(_)) => true,
            Self::Exchange(_) => false,
            _ => true,
        }
    }

    /// Whether the reason lies with the upstream, so that the operator wants to know of it.
    pub(crate) const fn is_upstream_fault(&self) -> bool {
        matches!(
            self.code(),
            ErrorCode::UpstreamUnreachable
                | ErrorCode::UpstreamBlocked
                | ErrorCode::UpstreamAuthFailed
                | ErrorCode::UpstreamTimeout
                | ErrorCode::Internal
        )
    }

    /// Whether a stored answer may stand in for the upstream's (RFC 5861, 4).
    pub(crate) const fn is_for_want_of_upstream(&self) -> bool {
        self.is_upstream_fault()
            || matches!(
                self,
                Self::Circuit { .. } | Self::NoneWell | Self::TargetsFull
            )
    }

    /// What happened, for the caller.
    pub(crate) fn external(&self) -> String {
        let text = match self {
            Self::Method => "CONNECT is not proxied.",
            Self::Overloaded => "This node has as many calls as it takes; try again in a second.",
            Self::KeyUnread => "The API key cannot be looked up now; try again in a second.",
            Self::MissingKey => {
                "Send your API key in the X-API-Key header, or as Authorization: Bearer."
            }
            Self::Key(IdentifyError::TooManyGuesses) => {
                "Too many wrong API keys came from this address; try again in a minute."
            }
            Self::Key(IdentifyError::Invalid) => "The API key is garbled, unknown, or revoked.",
            Self::Key(IdentifyError::Expired { .. }) => "The API key has expired.",
            Self::Address => "The API key is not accepted from this address.",
            Self::ApiNotFound => "Your organization has no API with this id or slug.",
            Self::KeyNotForApi => "The API key is not for this API.",
            Self::KeyNotForMethod => "The API key may not use this method.",
            Self::ApiDisabled => "The API is switched off.",
            Self::UnknownVersion(_) => "The API has no version of this name.",
            Self::RetiredVersion(version) => {
                let (name, since) = (&version.name, version.since.to_rfc3339());
                return format!("The version {name} is not served any more since {since}.");
            }
            Self::Limited(refusal) => &refusal.detail,
            Self::Budget { .. } => "The budget for these calls is spent until the month is over.",
            Self::Path(InvalidPath) => "The path must not leave the API's base path.",
            Self::Body { limit } => {
                return format!("The request's body is larger than {limit} bytes.");
            }
            Self::Loop => "The call came through this gateway too often: it goes in a circle.",
            Self::NoTarget => "The API's base URL cannot be used.",
            Self::Credentials => "The API's upstream credentials cannot be read.",
            Self::Token(error) => error.external(),
            Self::Exchange(error) => error.external(),
            Self::Circuit { .. } => {
                "Most of the last calls to the upstream failed, so this one was not tried."
            }
            Self::NoneWell => "None of the upstream's targets is well.",
            Self::TargetsFull => {
                "The upstream's targets have as many calls as they take; try again in a second."
            }
            Self::Policy { detail, .. } => detail,
            Self::Internal => "Something went wrong on our side.",
        };
        text.to_owned()
    }

    /// Seconds after which the call may be tried again, where that is known.
    const fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Key(IdentifyError::TooManyGuesses) => Some(60),
            Self::Circuit { wait_ms } => Some(wait_ms.div_ceil(1000)),
            Self::Budget { wait_s } => Some(*wait_s),
            Self::Overloaded | Self::KeyUnread | Self::NoneWell | Self::TargetsFull => Some(1),
            _ => None,
        }
    }

    /// The answer to the caller.
    pub(crate) fn answer(&self, id: &HeaderValue, method: &Method) -> Response<GatewayBody> {
        let mut document = Problem::new(self.code(), self.external());
        if let Self::Policy { errors, .. } = self {
            document = document.with_errors(errors.clone());
        }
        let Self::Limited(refusal) = self else {
            let mut response = respond(document, self.code(), id, method);
            if let Some(seconds) = self.retry_after() {
                let seconds = HeaderValue::from(seconds);
                response.headers_mut().insert(RETRY_AFTER, seconds);
            }
            return response;
        };
        document.violated_policies.clone_from(&refusal.violated);
        let mut response = respond(document, self.code(), id, method);
        add_fields(&refusal.fields, response.headers_mut());
        response
    }
}

/// The answer to a call that ends here, and the size of its body.
pub(crate) fn problem(
    code: ErrorCode,
    detail: String,
    request_id: &HeaderValue,
    method: &Method,
) -> Response<GatewayBody> {
    respond(Problem::new(code, detail), code, request_id, method)
}

fn respond(
    mut problem: Problem,
    code: ErrorCode,
    request_id: &HeaderValue,
    method: &Method,
) -> Response<GatewayBody> {
    problem.request_id = request_id.to_str().ok().map(str::to_owned);
    // Text and numbers always have a JSON form.
    let body = Bytes::from(serde_json::to_vec(&problem).unwrap_or_default());

    let length = HeaderValue::from(body.len());
    let body = if *method == Method::HEAD {
        GatewayBody::Empty
    } else {
        GatewayBody::Full(Some(body))
    };
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, length);
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(&X_APIVERSE_ERROR, HeaderValue::from_static(code.as_str()));
    headers.insert(&X_REQUEST_ID, request_id.clone());
    if code.status() == 401 {
        // RFC 9110, 15.5.2 wants a challenge.
        headers.insert(
            WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer realm=\"apiverse\""),
        );
    }
    response
}
