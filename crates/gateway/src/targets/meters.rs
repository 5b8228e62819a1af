//! What is counted of targets.

use apiverse_contract::ApiId;
use metrics::{Counter, Gauge, counter, gauge};

/// Series of one target.
pub(super) struct TargetMeters {
    pub(super) succeeded: Counter,
    pub(super) failed: Counter,
    pub(super) ejected: Counter,
    pub(super) healthy: Gauge,
}

impl TargetMeters {
    pub(super) fn new(api: ApiId, target: &str) -> Self {
        const TRIES: &str = "apiverse_upstream_tries_total";
        metrics::describe_counter!(TRIES, "Tries of calls on a target");
        metrics::describe_counter!(
            "apiverse_upstream_ejections_total",
            "Times that a target got no calls because they failed"
        );
        metrics::describe_gauge!(
            "apiverse_upstream_target_healthy",
            "1: the target takes calls"
        );
        let labels = |result: Option<&'static str>| {
            let mut labels = vec![
                metrics::Label::new("api", api.to_string()),
                metrics::Label::new("target", target.to_owned()),
            ];
            labels.extend(result.map(|result| metrics::Label::new("result", result)));
            labels
        };
        let healthy = gauge!("apiverse_upstream_target_healthy", labels(None));
        healthy.set(1.0);
        Self {
            succeeded: counter!(TRIES, labels(Some("succeeded"))),
            failed: counter!(TRIES, labels(Some("failed"))),
            ejected: counter!("apiverse_upstream_ejections_total", labels(None)),
            healthy,
        }
    }
}

/// Series of one API's targets together.
pub(super) struct StateMeters {
    pub(super) retries: Counter,
    pub(super) hedges: Counter,
    pub(super) circuit_opened: Counter,
    pub(super) circuit_refused: Counter,
    pub(super) circuit_open: Gauge,
    pub(super) mirrored: Counter,
    pub(super) mirror_dropped: Counter,
}

impl StateMeters {
    pub(super) fn new(api: ApiId) -> Self {
        const AGAIN: &str = "apiverse_upstream_retries_total";
        const CIRCUIT: &str = "apiverse_upstream_circuit_total";
        const MIRROR: &str = "apiverse_upstream_mirrored_total";
        metrics::describe_counter!(AGAIN, "Tries after a call's first, by why they were made");
        metrics::describe_counter!(CIRCUIT, "Circuits opened, and calls refused by open ones");
        metrics::describe_gauge!(
            "apiverse_upstream_circuit_open",
            "1: the circuit refuses calls; 0: calls pass, or one of them is on trial"
        );
        metrics::describe_counter!(MIRROR, "Copies of calls that were sent, or left out");
        let api = api.to_string();
        let one = |name: &'static str, label: &'static str, value: &'static str| counter!(name, "api" => api.clone(), label => value);
        let circuit_open = gauge!("apiverse_upstream_circuit_open", "api" => api.clone());
        circuit_open.set(0.0);
        Self {
            retries: one(AGAIN, "kind", "retry"),
            hedges: one(AGAIN, "kind", "hedge"),
            circuit_opened: one(CIRCUIT, "event", "opened"),
            circuit_refused: one(CIRCUIT, "event", "refused"),
            circuit_open,
            mirrored: one(MIRROR, "result", "sent"),
            mirror_dropped: one(MIRROR, "result", "left_out"),
        }
    }
}
