//! Checking keys for services that take them without the gateway.

use apiverse_contract::ErrorCode;
use apiverse_contract::verify::{KeyVerification, MAX_KEY_TEXT, VerifyApiKey};
use apiverse_gateway::{CheckError, CheckedKey, Gateway};
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
    let look_up = |text: &str, now_us: i64| facts(&state.gateway, &request, text, now_us);
    let verified = state.platform.key_verify(&actor, &request, look_up).await?;
    Ok(no_store(Json(verified).into_response()))
}

fn facts(gateway: &Gateway, request: &VerifyApiKey, text: &str, now_us: i64) -> Option<KeyFacts> {
    if text.len() > MAX_KEY_TEXT {
        return None;
    }
    match gateway.check_key(text, now_us) {
        Ok(key) => Some(KeyFacts {
            id: key.id(),
            organization_id: key.organization_id(),
            is_expired: false,
            is_for_call: is_for_call(&key, request),
            is_for_address: key.allows_address(request.address),
        }),
        Err(CheckError::Expired {
            key_id,
            organization_id,
        }) => Some(KeyFacts {
            id: key_id,
            organization_id,
            is_expired: true,
            is_for_call: false,
            is_for_address: false,
        }),
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
