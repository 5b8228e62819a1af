//! What one policy, or the limits of one thing, would do to the traffic of late.

use apiverse_contract::configuration::plan::{PLAN_CALLS, TrafficPlan};
use apiverse_contract::configuration::{
    ApiConfiguration, Configuration, KeyConfiguration, PolicyDocuments, RouteConfiguration,
};
use apiverse_contract::limits::LimitPolicy;
use apiverse_contract::policies::{PolicyDocument, PolicyLevel};
use apiverse_contract::{ApiId, KeyId, RouteId, VersionId};
use uuid::Uuid;

use super::super::ConfigurationError;
use super::super::present::{Present, PresentApi};
use crate::actor::Actor;
use crate::fault::Invalid;
use crate::permissions::Permission;
use crate::platform::Platform;

/// What would be attached.
#[derive(Clone, Debug)]
pub enum Draft {
    /// A policy of its kind.
    Policy(Box<PolicyDocument>),
    /// All limits of the thing.
    Limits(LimitPolicy),
}

impl Platform {
    /// Replays recent calls as if `draft` were attached to one thing; see
    /// [`Platform::configuration_plan`]. Nothing changes. `target_id` is the organization's own id
    /// at its level.
    ///
    /// # Errors
    /// See [`ConfigurationError`]; the place is gone, or has none of the kind: `Invalid`.
    pub async fn draft_plan(
        &self,
        actor: &Actor,
        (level, target_id): (PolicyLevel, Uuid),
        draft: Draft,
    ) -> Result<TrafficPlan, ConfigurationError> {
        actor.require(Permission::ApisRead)?;
        actor.require(Permission::KeysRead)?;
        actor.require(Permission::OrganizationRead)?;
        let permit = actor.require(Permission::UsageRead)?;
        match &draft {
            Draft::Policy(document) => {
                self.checked(level, document)?;
            }
            Draft::Limits(limits) => limits.validate().map_err(Invalid)?,
        }
        let present = Present::read(self, permit.organization_id()).await?;
        let mut proposed = present.configuration.clone();
        put(&mut proposed, &present, (level, target_id), draft)?;
        self.replayed(actor, &present, &proposed, PLAN_CALLS, 0)
            .await
    }
}

/// Where something can be attached to in a configuration.
struct Place<'a> {
    policies: &'a mut PolicyDocuments,
    limits: Limits<'a>,
}

enum Limits<'a> {
    Own(&'a mut Option<LimitPolicy>),
    Route(&'a mut LimitPolicy),
    None,
}

fn put(
    configuration: &mut Configuration,
    present: &Present,
    at: (PolicyLevel, Uuid),
    draft: Draft,
) -> Result<(), Invalid> {
    let place = place(configuration, present, at);
    let place = place.ok_or_else(|| Invalid::one("place", "is not there"))?;
    match (draft, place.limits) {
        (Draft::Policy(document), _) => {
            let kind = document.kind();
            let value = serde_json::to_value(&document)
                .map_err(|_| Invalid::one(kind.as_str(), "cannot be planned"))?;
            place.policies.insert(kind, value);
        }
        (Draft::Limits(new), Limits::Own(own)) => *own = Some(new),
        (Draft::Limits(new), Limits::Route(own)) => *own = new,
        (Draft::Limits(_), Limits::None) => {
            return Err(Invalid::one("place", "has no limits of its own"));
        }
    }
    Ok(())
}

fn place<'a>(
    configuration: &'a mut Configuration,
    present: &Present,
    (level, id): (PolicyLevel, Uuid),
) -> Option<Place<'a>> {
    match level {
        PolicyLevel::Organization => Some(Place {
            policies: &mut configuration.policies,
            limits: Limits::Own(&mut configuration.limits),
        }),
        PolicyLevel::Api => {
            let (slug, _) = api_of(present, |api| api.row.id == ApiId(id))?;
            let ApiConfiguration {
                policies, limits, ..
            } = configuration.apis.get_mut(slug)?;
            Some(Place {
                policies,
                limits: Limits::Own(limits),
            })
        }
        PolicyLevel::Version => {
            let is_it = |api: &PresentApi| name_of_version(api, VersionId(id)).is_some();
            let (slug, api) = api_of(present, is_it)?;
            let name = name_of_version(api, VersionId(id))?;
            let own = configuration.apis.get_mut(slug)?;
            // One that says nothing is not in the document.
            let version = own.versions.entry(name.to_owned()).or_default();
            Some(Place {
                policies: &mut version.policies,
                limits: Limits::None,
            })
        }
        PolicyLevel::Route => {
            let is_it = |api: &PresentApi| name_of_route(api, RouteId(id)).is_some();
            let (slug, api) = api_of(present, is_it)?;
            let name = name_of_route(api, RouteId(id))?;
            let RouteConfiguration {
                policies, limits, ..
            } = configuration.apis.get_mut(slug)?.routes.get_mut(name)?;
            Some(Place {
                policies,
                limits: Limits::Route(limits),
            })
        }
        PolicyLevel::Key => {
            let (name, _) = present.keys.iter().find(|(_, key)| **key == KeyId(id))?;
            let own = configuration.keys.entry(name.clone());
            let KeyConfiguration { policies, limits } = own.or_default();
            Some(Place {
                policies,
                limits: Limits::Own(limits),
            })
        }
    }
}

fn api_of(
    present: &Present,
    is_it: impl Fn(&PresentApi) -> bool,
) -> Option<(&String, &PresentApi)> {
    present.apis.iter().find(|(_, api)| is_it(api))
}

fn name_of_version(api: &PresentApi, id: VersionId) -> Option<&str> {
    let mut all = api.versions.iter();
    all.find(|(_, row)| row.id == id)
        .map(|(name, _)| name.as_str())
}

fn name_of_route(api: &PresentApi, id: RouteId) -> Option<&str> {
    let mut all = api.routes.iter();
    all.find(|(_, row)| row.id == id)
        .map(|(name, _)| name.as_str())
}
