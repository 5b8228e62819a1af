//! The states of all targets of the process.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use apiverse_contract::policies::PolicyLevel;
use apiverse_contract::{ApiId, OrganizationId, VersionId};
use parking_lot::RwLock;
use uuid::Uuid;

use super::compile::Upstreaming;
use super::state::State;
use super::upkeep;
use crate::Gateway;
use crate::snapshot::{ApiRecord, Plan, Target};

/// The clock that states go by, in milliseconds since the process began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn now_ms(self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

type Key = (ApiId, PolicyLevel, Uuid, Option<VersionId>);

/// Where calls go that no policy names a target for.
#[derive(Clone, Copy)]
pub(crate) struct Own<'a> {
    pub(crate) target: Option<&'a Target>,
    /// The version that has it; `None`: the API.
    pub(crate) version: Option<VersionId>,
}

/// States, by API and by what the policy is attached to: what is known outlives a change of the
/// configuration.
pub(crate) struct Registry {
    clock: Clock,
    states: RwLock<HashMap<Key, Arc<State>>>,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            clock: Clock(Instant::now()),
            states: RwLock::default(),
        }
    }
}

impl Registry {
    /// The state of a policy at an API; `None`: there is no target.
    pub(crate) fn state(
        gateway: &Arc<Gateway>,
        api: &Arc<ApiRecord>,
        own: Own<'_>,
        compiled: &Arc<Upstreaming>,
    ) -> Option<Arc<State>> {
        let registry = &gateway.targets;
        let place = compiled.place;
        // Targets that the policy names are the same for all versions.
        let version = own.version.filter(|_| compiled.names_none());
        let key = (api.id, place.level, place.target_id, version);
        if let Some(state) = registry.states.read().get(&key)
            && state.is_of(api, compiled)
        {
            return Some(Arc::clone(state));
        }
        let mut states = registry.states.write();
        let before = states.get(&key);
        if let Some(state) = before
            && state.is_of(api, compiled)
        {
            return Some(Arc::clone(state));
        }
        let state = State::new(
            api,
            own,
            version,
            compiled,
            before.map(Arc::as_ref),
            registry.clock,
        )?;
        let state = Arc::new(state);
        states.insert(key, Arc::clone(&state));
        drop(states);
        upkeep::start(gateway, &state, compiled);
        Some(state)
    }

    /// The policy that holds for an API's calls, as far as it does not depend on route and key.
    pub(super) fn policy_of(
        gateway: &Gateway,
        organization_id: OrganizationId,
        api_id: ApiId,
    ) -> Option<(Arc<ApiRecord>, Arc<Upstreaming>)> {
        let snapshot = gateway.loader.current();
        let api = snapshot.api_by_id(organization_id, api_id)?;
        let organization = snapshot.organization(organization_id);
        let layers = [
            api.policies.as_deref(),
            organization.and_then(|organization| organization.policies.as_deref()),
        ];
        let layers: Vec<_> = layers.into_iter().flatten().collect();
        Some((Arc::clone(api), Plan::of(&layers).upstream?))
    }

    /// Forgets a state whose policy or API is gone.
    pub(super) fn forget(&self, state: &Arc<State>) {
        let place = state.place;
        let key = (state.api_id, place.level, place.target_id, state.version);
        let mut states = self.states.write();
        if states
            .get(&key)
            .is_some_and(|known| Arc::ptr_eq(known, state))
        {
            states.remove(&key);
        }
    }

    /// Those of an API.
    pub(super) fn of_api(&self, api_id: ApiId) -> Vec<Arc<State>> {
        let states = self.states.read();
        let mut found: Vec<Arc<State>> = states
            .values()
            .filter(|state| state.api_id == api_id && state.compiled.strong_count() > 0)
            .cloned()
            .collect();
        found.sort_by_key(|state| {
            (
                state.place.level,
                state.place.target_id,
                state.version.map(|id| id.0),
            )
        });
        found
    }
}
