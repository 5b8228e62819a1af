//! Keys that are used from where they never were.

use apiverse_contract::{KeyId, OrganizationId};
use serde_json::json;

use crate::actor::RequestInfo;
use crate::platform::{Event, Platform};

/// Networks of a key that are remembered. One that is used from more, as in an app on phones, is
/// used from anywhere: nobody learns from one place more.
const MOST: i64 = 100;
/// How long a place is remembered that a key is not used from.
const KEPT_US: i64 = 400 * 86_400_000_000;

impl Platform {
    /// Takes note of a network that a key was used from: in the audit log, when the key was used
    /// before and never from there. True then.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn key_used_from(
        &self,
        organization_id: OrganizationId,
        key_id: KeyId,
        network: &str,
    ) -> Result<bool, apiverse_store::StoreError> {
        let now_us = self.now().timestamp_micros();
        let event = Event {
            action: "api_key.used_from_new_place",
            target_type: "api_key",
            target_id: key_id.to_string(),
            details: json!({ "network": network }),
        };
        let who = (None, "system".to_owned());
        let line = self.audit_line(Some(organization_id), who, &RequestInfo::default(), event);
        self.store()
            .key_place_note(key_id, network, now_us, MOST, &line)
            .await
    }

    /// Forgets places that keys were long not used from.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn key_places_forget(&self) -> Result<(), apiverse_store::StoreError> {
        let before_us = self.now().timestamp_micros().saturating_sub(KEPT_US);
        self.store().key_places_forget(before_us).await
    }
}
