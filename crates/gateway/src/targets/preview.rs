//! What a call would meet, without making it.

use std::sync::Arc;

use apiverse_balance::{NoPick, Picked};
use apiverse_contract::explain::UpstreamTrace;
use apiverse_contract::policies::upstream::CircuitState;

use super::attempts::{add, why};
use super::compile::{Caller, Upstreaming};
use super::registry::{Own, Registry};
use super::view;
use crate::Gateway;
use crate::snapshot::{ApiRecord, Target};

/// The answer to what would become of a call now.
pub(crate) struct Preview {
    pub(crate) trace: UpstreamTrace,
    /// Milliseconds for which the circuit refuses calls; `None`: it does not.
    pub(crate) refused_ms: Option<u64>,
    /// The target, or why there is none.
    pub(crate) target: Result<Arc<Target>, NoPick>,
}

impl Preview {
    /// `None`: there is no target at all. Nothing that calls would meet is changed by it.
    pub(crate) fn of(
        gateway: &Arc<Gateway>,
        api: &Arc<ApiRecord>,
        own: Own<'_>,
        compiled: &Arc<Upstreaming>,
        caller: &Caller<'_>,
        is_idempotent: bool,
    ) -> Option<Self> {
        let state = Registry::state(gateway, api, own, compiled)?;
        let now_ms = state.clock.now_ms();
        let choice = compiled.choice(api, caller);
        let is_repeatable = is_idempotent && compiled.document.retries.max > 0;
        let part = state.part(choice.is_canary);
        let random = rand::random();
        let picked = part
            .group
            .preview(now_ms, choice.way, random, is_repeatable);
        let listed = |picked: Picked| part.targets.get(picked.index).ok_or(NoPick::NoneWell);
        let chosen = picked.and_then(listed);
        let mut trace = UpstreamTrace {
            level: compiled.place.level,
            is_canary: choice.is_canary,
            circuit: view::circuit(&state, now_ms),
            target: chosen.ok().map(|listed| listed.url.to_string()),
            detail: picked.ok().map(|picked| {
                let mut detail = why(picked, choice.is_canary);
                add(&mut detail, choice.told(picked, part.targets.len()));
                detail
            }),
            targets: view::targets(&state, now_ms),
        };
        let refused_ms = state
            .breaker
            .as_ref()
            .and_then(|breaker| breaker.refuses_for(now_ms));
        if refused_ms.is_some() {
            trace.circuit = Some(CircuitState::Open);
            trace.target = None;
        }
        Some(Self {
            trace,
            refused_ms,
            target: chosen.map(|listed| Arc::clone(&listed.target)),
        })
    }
}
