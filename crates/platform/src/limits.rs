//! Limits: the policies of organizations, APIs and keys, and what they come to for a call.

use apiverse_cluster::Change;
use apiverse_contract::limits::{
    EffectiveLimits, EffectiveQuery, LimitPolicy, PolicyScope, PolicySource, PolicyView, effective,
};
use apiverse_contract::validation::is_token;
use apiverse_contract::{FieldError, OrganizationId};
use apiverse_store::{PolicyRow, PolicyTarget};
use serde_json::json;

use crate::actor::Actor;
use crate::fault::{ApiGone, Invalid, KeyGone, KeyRevoked, MayNotReplace, operation_error};
use crate::permissions::Permission;
use crate::platform::{Event, Platform};
use crate::routes;

operation_error! {
    /// Why a policy was not shown.
    PolicyGetError { Forbidden, ApiGone, KeyGone }
}
operation_error! {
    /// Why a policy was not set.
    PolicyPutError { Forbidden, MayNotReplace, Invalid, ApiGone, KeyGone, KeyRevoked }
}
operation_error! {
    /// Why it was not told which limits a call meets.
    EffectiveError { Forbidden, Invalid, ApiGone, KeyGone }
}

const fn permissions(target: PolicyTarget) -> (Permission, Permission) {
    match target {
        PolicyTarget::Organization => (Permission::OrganizationRead, Permission::OrganizationWrite),
        PolicyTarget::Api(_) => (Permission::ApisRead, Permission::ApisWrite),
        PolicyTarget::Key(_) => (Permission::KeysRead, Permission::KeysWrite),
    }
}

/// Whoever may change an API, route or key may only tighten what holds for the whole
/// organization: a limit that replaces the organization's needs the permission to change that one.
/// What is there already may stay, and may be taken away. `widens`: the policy is about to hold
/// for other calls than before.
///
/// # Errors
/// When the actor may not.
pub(crate) fn check_replacing(
    actor: &Actor,
    old: &LimitPolicy,
    new: &LimitPolicy,
    widens: bool,
) -> Result<(), MayNotReplace> {
    let mut added = new
        .replacing()
        .filter(|limit| widens || !old.replacing().any(|known| known == *limit));
    if added.next().is_some() && actor.require(Permission::OrganizationWrite).is_err() {
        return Err(MayNotReplace);
    }
    Ok(())
}

/// There is nothing above an organization.
fn check_organization(policy: &LimitPolicy) -> Result<(), Invalid> {
    let rates = policy.rate_limits.iter().map(|l| l.replaces_organization);
    let quotas = policy.quotas.iter().map(|q| q.replaces_organization);
    let wrong = |list: &'static str| {
        move |(at, replaces): (usize, bool)| {
            let field = format!("{list}.{at}.replaces_organization");
            replaces.then(|| FieldError::new(&field, "is for limits of APIs, routes and keys"))
        }
    };
    let errors: Vec<FieldError> = (rates.enumerate().filter_map(wrong("rate_limits")))
        .chain(quotas.enumerate().filter_map(wrong("quotas")))
        .collect();
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Invalid(errors))
    }
}

impl Platform {
    /// The limits of the actor's organization, or of an API or key of it.
    ///
    /// # Errors
    /// See [`PolicyGetError`].
    pub async fn limits_get(
        &self,
        actor: &Actor,
        target: PolicyTarget,
    ) -> Result<PolicyView, PolicyGetError> {
        let organization_id = actor.require(permissions(target).0)?.organization_id();
        match target {
            PolicyTarget::Organization => {}
            PolicyTarget::Api(id) => {
                let found = self.store().api_get(organization_id, id).await?;
                found.ok_or(ApiGone)?;
            }
            PolicyTarget::Key(id) => {
                let found = self.store().key_get(organization_id, id).await?;
                found.ok_or(KeyGone)?;
            }
        }
        let row = self.store().policy_get(organization_id, target).await?;
        Ok(row.map_or_else(
            || PolicyView {
                policy: LimitPolicy::default(),
                updated_at: None,
            },
            view,
        ))
    }

    /// Sets the limits of the actor's organization, or of an API or key of it, as a whole. They
    /// hold from the next call on. Only who may change the organization's may let others hold in
    /// their place.
    ///
    /// # Errors
    /// See [`PolicyPutError`].
    pub async fn limits_put(
        &self,
        actor: &Actor,
        target: PolicyTarget,
        policy: LimitPolicy,
    ) -> Result<PolicyView, PolicyPutError> {
        let organization_id = actor.require(permissions(target).1)?.organization_id();
        policy.validate().map_err(Invalid)?;
        if target == PolicyTarget::Organization {
            check_organization(&policy)?;
        }
        let (target_type, target_id, change) = match target {
            PolicyTarget::Organization => (
                "organization",
                organization_id.to_string(),
                Change::Organization(organization_id),
            ),
            PolicyTarget::Api(id) => ("api", id.to_string(), Change::Api(id)),
            PolicyTarget::Key(id) => {
                let found = self.store().key_get(organization_id, id).await?;
                if found.ok_or(KeyGone)?.revoked_at.is_some() {
                    return Err(KeyRevoked.into());
                }
                ("api_key", id.to_string(), Change::Key(id))
            }
        };
        let before = self.store().policy_get(organization_id, target).await?;
        let before = before.map(|row| row.document).unwrap_or_default();
        check_replacing(actor, &before, &policy, false)?;
        let row = PolicyRow {
            document: policy,
            updated_at: self.now(),
        };
        let line = self.audit(
            actor,
            Event {
                action: "limits.updated",
                target_type,
                target_id,
                details: json!({ "before": before, "after": row.document }),
            },
        );
        if !self
            .store()
            .policy_put(organization_id, target, &row, &line)
            .await?
        {
            return Err(match target {
                PolicyTarget::Key(_) => KeyGone.into(),
                PolicyTarget::Organization | PolicyTarget::Api(_) => ApiGone.into(),
            });
        }
        self.announce(change).await;
        Ok(view(row))
    }

    /// The limits that a call would meet, and where each comes from.
    ///
    /// # Errors
    /// See [`EffectiveError`].
    pub async fn limits_effective(
        &self,
        actor: &Actor,
        query: EffectiveQuery,
    ) -> Result<EffectiveLimits, EffectiveError> {
        let organization_id = actor.require(Permission::ApisRead)?.organization_id();
        actor.require(Permission::KeysRead)?;
        check(&query)?;
        let store = self.store();
        let api = match query.api_id {
            Some(id) => Some(store.api_get(organization_id, id).await?.ok_or(ApiGone)?),
            None => None,
        };
        let key = match query.key_id {
            Some(id) => Some(store.key_get(organization_id, id).await?.ok_or(KeyGone)?),
            None => None,
        };
        let route = match (&api, &query.path) {
            (Some(api), Some(path)) => {
                let method = query.method.as_deref().unwrap_or("GET");
                let path = path.split(['?', '#']).next().unwrap_or_default();
                self.route_of(organization_id, api.id, method, path).await?
            }
            _ => None,
        };
        let organization = store.organization_get(organization_id).await?;
        let organization_name = organization.map(|row| row.name).unwrap_or_default();

        let organization_policy = self
            .policy(organization_id, Some(PolicyTarget::Organization))
            .await?;
        let api_target = api.as_ref().map(|api| PolicyTarget::Api(api.id));
        let api_policy = self.policy(organization_id, api_target).await?;
        let key_target = key.as_ref().map(|key| PolicyTarget::Key(key.id));
        let key_policy = self.policy(organization_id, key_target).await?;

        let mut sources = vec![PolicySource {
            scope: PolicyScope::Organization,
            target_id: organization_id.0,
            target_name: &organization_name,
            policy: &organization_policy,
        }];
        if let Some(api) = &api {
            sources.push(PolicySource {
                scope: PolicyScope::Api,
                target_id: api.id.0,
                target_name: &api.name,
                policy: &api_policy,
            });
        }
        if let Some(route) = &route {
            sources.push(PolicySource {
                scope: PolicyScope::Route,
                target_id: route.id.0,
                target_name: &route.name,
                policy: &route.policy,
            });
        }
        if let Some(key) = &key {
            sources.push(PolicySource {
                scope: PolicyScope::Key,
                target_id: key.id.0,
                target_name: &key.name,
                policy: &key_policy,
            });
        }
        let limits = effective(&sources);
        Ok(EffectiveLimits {
            route: route.map(routes::view),
            limits,
        })
    }

    async fn policy(
        &self,
        organization_id: OrganizationId,
        target: Option<PolicyTarget>,
    ) -> Result<LimitPolicy, EffectiveError> {
        let Some(target) = target else {
            return Ok(LimitPolicy::default());
        };
        let row = self.store().policy_get(organization_id, target).await?;
        Ok(row.map(|row| row.document).unwrap_or_default())
    }
}

fn check(query: &EffectiveQuery) -> Result<(), Invalid> {
    let mut errors = Vec::new();
    if query
        .method
        .as_deref()
        .is_some_and(|method| !is_token(method))
    {
        errors.push(FieldError::new("method", "must be an HTTP method"));
    }
    if query.path.is_some() && query.api_id.is_none() {
        errors.push(FieldError::new("api_id", "is required with `path`"));
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Invalid(errors))
    }
}

fn view(row: PolicyRow) -> PolicyView {
    PolicyView {
        policy: row.document,
        updated_at: Some(row.updated_at),
    }
}
