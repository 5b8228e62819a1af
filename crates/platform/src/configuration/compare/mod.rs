//! From what is there to what the document says.

mod api;
mod attached;
mod parts;

use apiverse_cluster::Change;
use apiverse_contract::configuration::{
    ConfigurationAction, ConfigurationChange, ConfigurationRequest,
};
use apiverse_contract::policies::PolicyScope;
use apiverse_contract::{FieldError, OrganizationId};
use apiverse_store::{ConfigurationStep, PolicyTarget};
use serde::Serialize;

use super::present::Present;
use crate::actor::Actor;
use crate::fault::{Broken, Invalid};
use crate::platform::Platform;

/// The differences. A step and the change that tells of it have the same place.
pub(super) struct Comparison {
    pub(super) changes: Vec<ConfigurationChange>,
    pub(super) steps: Vec<ConfigurationStep>,
    /// What nodes have to read again.
    pub(super) announce: Vec<Change>,
}

/// Why there is no comparison.
pub(super) enum CompareError {
    Invalid(Invalid),
    Broken(Broken),
}

struct Comparing<'a> {
    platform: &'a Platform,
    actor: &'a Actor,
    organization_id: OrganizationId,
    prune: bool,
    found: Comparison,
    errors: Vec<FieldError>,
}

impl Comparison {
    pub(super) fn new(
        platform: &Platform,
        actor: &Actor,
        present: &Present,
        request: &ConfigurationRequest,
    ) -> Result<Self, CompareError> {
        let mut comparing = Comparing {
            platform,
            actor,
            organization_id: actor.organization_id,
            prune: request.prune,
            found: Self {
                changes: Vec::new(),
                steps: Vec::new(),
                announce: Vec::new(),
            },
            errors: Vec::new(),
        };
        comparing
            .all(present, request)
            .map_err(CompareError::Broken)?;
        if comparing.errors.is_empty() {
            Ok(comparing.found)
        } else {
            Err(CompareError::Invalid(Invalid(comparing.errors)))
        }
    }
}

impl Comparing<'_> {
    fn all(&mut self, present: &Present, request: &ConfigurationRequest) -> Result<(), Broken> {
        let (old, new) = (&present.configuration, &request.configuration);
        let organization = Change::Organization(self.organization_id);
        let (old_limits, new_limits) = (old.limits.as_ref(), new.limits.as_ref());
        let target = PolicyTarget::Organization;
        self.limits("limits", target, old_limits, new_limits, organization);
        let scope = PolicyScope::Organization;
        self.policies(
            "policies",
            scope,
            Some(&old.policies),
            &new.policies,
            organization,
        );

        for (slug, wanted) in &new.apis {
            let path = format!("apis.{slug}");
            match (present.apis.get(slug), old.apis.get(slug)) {
                (Some(rows), Some(shown)) => {
                    self.api_update(&path, slug, rows, shown, wanted)?;
                }
                _ => self.api_create(&path, slug, wanted)?,
            }
        }
        for (name, wanted) in &new.keys {
            let path = format!("keys.{name}");
            let Some(&id) = present.keys.get(name) else {
                let message = "there is no key with this name; create it first";
                self.errors.push(FieldError::new(path, message));
                continue;
            };
            let shown = old.keys.get(name);
            let old_limits = shown.and_then(|shown| shown.limits.as_ref());
            self.key(
                &path,
                id,
                old_limits,
                shown.map(|shown| &shown.policies),
                wanted,
            );
        }
        if !self.prune {
            return Ok(());
        }
        for (name, shown) in &old.keys {
            if let (false, Some(&id)) = (new.keys.contains_key(name), present.keys.get(name)) {
                let (limits, policies) = (shown.limits.as_ref(), Some(&shown.policies));
                self.key(
                    &format!("keys.{name}"),
                    id,
                    limits,
                    policies,
                    &Default::default(),
                );
            }
        }
        for (slug, shown) in &old.apis {
            if let (false, Some(rows)) = (new.apis.contains_key(slug), present.apis.get(slug)) {
                let step = ConfigurationStep::ApiDelete(rows.row.id);
                let path = format!("apis.{slug}");
                self.push(
                    &path,
                    Some(shown),
                    None::<&()>,
                    step,
                    Change::Api(rows.row.id),
                );
            }
        }
        Ok(())
    }

    fn invalid(&mut self, path: &str, errors: Vec<FieldError>) {
        let errors = errors.into_iter().map(|error| FieldError {
            field: format!("{path}.{}", error.field),
            message: error.message,
        });
        self.errors.extend(errors);
    }

    fn push(
        &mut self,
        path: &str,
        before: Option<&impl Serialize>,
        after: Option<&impl Serialize>,
        step: ConfigurationStep,
        change: Change,
    ) {
        let action = match (&before, &after) {
            (None, _) => ConfigurationAction::Create,
            (_, None) => ConfigurationAction::Delete,
            (Some(_), Some(_)) => ConfigurationAction::Update,
        };
        self.found.changes.push(ConfigurationChange {
            action,
            path: path.to_owned(),
            before: serde_json::to_value(before).unwrap_or_default(),
            after: serde_json::to_value(after).unwrap_or_default(),
        });
        self.found.steps.push(step);
        if !self.found.announce.contains(&change) {
            self.found.announce.push(change);
        }
    }
}
