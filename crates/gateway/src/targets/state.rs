//! What is known of the targets of one policy at one API. All threads share it: a target that one
//! of them ejects gets no calls from the others either.

use std::sync::{Arc, Weak};

use apiverse_balance::{
    Admission, Breaker, BreakerState, Budget, Change, Group, Member, NoPick, Outcome, Picked, Way,
};
use apiverse_contract::policies::upstream::CircuitState;
use apiverse_contract::{ApiId, OrganizationId, VersionId};

use super::compile::{Listed, Upstreaming};
use super::meters::{StateMeters, TargetMeters};
use super::registry::{Clock, Own};
use crate::snapshot::{ApiRecord, PolicyOrigin, Target};

/// Targets that one call may choose from.
pub(crate) struct Part {
    pub(super) group: Group,
    pub(super) targets: Vec<Listed>,
    meters: Vec<TargetMeters>,
}

impl Part {
    fn new(listed: &[Listed], compiled: &Upstreaming, api: ApiId, before: Option<&Self>) -> Self {
        let members: Vec<Member> = listed.iter().map(|listed| listed.member).collect();
        let rules = compiled.group_rules();
        let has_checks = compiled.document.checks.is_some();
        let group = match before {
            Some(before) => before.group.renew(members, rules, has_checks),
            None => Group::new(members, rules),
        };
        let meters = listed
            .iter()
            .map(|listed| TargetMeters::new(api, &listed.target.origin.text()))
            .collect();
        Self {
            group,
            targets: listed.to_vec(),
            meters,
        }
    }
}

/// The targets of one policy at one API.
pub(crate) struct State {
    pub(super) organization_id: OrganizationId,
    pub(super) api_id: ApiId,
    pub(super) place: PolicyOrigin,
    /// Whose address the target is; `None` also when the policy names targets.
    pub(super) version: Option<VersionId>,
    /// What it was made of; gone when the configuration is another.
    pub(super) compiled: Weak<Upstreaming>,
    pub(super) api: Weak<ApiRecord>,
    pub(super) main: Part,
    pub(super) canary: Option<Part>,
    pub(super) breaker: Option<Arc<Breaker>>,
    pub(super) budget: Arc<Budget>,
    pub(super) meters: StateMeters,
    pub(super) clock: Clock,
}

impl State {
    /// `before`: what was known until now. `None`: the API's address cannot be used, and the
    /// policy names no other.
    pub(super) fn new(
        api: &Arc<ApiRecord>,
        own: Own<'_>,
        version: Option<VersionId>,
        compiled: &Arc<Upstreaming>,
        before: Option<&Self>,
        clock: Clock,
    ) -> Option<Self> {
        let one;
        let main = if compiled.names_none() {
            let target = own.target?.with_profile(&compiled.profile);
            let url = target.origin.text();
            one = [Listed::new(&url, 1, Arc::new(target))];
            &one[..]
        } else {
            &compiled.main[..]
        };
        let canary = &compiled.canary[..];
        let before_canary = before.and_then(|before| before.canary.as_ref());
        let rules = compiled.breaker_rules();
        let breaker = match before.and_then(|before| before.breaker.as_ref()) {
            Some(known) if Some(known.rules()) == rules => Some(Arc::clone(known)),
            _ => rules.map(|rules| Arc::new(Breaker::new(rules))),
        };
        let retries = &compiled.document.retries;
        let budget = match before {
            // Nothing is lost with the counts of ten seconds; but a change of the rest of the
            // policy must not give a new budget.
            Some(before)
                if before
                    .budget
                    .is_of(retries.budget_percent, retries.budget_min_per_second) =>
            {
                Arc::clone(&before.budget)
            }
            _ => Arc::new(Budget::new(
                retries.budget_percent,
                retries.budget_min_per_second,
            )),
        };
        Some(Self {
            organization_id: api.organization_id,
            api_id: api.id,
            place: compiled.place,
            version,
            compiled: Arc::downgrade(compiled),
            api: Arc::downgrade(api),
            main: Part::new(main, compiled, api.id, before.map(|before| &before.main)),
            canary: (!canary.is_empty())
                .then(|| Part::new(canary, compiled, api.id, before_canary)),
            breaker,
            budget,
            meters: StateMeters::new(api.id),
            clock,
        })
    }

    /// Whether it was made of just these.
    pub(super) fn is_of(&self, api: &Arc<ApiRecord>, compiled: &Arc<Upstreaming>) -> bool {
        self.compiled.as_ptr() == Arc::as_ptr(compiled) && self.api.as_ptr() == Arc::as_ptr(api)
    }

    pub(super) fn part(&self, is_canary: bool) -> &Part {
        match &self.canary {
            Some(canary) if is_canary => canary,
            _ => &self.main,
        }
    }

    pub(super) fn parts(&self) -> impl Iterator<Item = (bool, &Part)> {
        let canary = self.canary.as_ref();
        [(false, &self.main)]
            .into_iter()
            .chain(canary.map(|canary| (true, canary)))
    }

    /// Notes what became of a target.
    pub(super) fn note(&self, is_canary: bool, index: usize, change: Change) {
        let part = self.part(is_canary);
        let (Some(listed), Some(meters)) = (part.targets.get(index), part.meters.get(index)) else {
            return;
        };
        let (api_id, target) = (self.api_id, listed.target.origin.text());
        match change {
            Change::Ejected { for_ms } => {
                meters.ejected.increment(1);
                meters.healthy.set(0.0);
                tracing::warn!(%api_id, %target, for_ms, "calls to a target fail; it gets none for a while");
            }
            Change::Returned => {
                meters.healthy.set(1.0);
                tracing::info!(%api_id, %target, "a target takes calls again");
            }
            Change::Checked { is_healthy: true } => {
                meters.healthy.set(1.0);
                tracing::info!(%api_id, %target, "a target passes its checks again");
            }
            Change::Checked { is_healthy: false } => {
                meters.healthy.set(0.0);
                tracing::warn!(%api_id, %target, "a target fails its checks; it gets no calls");
            }
        }
    }
}

impl State {
    /// The circuit as a call found it.
    pub(super) fn circuit_met(&self, entered: &Result<Circuit, u64>) -> Option<CircuitState> {
        self.breaker.as_ref()?;
        Some(match entered {
            Err(_) => CircuitState::Open,
            Ok(circuit) if circuit.admission == Admission::Trial => CircuitState::HalfOpen,
            Ok(_) => CircuitState::Closed,
        })
    }
}

/// A call's place at a target: counted from the choice to the answer's last byte.
pub(crate) struct Held {
    state: Arc<State>,
    is_canary: bool,
    pub(super) picked: Picked,
    is_settled: bool,
}

impl Held {
    /// Chooses a target.
    ///
    /// # Errors
    /// None takes calls.
    pub(super) fn choose(
        state: &Arc<State>,
        is_canary: bool,
        way: Way,
        tried: u64,
        is_repeatable: bool,
    ) -> Result<Self, NoPick> {
        let group = &state.part(is_canary).group;
        let now_ms = state.clock.now_ms();
        // Another call may take the last place between the choice and its taking.
        for _ in 0..=group.len() {
            let picked = group.pick(now_ms, way, rand::random(), tried, is_repeatable)?;
            if group.begin(picked.index) {
                return Ok(Self {
                    state: Arc::clone(state),
                    is_canary,
                    picked,
                    is_settled: false,
                });
            }
            if picked.is_trial {
                group.settle(picked, Outcome::Neutral, now_ms);
            }
        }
        Err(NoPick::Full)
    }

    pub(super) fn listed(&self) -> &Listed {
        &self.state.part(self.is_canary).targets[self.picked.index]
    }

    /// The target.
    pub(crate) fn target(&self) -> &Target {
        &self.listed().target
    }

    pub(super) const fn is_canary(&self) -> bool {
        self.is_canary
    }

    /// Tells how the try went.
    pub(super) fn settle(&mut self, outcome: Outcome) {
        if std::mem::replace(&mut self.is_settled, true) {
            return;
        }
        let part = self.state.part(self.is_canary);
        if let Some(meters) = part.meters.get(self.picked.index) {
            match outcome {
                Outcome::Success => meters.succeeded.increment(1),
                Outcome::Failure => meters.failed.increment(1),
                Outcome::Neutral => {}
            }
        }
        let now_ms = self.state.clock.now_ms();
        if let Some(change) = part.group.settle(self.picked, outcome, now_ms) {
            self.state.note(self.is_canary, self.picked.index, change);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // The caller hung up, or another try was faster.
        self.settle(Outcome::Neutral);
        self.state.part(self.is_canary).group.end(self.picked.index);
    }
}

/// A call's way through the circuit breaker.
pub(super) struct Circuit {
    state: Arc<State>,
    admission: Admission,
    is_settled: bool,
}

impl Circuit {
    /// # Errors
    /// Milliseconds until calls are tried again.
    pub(super) fn enter(state: &Arc<State>) -> Result<Self, u64> {
        let admission = match &state.breaker {
            Some(breaker) => breaker.admit(state.clock.now_ms()),
            None => Admission::Pass,
        };
        if let Admission::Refused(wait_ms) = admission {
            state.meters.circuit_refused.increment(1);
            return Err(wait_ms);
        }
        Ok(Self {
            state: Arc::clone(state),
            admission,
            is_settled: false,
        })
    }

    /// `None`: the call's end says nothing of the upstream.
    pub(super) fn settle(&mut self, is_failure: Option<bool>) {
        if std::mem::replace(&mut self.is_settled, true) {
            return;
        }
        let Some(breaker) = &self.state.breaker else {
            return;
        };
        let changed = breaker.settle(self.admission, is_failure, self.state.clock.now_ms());
        let api_id = self.state.api_id;
        match changed {
            Some(BreakerState::Open) => {
                self.state.meters.circuit_opened.increment(1);
                self.state.meters.circuit_open.set(1.0);
                tracing::warn!(%api_id, "most calls fail; the circuit is open");
            }
            Some(BreakerState::Closed) => {
                self.state.meters.circuit_open.set(0.0);
                tracing::info!(%api_id, "the circuit is closed again");
            }
            Some(BreakerState::HalfOpen) => self.state.meters.circuit_open.set(0.0),
            None => {}
        }
    }
}

impl Drop for Circuit {
    fn drop(&mut self) {
        self.settle(None);
    }
}
