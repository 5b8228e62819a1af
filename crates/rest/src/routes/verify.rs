//! Checking keys for services that take them without the gateway.

use std::time::Instant;

use apiverse_contract::ErrorCode;
use apiverse_contract::verify::{KeyVerification, MAX_KEY_TEXT, VerifyApiKey, VerifyCode};
use apiverse_gateway::{CheckError, CheckOutcome, CheckedCall, CheckedKey, CheckedLimits, Gateway};
use apiverse_platform::KeyFacts;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::no_store;
use crate::openapi::problems::{BODY, CHANGE, SIGNED_IN, problems};
use crate::{ApiJson, ApiProblem, Authenticated, RestState};

problems!(VerifyProblems: SIGNED_IN, CHANGE, BODY, &[ErrorCode::ApiNotFound]);

/// Verify an API key
///
/// For services that take keys themselves: whether the text is a key of the organization that may
/// do what is asked. The answer is 200 whatever the verdict; `code` tells why not. A key of another
/// organization is `invalid_api_key`, as one that does not exist, and nothing more is told of it.
///
/// It counts as `cost` calls against every limit that a call through the gateway would meet:
/// those of the organization and the key, and with `api_id` (and `method` and `path`) those of the
/// API (and its route). Of calls at once none is counted. A refusal counts nothing.
///
/// It leaves a line in the usage, where `kind=verification` finds it; a `cost` of 0 leaves none.
#[utoipa::path(
    post, path = "/api-keys/verify", operation_id = "verify_api_key", tag = "keys",
    request_body = VerifyApiKey,
    responses((status = 200, description = "The verdict", body = KeyVerification), VerifyProblems),
)]
pub async fn verify(
    State(state): State<RestState>,
    Authenticated(actor): Authenticated,
    ApiJson(request): ApiJson<VerifyApiKey>,
) -> Result<Response, ApiProblem> {
    if request.key.len() <= MAX_KEY_TEXT {
        state.gateway.ready_key(&request.key).await;
    }
    let began = Instant::now();
    let mut began_us = 0;
    let mut found = None;
    let look_up = |text: &str, now_us: i64| {
        began_us = now_us;
        let (facts, key) = facts(&state.gateway, &request, text, now_us)?;
        found = key.map(|key| (key, now_us));
        Some(facts)
    };
    let mut verified = state.platform.key_verify(&actor, &request, look_up).await?;
    let call = CheckedCall {
        api_id: request.api_id,
        method: request.method.as_deref(),
        path: request.path.as_deref().map(without_query),
        address: request.address,
        cost: request.cost.unwrap_or(1),
    };
    if verified.valid
        && let Some((key, now_us)) = found
    {
        let limits = state.gateway.take_limits(&key, &call, now_us).await;
        add_limits(&mut verified, limits);
    }
    if let Some(key) = &verified.key {
        state.gateway.record_check(&CheckOutcome {
            organization_id: actor.organization_id,
            key_id: key.key_id,
            call,
            refused: refusal(verified.code),
            request_id: &actor.request.request_id,
            began,
            began_us,
        });
    }
    Ok(no_store(Json(verified).into_response()))
}

/// What the gateway would have answered to such a call.
const fn refusal(code: VerifyCode) -> Option<ErrorCode> {
    match code {
        VerifyCode::Valid => None,
        VerifyCode::InvalidApiKey => Some(ErrorCode::InvalidApiKey),
        VerifyCode::ExpiredApiKey => Some(ErrorCode::ExpiredApiKey),
        VerifyCode::KeyNotAllowed | VerifyCode::InsufficientPermissions => {
            Some(ErrorCode::KeyNotAllowed)
        }
        VerifyCode::IpNotAllowed => Some(ErrorCode::IpNotAllowed),
        VerifyCode::ApiDisabled => Some(ErrorCode::ApiDisabled),
        VerifyCode::RateLimited => Some(ErrorCode::RateLimited),
        VerifyCode::QuotaExceeded => Some(ErrorCode::QuotaExceeded),
    }
}

fn without_query(path: &str) -> &str {
    path.split(['?', '#']).next().unwrap_or_default()
}

fn add_limits(verified: &mut KeyVerification, limits: CheckedLimits) {
    if let Some(code) = limits.refused {
        verified.valid = false;
        verified.code = match code {
            ErrorCode::QuotaExceeded => VerifyCode::QuotaExceeded,
            _ => VerifyCode::RateLimited,
        };
    }
    if let Some(key) = &mut verified.key {
        let tightest = limits.tightest.and_then(|at| limits.states.get(at));
        key.remaining = tightest.map(|state| state.remaining);
        key.ratelimit = tightest.cloned();
        key.ratelimits = limits.states;
    }
}

/// What the platform asks of the key, and the key itself when it may be used.
fn facts(
    gateway: &Gateway,
    request: &VerifyApiKey,
    text: &str,
    now_us: i64,
) -> Option<(KeyFacts, Option<CheckedKey>)> {
    if text.len() > MAX_KEY_TEXT {
        return None;
    }
    match gateway.check_key(text, now_us) {
        Ok(key) => {
            let facts = KeyFacts {
                id: key.id(),
                organization_id: key.organization_id(),
                is_expired: false,
                is_for_call: is_for_call(&key, request),
                is_for_address: key.allows_address(request.address),
            };
            Some((facts, Some(key)))
        }
        Err(CheckError::Expired {
            key_id,
            organization_id,
        }) => {
            let facts = KeyFacts {
                id: key_id,
                organization_id,
                is_expired: true,
                is_for_call: false,
                is_for_address: false,
            };
            Some((facts, None))
        }
        Err(CheckError::Invalid) => None,
    }
}

/// What is not asked about is not restricted.
fn is_for_call(key: &CheckedKey, request: &VerifyApiKey) -> bool {
    request.api_id.is_none_or(|id| key.allows_api(id))
        && request
            .method
            .as_deref()
            .is_none_or(|method| key.allows_method(method))
}
