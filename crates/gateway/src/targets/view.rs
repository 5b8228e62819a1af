//! What is known of targets now, for people.

use std::sync::Arc;

use apiverse_balance::{BreakerState, Health};
use apiverse_contract::policies::upstream::{
    CircuitState, TargetHealth, TargetState, TargetsOfPolicy,
};
use apiverse_contract::{ApiId, OrganizationId};

use super::registry::{Own, Registry};
use super::state::State;
use crate::Gateway;

impl Gateway {
    /// The targets of an API as this node knows them, by the policies that name them; empty when
    /// none does.
    #[must_use]
    pub fn targets(
        self: &Arc<Self>,
        organization_id: OrganizationId,
        api_id: ApiId,
    ) -> Vec<TargetsOfPolicy> {
        // Known before the first call.
        if let Some((api, compiled)) = Registry::policy_of(self, organization_id, api_id) {
            let own = Own {
                target: api.target.as_ref(),
                version: None,
            };
            let _ = Registry::state(self, &api, own, &compiled);
        }
        let states = self.targets.of_api(api_id);
        states
            .iter()
            .filter(|state| state.organization_id == organization_id)
            .map(|state| view(state))
            .collect()
    }
}

fn view(state: &State) -> TargetsOfPolicy {
    let now_ms = state.clock.now_ms();
    TargetsOfPolicy {
        level: state.place.level,
        target_id: state.place.target_id,
        circuit: circuit(state, now_ms),
        targets: targets(state, now_ms),
    }
}

pub(super) fn circuit(state: &State, now_ms: u64) -> Option<CircuitState> {
    let breaker = state.breaker.as_ref()?;
    Some(match breaker.state(now_ms) {
        BreakerState::Closed => CircuitState::Closed,
        BreakerState::Open => CircuitState::Open,
        BreakerState::HalfOpen => CircuitState::HalfOpen,
    })
}

pub(super) fn targets(state: &State, now_ms: u64) -> Vec<TargetState> {
    let mut targets = Vec::new();
    for (is_canary, part) in state.parts() {
        let known = part.group.view(now_ms);
        for (listed, known) in part.targets.iter().zip(known) {
            let (health, for_ms) = match known.health {
                Health::Healthy => (TargetHealth::Healthy, None),
                Health::Unhealthy => (TargetHealth::Unhealthy, None),
                Health::Ejected { until_ms } => {
                    (TargetHealth::Ejected, Some(until_ms.saturating_sub(now_ms)))
                }
                Health::OnTrial => (TargetHealth::OnTrial, None),
            };
            targets.push(TargetState {
                url: listed.url.to_string(),
                weight: listed.member.weight,
                is_canary,
                health,
                ejected_for_ms: for_ms,
                under_way: known.under_way,
                succeeded: known.succeeded,
                failed: known.failed,
            });
        }
    }
    targets
}
