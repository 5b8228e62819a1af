//! What a policy is attached to.

use apiverse_cluster::Change;
use apiverse_contract::policies::{PolicyKind, PolicyLevel, PolicyScope};
use apiverse_contract::{ApiId, OrganizationId};
use apiverse_store::TargetRow;
use uuid::Uuid;

use super::{PolicyHistoryError, PolicyReadError, PolicyWriteError};
use crate::actor::Actor;
use crate::fault::{ApiGone, KeyGone, PolicyGone, RouteGone, VersionGone, operation_error};
use crate::permissions::Permission;
use crate::platform::Platform;

operation_error! {
    /// Why there is nothing to attach a policy to.
    TargetError { PolicyGone, ApiGone, VersionGone, RouteGone, KeyGone }
}

/// Where a policy is, or would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyPlace {
    pub level: PolicyLevel,
    /// `None`: the actor's organization.
    pub target_id: Option<Uuid>,
    pub kind: PolicyKind,
}

pub(super) const fn permissions(level: PolicyLevel) -> (Permission, Permission) {
    match level {
        PolicyLevel::Organization => (Permission::OrganizationRead, Permission::OrganizationWrite),
        PolicyLevel::Api | PolicyLevel::Version | PolicyLevel::Route => {
            (Permission::ApisRead, Permission::ApisWrite)
        }
        PolicyLevel::Key => (Permission::KeysRead, Permission::KeysWrite),
    }
}

/// What policies are attached to, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceFound {
    pub level: PolicyLevel,
    pub id: Uuid,
    pub name: String,
    /// The API that a version or route is of.
    pub api: Option<(ApiId, String)>,
}

/// A place that was found in an organization.
pub(super) struct Found {
    pub(super) organization_id: OrganizationId,
    pub(super) scope: PolicyScope,
    pub(super) kind: PolicyKind,
    pub(super) target: TargetRow,
}

impl Found {
    pub(super) fn change(&self) -> Change {
        match (self.scope, self.target.api_id) {
            (PolicyScope::Key(id), _) => Change::Key(id),
            (_, Some(api_id)) => Change::Api(api_id),
            (_, None) => Change::Organization(self.organization_id),
        }
    }
}

impl Platform {
    /// Finds what policies are attached to. Without an id it is the actor's organization.
    ///
    /// # Errors
    /// See [`PolicyReadError`].
    pub async fn policy_place_found(
        &self,
        actor: &Actor,
        level: PolicyLevel,
        target_id: Option<Uuid>,
    ) -> Result<PlaceFound, PolicyReadError> {
        let organization_id = actor.require(permissions(level).0)?.organization_id();
        let scope = scope_of(organization_id, level, target_id)?;
        let target = self.policy_target(organization_id, scope).await?;
        let api = match (level, target.api_id) {
            (PolicyLevel::Version | PolicyLevel::Route, Some(api_id)) => {
                let scope = PolicyScope::Api(api_id);
                let api = self.policy_target(organization_id, scope).await?;
                Some((api_id, api.name))
            }
            _ => None,
        };
        Ok(PlaceFound {
            level,
            id: scope.target_id(organization_id),
            name: target.name,
            api,
        })
    }

    pub(super) async fn policy_place(
        &self,
        actor: &Actor,
        place: PolicyPlace,
    ) -> Result<Found, TargetError> {
        let organization_id = actor.organization_id;
        let scope = scope_of(organization_id, place.level, place.target_id)?;
        let target = self.policy_target(organization_id, scope).await?;
        Ok(Found {
            organization_id,
            scope,
            kind: place.kind,
            target,
        })
    }

    pub(super) async fn policy_target(
        &self,
        organization_id: OrganizationId,
        scope: PolicyScope,
    ) -> Result<TargetRow, TargetError> {
        let found = self.store().attached_target(organization_id, scope).await?;
        found.ok_or(match scope.level() {
            PolicyLevel::Organization => PolicyGone.into(),
            PolicyLevel::Api => ApiGone.into(),
            PolicyLevel::Version => VersionGone.into(),
            PolicyLevel::Route => RouteGone.into(),
            PolicyLevel::Key => KeyGone.into(),
        })
    }
}

/// Without an id it is the organization; a foreign one has no policies here.
fn scope_of(
    organization_id: OrganizationId,
    level: PolicyLevel,
    target_id: Option<Uuid>,
) -> Result<PolicyScope, PolicyGone> {
    let id = match (level, target_id) {
        (PolicyLevel::Organization, None) => organization_id.0,
        (PolicyLevel::Organization, Some(id)) if id != organization_id.0 => return Err(PolicyGone),
        (_, Some(id)) => id,
        (_, None) => return Err(PolicyGone),
    };
    Ok(PolicyScope::new(level, id))
}

macro_rules! from_target_error {
    ($($name:ident)*) => {$(
        impl From<TargetError> for $name {
            fn from(error: TargetError) -> Self {
                match error {
                    TargetError::PolicyGone(kind) => kind.into(),
                    TargetError::ApiGone(kind) => kind.into(),
                    TargetError::VersionGone(kind) => kind.into(),
                    TargetError::RouteGone(kind) => kind.into(),
                    TargetError::KeyGone(kind) => kind.into(),
                    TargetError::Store(fault) => Self::Store(fault),
                }
            }
        }
    )*};
}

from_target_error!(PolicyReadError PolicyHistoryError PolicyWriteError);
