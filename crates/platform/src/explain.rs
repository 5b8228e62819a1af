//! Explanations of single calls.

use apiverse_contract::explain::{ExplainRequest, Explanation};

use chrono::{DateTime, Utc};

use crate::actor::Actor;
use crate::fault::{CallGone, Invalid, operation_error};
use crate::permissions::{Permission, Permit};
use crate::platform::Platform;

operation_error! {
    /// Why a call was not explained.
    ExplainError { Forbidden, Invalid, CallGone }
}

/// Longest request id that the gateway takes over.
const MAX_REQUEST_ID: usize = 128;

impl Platform {
    /// How one call of the organization went, by its request id. Kept for every failed call and
    /// a sample of the others, for three days.
    ///
    /// # Errors
    /// See [`ExplainError`].
    pub async fn explanation_get(
        &self,
        actor: &Actor,
        request_id: &str,
    ) -> Result<Explanation, ExplainError> {
        let permit = actor.require(Permission::UsageRead)?;
        if request_id.len() > MAX_REQUEST_ID {
            return Err(CallGone.into());
        }
        let found = self
            .store()
            .explanation_get(permit.organization_id(), request_id)
            .await?;
        Ok(found.ok_or(CallGone)?)
    }

    /// Whether an actor may ask what would happen to a call, and the question makes sense; as of
    /// when it is answered.
    ///
    /// # Errors
    /// See [`ExplainError`].
    pub fn may_explain(
        &self,
        actor: &Actor,
        ask: &ExplainRequest,
    ) -> Result<(Permit, DateTime<Utc>), ExplainError> {
        let permit = actor.require(Permission::KeysRead)?;
        ask.validate().map_err(Invalid)?;
        Ok((permit, self.now()))
    }
}
