//! Documents as they are stored: valid, their secrets encrypted.

use apiverse_contract::policies::{PolicyDocument, PolicyLevel};
use apiverse_contract::{FieldError, OrganizationId};
use serde_json::Value;

use super::PolicyWriteError;
use super::place::Found;
use crate::fault::Invalid;
use crate::platform::Platform;
use crate::policy_secrets::seal_client_key;
use crate::urls;

impl Platform {
    /// The document with its secrets encrypted.
    pub(super) async fn sealed(
        &self,
        found: &Found,
        document: PolicyDocument,
    ) -> Result<PolicyDocument, PolicyWriteError> {
        let (organization_id, scope, kind) = (found.organization_id, found.scope, found.kind);
        let before = match &document {
            PolicyDocument::Upstream(upstream) if upstream.tls.is_some() => self
                .store()
                .attached_get(organization_id, scope, kind)
                .await?
                .and_then(|row| row.document),
            _ => None,
        };
        Ok(self.seal(organization_id, document, before.as_ref())?)
    }

    /// The document with its secrets encrypted. `before`: the one that it replaces.
    pub(crate) fn seal(
        &self,
        organization_id: OrganizationId,
        document: PolicyDocument,
        before: Option<&Value>,
    ) -> Result<PolicyDocument, Invalid> {
        let PolicyDocument::Upstream(mut upstream) = document else {
            return Ok(document);
        };
        let known = before.and_then(|before| before["tls"]["client_key"].as_str());
        seal_client_key(&mut upstream, known, organization_id, &self.inner.vault)
            .map_err(|error| Invalid(vec![error]))?;
        Ok(PolicyDocument::Upstream(upstream))
    }

    /// The document as it is stored.
    pub(crate) fn checked(
        &self,
        level: PolicyLevel,
        document: &PolicyDocument,
    ) -> Result<Value, Invalid> {
        document.validate(level).map_err(Invalid)?;
        let errors = self.check_further(document);
        if !errors.is_empty() {
            return Err(Invalid(errors));
        }
        serde_json::to_value(document)
            .map_err(|_| Invalid::one(document.kind().as_str(), "cannot be kept"))
    }

    /// What the contract cannot judge, as it needs settings or engines.
    fn check_further(&self, document: &PolicyDocument) -> Vec<FieldError> {
        let mut errors = apiverse_transform::check(document)
            .err()
            .unwrap_or_default();
        if let PolicyDocument::Upstream(upstream) = document
            && upstream.enabled
        {
            let config = &self.inner.config;
            for (field, url) in upstream.urls() {
                if let Err(message) = urls::base_url(url, &config.egress, config.sample_enabled) {
                    errors.push(FieldError::new(field, message));
                }
            }
        }
        errors
    }
}
