//! What policies come to for a call.

use apiverse_contract::FieldError;
use apiverse_contract::policies::{
    AttachedPolicy, EffectivePolicies, EffectivePoliciesQuery, EffectivePolicy, PolicyKind,
    PolicyLevel, PolicyOrigin, PolicyScope,
};
use apiverse_contract::validation::is_token;
use apiverse_store::PolicyFilter;
use serde_json::Value;

use super::place::TargetError;
use super::view;
use crate::actor::Actor;
use crate::fault::{ApiGone, Invalid, StoreFault, operation_error};
use crate::permissions::Permission;
use crate::platform::Platform;

operation_error! {
    /// Why it was not told which policies a call meets.
    EffectivePoliciesError { Forbidden, Invalid, ApiGone, VersionGone, RouteGone, KeyGone }
}

impl Platform {
    /// What holds for a call, of each kind, and where it comes from.
    ///
    /// # Errors
    /// See [`EffectivePoliciesError`].
    pub async fn policies_effective(
        &self,
        actor: &Actor,
        query: EffectivePoliciesQuery,
    ) -> Result<EffectivePolicies, EffectivePoliciesError> {
        let organization_id = actor.require(Permission::ApisRead)?.organization_id();
        actor.require(Permission::KeysRead)?;
        check(&query)?;
        // From the farthest to the nearest.
        let mut scopes = vec![PolicyScope::Organization];
        if let Some(id) = query.api_id {
            scopes.push(PolicyScope::Api(id));
        }
        if let Some(id) = query.version_id {
            scopes.push(PolicyScope::Version(id));
        }
        if let Some(id) = query.route_id {
            scopes.push(PolicyScope::Route(id));
        } else if let (Some(api_id), Some(path)) = (query.api_id, &query.path) {
            let method = query.method.as_deref().unwrap_or("GET");
            let path = path.split(['?', '#']).next().unwrap_or_default();
            let route = self.route_of(organization_id, api_id, method, path).await?;
            scopes.extend(route.map(|route| PolicyScope::Route(route.id)));
        }
        if let Some(id) = query.key_id {
            scopes.push(PolicyScope::Key(id));
        }

        let mut answer = EffectivePolicies {
            version: None,
            route: None,
            policies: Vec::new(),
        };
        for scope in scopes {
            let target = self.policy_target(organization_id, scope).await?;
            if target.api_id.is_some() && target.api_id != query.api_id {
                return Err(ApiGone.into());
            }
            let name = target.name;
            let filter = PolicyFilter {
                level: Some(scope.level()),
                target_id: Some(scope.target_id(organization_id)),
                ..PolicyFilter::default()
            };
            let most = u32::try_from(PolicyKind::ALL.len()).unwrap_or(u32::MAX);
            let rows = self
                .store()
                .attached_list(organization_id, filter, None, most)
                .await?;
            for policy in rows.into_iter().filter_map(view) {
                add(&mut answer.policies, policy, &name);
            }
            match scope.level() {
                PolicyLevel::Version => answer.version = Some(name),
                PolicyLevel::Route => answer.route = Some(name),
                PolicyLevel::Organization | PolicyLevel::Api | PolicyLevel::Key => {}
            }
        }
        answer.policies.sort_by_key(|policy| policy.kind);
        Ok(answer)
    }
}

/// A nearer policy takes the place of the one that was there.
fn add(policies: &mut Vec<EffectivePolicy>, policy: AttachedPolicy, name: &str) {
    let from = PolicyOrigin {
        level: policy.level,
        target_id: policy.target_id,
        target_name: name.to_owned(),
        version: policy.version,
    };
    let enabled = policy.document.get("enabled") != Some(&Value::Bool(false));
    let farther = policies.iter().position(|other| other.kind == policy.kind);
    let mut overrides = Vec::new();
    if let Some(at) = farther {
        let other = policies.remove(at);
        overrides.push(other.from);
        overrides.extend(other.overrides);
    }
    policies.push(EffectivePolicy {
        kind: policy.kind,
        enabled,
        document: policy.document,
        from,
        overrides,
    });
}

fn check(query: &EffectivePoliciesQuery) -> Result<(), Invalid> {
    let mut errors = Vec::new();
    let method = query.method.as_deref();
    if method.is_some_and(|method| !is_token(method)) {
        errors.push(FieldError::new("method", "must be an HTTP method"));
    }
    let of_api = query.path.is_some() || query.version_id.is_some() || query.route_id.is_some();
    if of_api && query.api_id.is_none() {
        let message = "is required with `path`, `version_id` and `route_id`";
        errors.push(FieldError::new("api_id", message));
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Invalid(errors))
    }
}

impl From<TargetError> for EffectivePoliciesError {
    fn from(error: TargetError) -> Self {
        match error {
            // The organization of a signed-in actor is there.
            TargetError::PolicyGone(_) | TargetError::ApiGone(_) => ApiGone.into(),
            TargetError::VersionGone(kind) => kind.into(),
            TargetError::RouteGone(kind) => kind.into(),
            TargetError::KeyGone(kind) => kind.into(),
            TargetError::Store(StoreFault(error)) => error.into(),
        }
    }
}
