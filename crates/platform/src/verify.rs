//! Checking keys for services that take them without the gateway.

use apiverse_contract::keys::Environment;
use apiverse_contract::verify::{KeyVerification, VerifiedKey, VerifyApiKey, VerifyCode};
use apiverse_contract::{KeyId, OrganizationId};
use apiverse_store::{ApiKeyRow, ApiRow, StoreError};
use chrono::{DateTime, Duration, Utc};

use crate::actor::Actor;
use crate::fault::{ApiGone, Invalid, operation_error};
use crate::permissions::Permission;
use crate::platform::Platform;

operation_error! {
    /// Why a key was not verified.
    KeyVerifyError { Forbidden, Invalid, ApiGone }
}

/// What the gateway knows of a key's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyFacts {
    pub id: KeyId,
    pub organization_id: OrganizationId,
    /// Its time is over, or this text's after a rotation.
    pub is_expired: bool,
    /// It is for the API and the method that are asked about.
    pub is_for_call: bool,
    pub is_for_address: bool,
}

impl Platform {
    /// Tells whether a key may do what is asked, apart from its limits. `look_up` is the
    /// gateway's: it gets the key's text and the time in microseconds since 1970.
    ///
    /// A key of another organization is answered as one that does not exist.
    ///
    /// # Errors
    /// See [`KeyVerifyError`].
    pub async fn key_verify(
        &self,
        actor: &Actor,
        input: &VerifyApiKey,
        look_up: impl FnOnce(&str, i64) -> Option<KeyFacts> + Send,
    ) -> Result<KeyVerification, KeyVerifyError> {
        let permit = actor.require(Permission::KeysVerify)?;
        let organization_id = permit.organization_id();
        input.validate().map_err(Invalid)?;
        let api = match input.api_id {
            Some(id) => {
                let found = self.store().api_get(organization_id, id).await?;
                Some(found.ok_or(ApiGone)?)
            }
            None => None,
        };
        let now = self.now();
        let facts = look_up(&input.key, now.timestamp_micros())
            .filter(|facts| facts.organization_id == organization_id);
        let Some(facts) = facts else {
            return Ok(KeyVerification::invalid());
        };
        // The row is at least as new as what the gateway has.
        let row = self.store().key_get(organization_id, facts.id).await?;
        let Some(row) = row.filter(|row| row.revoked_at.is_none()) else {
            return Ok(KeyVerification::invalid());
        };
        let code = verdict(input, &facts, &row, api.as_ref(), now);
        if code == VerifyCode::Valid {
            self.note_use(&row, now).await?;
        }
        Ok(KeyVerification {
            valid: code == VerifyCode::Valid,
            code,
            key: Some(VerifiedKey {
                key_id: row.id,
                name: row.name,
                environment: Environment::parse(&row.environment).unwrap_or_default(),
                scopes: row.scopes,
                expires_at: row.expires_at,
                remaining: None,
                ratelimit: None,
                ratelimits: Vec::new(),
            }),
        })
    }

    /// At most once a minute, as exact as `last_used_at` is.
    async fn note_use(&self, row: &ApiKeyRow, now: DateTime<Utc>) -> Result<(), StoreError> {
        let is_fresh = |at: DateTime<Utc>| now - at < Duration::seconds(60);
        if row.last_used_at.is_some_and(is_fresh) {
            return Ok(());
        }
        self.store().keys_touch(&[(row.id, now)]).await
    }
}

fn verdict(
    input: &VerifyApiKey,
    facts: &KeyFacts,
    row: &ApiKeyRow,
    api: Option<&ApiRow>,
    now: DateTime<Utc>,
) -> VerifyCode {
    if facts.is_expired || row.expires_at.is_some_and(|at| at <= now) {
        return VerifyCode::ExpiredApiKey;
    }
    if !facts.is_for_address {
        return VerifyCode::IpNotAllowed;
    }
    if !facts.is_for_call {
        return VerifyCode::KeyNotAllowed;
    }
    if let Some(needed) = &input.permissions
        && !needed.are_met_by(&row.scopes)
    {
        return VerifyCode::InsufficientPermissions;
    }
    if api.is_some_and(|api| !api.is_active) {
        return VerifyCode::ApiDisabled;
    }
    VerifyCode::Valid
}
