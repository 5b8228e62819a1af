//! The OAuth tokens that the gateway shows upstreams.

use std::sync::Arc;
use std::time::Instant;

use http::HeaderValue;

use super::refusal::Refusal;
use crate::snapshot::{ApiRecord, AuthPlan};
use crate::worker::Worker;

/// The API's OAuth token, from memory nearly always.
pub(super) async fn bearer_token(
    worker: &Worker,
    api: &Arc<ApiRecord>,
) -> Result<Option<HeaderValue>, Refusal> {
    let (credentials, version) = match &api.auth {
        AuthPlan::Oauth2 {
            credentials,
            version,
        } => (credentials, *version),
        AuthPlan::Unreadable => return Err(Refusal::Credentials),
        AuthPlan::None | AuthPlan::Header { .. } | AuthPlan::Query { .. } => return Ok(None),
    };
    let gateway = &worker.gateway;
    let token = match gateway.tokens.cached(api.id.0, version, Instant::now()) {
        Some(token) => token,
        None => {
            // On the control plane's runtime, which all threads share: the client's connections
            // live where they were made.
            let (gateway, id) = (Arc::clone(gateway), api.id.0);
            let runtime = gateway.runtime.clone();
            let credentials = credentials.clone();
            let fetch = runtime.spawn(async move {
                let now = Instant::now();
                gateway.tokens.token(id, version, &credentials, now).await
            });
            fetch.await.map_err(|_| Refusal::Internal)??
        }
    };
    bearer_value(&token).map(Some)
}

/// A token as it is sent.
pub(crate) fn bearer_value(token: &str) -> Result<HeaderValue, Refusal> {
    let mut value =
        HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| Refusal::Credentials)?;
    value.set_sensitive(true);
    Ok(value)
}

/// The upstream did not take the token: the next call gets a new one.
pub(crate) fn forget_token(worker: &Worker, api: &ApiRecord, sent: &HeaderValue) {
    let token = sent
        .to_str()
        .ok()
        .and_then(|text| text.strip_prefix("Bearer "));
    if let Some(token) = token {
        // Whether another try would help: the caller decides that here, not we.
        let _ = worker
            .gateway
            .tokens
            .reject(api.id.0, token, Instant::now());
    }
}
