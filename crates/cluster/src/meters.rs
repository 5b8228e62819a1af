//! Names of what the bus counts.

pub(crate) const SENT: &str = "apiverse_bus_sent_total";
pub(crate) const SEND_FAILURES: &str = "apiverse_bus_send_failures_total";
pub(crate) const RECEIVED: &str = "apiverse_bus_received_total";
pub(crate) const OVERFLOWS: &str = "apiverse_bus_overflows_total";
pub(crate) const RECONNECTS: &str = "apiverse_bus_reconnects_total";

/// Says what they mean, and makes them: what was never counted is 0, not missing.
pub(crate) fn describe() {
    for (name, help) in [
        (SENT, "Messages about changes sent to other nodes"),
        (
            SEND_FAILURES,
            "Times that a message about changes could not be sent",
        ),
        (
            RECEIVED,
            "Messages about changes that came from other nodes",
        ),
        (
            OVERFLOWS,
            "Times that too many changes waited for other nodes",
        ),
        (
            RECONNECTS,
            "Times that the way for changes between nodes was interrupted",
        ),
    ] {
        metrics::describe_counter!(name, help);
        metrics::counter!(name).increment(0);
    }
}
