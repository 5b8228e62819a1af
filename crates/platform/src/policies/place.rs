//! What a policy is attached to.

use apiverse_cluster::Change;
use apiverse_contract::OrganizationId;
use apiverse_contract::policies::{PolicyKind, PolicyLevel, PolicyScope};
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
    pub(super) async fn policy_place(
        &self,
        actor: &Actor,
        place: PolicyPlace,
    ) -> Result<Found, TargetError> {
        let organization_id = actor.organization_id;
        let target_id = match (place.level, place.target_id) {
            (PolicyLevel::Organization, None) => organization_id.0,
            (PolicyLevel::Organization, Some(id)) if id != organization_id.0 => {
                return Err(PolicyGone.into());
            }
            (_, Some(id)) => id,
            (_, None) => return Err(PolicyGone.into()),
        };
        let scope = PolicyScope::new(place.level, target_id);
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
