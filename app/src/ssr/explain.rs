//! Calls explained, with what their verdicts ask of people.

use std::net::{IpAddr, Ipv4Addr};

use apiverse_contract::ErrorCode;
use apiverse_contract::explain::{ExplainRequest, Explanation};
use apiverse_platform::ExplainError;

use super::call::{Member, Visitor, fail};
use crate::rpc::Rpc;
use crate::rpc::calls::Explained;

/// # Errors
/// What the platform refuses; a call of which nothing was kept is no error.
pub async fn one(member: &Member, request_id: &str) -> Rpc<Explained> {
    let found = member
        .platform
        .explanation_get(&member.actor, request_id)
        .await;
    match found {
        Ok(explanation) => Ok(explained(explanation)),
        Err(ExplainError::CallGone(_)) => Ok(Explained {
            explanation: None,
            mend: None,
            mend_at: None,
        }),
        Err(error) => Err(fail(error)),
    }
}

/// # Errors
/// What the platform refuses.
pub fn ask(member: &Member, visitor: &Visitor, request: &ExplainRequest) -> Rpc<Explained> {
    let Member { platform, actor } = member;
    let (permit, now) = platform.may_explain(actor, request).map_err(fail)?;
    let asker = visitor
        .request
        .ip
        .unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let explain = &visitor.state.explain;
    let answer = explain(
        permit.organization_id(),
        request,
        asker,
        now.timestamp_micros(),
    );
    Ok(explained(answer))
}

fn explained(explanation: Explanation) -> Explained {
    let mend = explanation.code.and_then(mend);
    let mend_at = explanation.code.and_then(|code| place(code, &explanation));
    Explained {
        mend: mend.map(str::to_owned),
        mend_at,
        explanation: Some(explanation),
    }
}

/// What to do about a call that ended with `code`.
fn mend(code: ErrorCode) -> Option<&'static str> {
    Some(match code {
        ErrorCode::MissingApiKey => {
            "Send a key in the X-API-Key field, or as `Authorization: Bearer apv_…`."
        }
        ErrorCode::InvalidApiKey => {
            "The key is garbled, revoked or of another organization. Compare its first characters with those under Keys."
        }
        ErrorCode::ExpiredApiKey => "Give the key a later end, or rotate it.",
        ErrorCode::TooManyAttempts => {
            "Too many wrong keys came from this address. It is listened to again when the time in Retry-After is over."
        }
        ErrorCode::IpNotAllowed => "Add the caller's address to those the key is accepted from.",
        ErrorCode::ApiNotFound => {
            "Compare the part after /proxy/ with the slug of the API; the key must be of the same organization."
        }
        ErrorCode::KeyNotAllowed => "Allow the key this API and this method, or use another key.",
        ErrorCode::ApiDisabled => "Switch the API on.",
        ErrorCode::RateLimited => {
            "The caller should wait as long as Retry-After says. If the limit is too tight, raise it where it comes from."
        }
        ErrorCode::QuotaExceeded => {
            "The quota is used up until its period ends. If it is too small, raise it where it comes from."
        }
        ErrorCode::BudgetExceeded => {
            "The month's budget for these calls is spent. Raise it, or have it not block."
        }
        ErrorCode::ConcurrencyLimited => {
            "Too many calls are under way at once. The caller should send fewer, or the limit be raised where it comes from."
        }
        ErrorCode::InvalidPath => "Send a path that stays below the API's base path.",
        ErrorCode::UpstreamAuthFailed => {
            "The gateway could not sign in at the upstream. Enter the API's upstream credentials again."
        }
        ErrorCode::UpstreamUnreachable => {
            "Nothing answers at the API's base URL. Check the address, and that the gateway may reach it."
        }
        ErrorCode::UpstreamTimeout => {
            "The upstream took longer than the API allows. Raise its timeout, or look at the upstream."
        }
        ErrorCode::RequestInvalid => {
            "The request does not fit the schema of the validation policy: send what it asks for, or change the policy."
        }
        ErrorCode::RequestTransformFailed => {
            "Try the transform on this request with the preview, and mend the policy or the request."
        }
        ErrorCode::ResponseTransformFailed => {
            "Try the transform on the upstream's answer with the preview, and mend the policy."
        }
        ErrorCode::BodyTooLarge => "Send less, or raise the largest body that the API accepts.",
        _ => return None,
    })
}

/// The page on which that is done.
fn place(code: ErrorCode, explanation: &Explanation) -> Option<String> {
    let of_api = || {
        let api = explanation.api.as_ref()?;
        Some(format!("/console/apis/{}", api.id))
    };
    let of_key = || {
        let key = explanation.key.as_ref()?;
        Some(format!("/console/keys/{}", key.id))
    };
    match code {
        ErrorCode::MissingApiKey | ErrorCode::InvalidApiKey => Some("/console/keys".to_owned()),
        ErrorCode::ApiNotFound => Some("/console/apis".to_owned()),
        ErrorCode::ExpiredApiKey | ErrorCode::IpNotAllowed | ErrorCode::KeyNotAllowed => of_key(),
        ErrorCode::ApiDisabled
        | ErrorCode::UpstreamAuthFailed
        | ErrorCode::UpstreamUnreachable
        | ErrorCode::UpstreamTimeout
        | ErrorCode::BodyTooLarge => of_api(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_gateway_says_about_a_call_says_what_to_do() {
        for code in [
            ErrorCode::MissingApiKey,
            ErrorCode::RateLimited,
            ErrorCode::UpstreamUnreachable,
        ] {
            assert!(mend(code).is_some(), "{code:?}");
        }
        assert_eq!(mend(ErrorCode::EmailTaken), None);
    }
}
