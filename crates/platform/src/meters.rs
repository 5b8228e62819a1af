//! What the control plane counts. Labels are words of ours: there are as many series as there are
//! lines here.

use metrics::{Counter, Gauge, counter, gauge};

const MESSAGES: &str = "apiverse_outbox_attempts_total";
const STREAMS: &str = "apiverse_live_streams";
const MISSED: &str = "apiverse_live_missed_calls_total";
const QUESTIONS: &str = "apiverse_usage_questions";
const REFUSED: &str = "apiverse_usage_questions_refused_total";
const LOOKED: &str = "apiverse_insights_looked_timestamp_seconds";
const FOUND: &str = "apiverse_insights_failures_total";

/// What an attempt to send a message may come to.
const OUTCOMES: [&str; 6] = [
    "sent",
    "pending",
    "uncertain",
    "failed",
    "suppressed",
    "kept",
];

/// Handles of everything.
pub(crate) struct Meters {
    outcomes: [Counter; OUTCOMES.len()],
    /// Readers of the live stream.
    pub(crate) streams: Gauge,
    /// Calls that a reader of it was too slow for, or that were more than are told.
    pub(crate) missed: Counter,
    pub(crate) questions_asked: Gauge,
    pub(crate) questions_waiting: Gauge,
    pub(crate) questions_refused: Counter,
    pub(crate) insights_at: Gauge,
    pub(crate) insights_failed: Counter,
}

impl Meters {
    /// Takes the handles from the recorder that is installed now.
    pub(crate) fn new() -> Self {
        metrics::describe_counter!(
            MESSAGES,
            "Attempts to send a message of the outbox, by what became of them"
        );
        metrics::describe_gauge!(STREAMS, "Readers of the live stream of calls");
        metrics::describe_counter!(MISSED, "Calls that a reader of the live stream missed");
        metrics::describe_gauge!(
            QUESTIONS,
            "Questions about usage that are worked on (asked), or wait for their turn (waiting)"
        );
        metrics::describe_counter!(
            REFUSED,
            "Questions about usage that were refused because too many were asked at once"
        );
        metrics::describe_gauge!(
            LOOKED,
            metrics::Unit::Seconds,
            "When this node last looked for what is unusual, as seconds since 1970; 0: never"
        );
        metrics::describe_counter!(FOUND, "Times that looking for what is unusual failed");
        Self {
            outcomes: OUTCOMES.map(|outcome| counter!(MESSAGES, "outcome" => outcome)),
            streams: gauge!(STREAMS),
            missed: counter!(MISSED),
            questions_asked: gauge!(QUESTIONS, "state" => "asked"),
            questions_waiting: gauge!(QUESTIONS, "state" => "waiting"),
            questions_refused: counter!(REFUSED),
            insights_at: gauge!(LOOKED),
            insights_failed: counter!(FOUND),
        }
    }

    /// Counts an attempt to send a message.
    pub(crate) fn count_message(&self, outcome: &str) {
        let place = OUTCOMES.iter().position(|known| *known == outcome);
        if let Some(counter) = place.and_then(|place| self.outcomes.get(place)) {
            counter.increment(1);
        }
    }
}
