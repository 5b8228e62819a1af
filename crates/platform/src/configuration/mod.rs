//! The whole configuration as one document: written, compared, and made so.

mod compare;
mod plan;
mod present;

use apiverse_contract::configuration::{
    CONFIGURATION_FORM, Configuration, ConfigurationDiff, ConfigurationRequest,
};
use apiverse_store::{Applied, Conflict, StoreError};
use serde_json::json;

use crate::actor::Actor;
use crate::fault::{Invalid, KeptChanging, SlugInUse, operation_error};
use crate::permissions::Permission;
use crate::platform::{Event, Platform};
use compare::{CompareError, Comparison};
pub use plan::Draft;
use present::Present;

operation_error! {
    /// Why the configuration was not written down, compared or made so.
    ConfigurationError { Forbidden, Invalid, SlugInUse, KeptChanging, Broken }
}

/// How often the comparison is made anew when something changes meanwhile.
const TRIES: usize = 5;

impl Platform {
    /// The organization's configuration, without secrets.
    ///
    /// # Errors
    /// See [`ConfigurationError`].
    pub async fn configuration_export(
        &self,
        actor: &Actor,
    ) -> Result<Configuration, ConfigurationError> {
        actor.require(Permission::ApisRead)?;
        actor.require(Permission::KeysRead)?;
        let permit = actor.require(Permission::OrganizationRead)?;
        let present = Present::read(self, permit.organization_id()).await?;
        Ok(present.configuration)
    }

    /// What would change; nothing does.
    ///
    /// # Errors
    /// See [`ConfigurationError`].
    pub async fn configuration_diff(
        &self,
        actor: &Actor,
        request: ConfigurationRequest,
    ) -> Result<ConfigurationDiff, ConfigurationError> {
        let comparison = self.compare(actor, &request).await?.1;
        Ok(ConfigurationDiff {
            changes: comparison.changes,
        })
    }

    /// Makes the configuration as the document says, all of it or nothing, and tells what that
    /// changed. The same document again changes nothing.
    ///
    /// # Errors
    /// See [`ConfigurationError`]; `KeptChanging` when others did so at each try.
    pub async fn configuration_apply(
        &self,
        actor: &Actor,
        request: ConfigurationRequest,
    ) -> Result<ConfigurationDiff, ConfigurationError> {
        for _ in 0..TRIES {
            let (present, comparison) = self.compare(actor, &request).await?;
            let changes = comparison.changes;
            if comparison.steps.is_empty() {
                return Ok(ConfigurationDiff { changes });
            }
            let event = Event {
                action: "configuration.applied",
                target_type: "organization",
                target_id: actor.organization_id.to_string(),
                details: json!({ "prune": request.prune, "changes": changes }),
            };
            let line = self.audit(actor, event);
            let announced = i64::try_from(comparison.announce.len()).unwrap_or(i64::MAX);
            let applied = self.store().configuration_apply(
                actor.organization_id,
                (present.fingerprint, announced),
                &comparison.steps,
                &line,
                (self.now(), &actor.name),
            );
            match applied.await {
                Ok(Applied::All) => {
                    for change in comparison.announce {
                        self.announce(change).await;
                    }
                    return Ok(ConfigurationDiff { changes });
                }
                Ok(Applied::Changed) => {}
                Ok(Applied::Refused(step)) => {
                    let path = changes
                        .get(step)
                        .map_or("configuration", |change| &change.path);
                    let message = "cannot be made so: there are too many, or it is gone";
                    return Err(Invalid::one(path, message).into());
                }
                Err(StoreError::Conflict(Conflict::ApiSlug)) => return Err(SlugInUse.into()),
                Err(error) => return Err(error.into()),
            }
        }
        Err(KeptChanging.into())
    }

    async fn compare(
        &self,
        actor: &Actor,
        request: &ConfigurationRequest,
    ) -> Result<(Present, Comparison), ConfigurationError> {
        let permit = actor.require(Permission::OrganizationWrite)?;
        actor.require(Permission::ApisWrite)?;
        actor.require(Permission::KeysWrite)?;
        if request.configuration.apiverse != CONFIGURATION_FORM {
            return Err(Invalid::one("configuration.apiverse", "must be 1").into());
        }
        let present = Present::read(self, permit.organization_id()).await?;
        let comparison = Comparison::new(self, actor, &present, request)?;
        Ok((present, comparison))
    }
}

impl From<CompareError> for ConfigurationError {
    fn from(error: CompareError) -> Self {
        match error {
            CompareError::Invalid(kind) => kind.into(),
            CompareError::Broken(kind) => kind.into(),
        }
    }
}
