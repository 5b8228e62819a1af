//! Purging what the gateway has stored.

use apiverse_cluster::Change;
use apiverse_contract::ApiId;
use apiverse_contract::policies::CachePurge;
use serde_json::json;

use crate::actor::Actor;
use crate::fault::{ApiGone, Invalid, operation_error};
use crate::permissions::Permission;
use crate::platform::{Event, Platform};

operation_error! {
    /// Why stored answers were not forgotten.
    CachePurgeError { Forbidden, Invalid, ApiGone }
}

impl Platform {
    /// Whether stored answers of an API may be forgotten for `actor`.
    ///
    /// # Errors
    /// See [`CachePurgeError`].
    pub async fn may_purge(
        &self,
        actor: &Actor,
        id: ApiId,
        request: &CachePurge,
    ) -> Result<(), CachePurgeError> {
        let permit = actor.require(Permission::ApisWrite)?;
        request.validate().map_err(Invalid)?;
        let api = self.store().api_get(permit.organization_id(), id).await?;
        match api {
            Some(_) => Ok(()),
            None => Err(ApiGone.into()),
        }
    }

    /// Tells every node to forget stored answers of an API, and writes down who wanted that.
    /// `sign` is how nodes tell which; the gateway knows it.
    ///
    /// # Errors
    /// See [`CachePurgeError`].
    pub async fn cache_purge(
        &self,
        actor: &Actor,
        id: ApiId,
        request: &CachePurge,
        sign: u64,
    ) -> Result<(), CachePurgeError> {
        self.may_purge(actor, id, request).await?;
        let audit = self.audit(
            actor,
            Event {
                action: "cache.purged",
                target_type: "api",
                target_id: id.to_string(),
                details: json!({ "purge": request }),
            },
        );
        self.store().audit_insert(&audit).await?;
        self.announce(Change::Purge(sign)).await;
        Ok(())
    }
}
