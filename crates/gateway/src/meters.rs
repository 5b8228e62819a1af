//! Metrics. Handles are kept where they are used: looking one up by name and labels for each call
//! would cost more than the call's own work.

use std::sync::OnceLock;
use std::time::Duration;

use apiverse_contract::policies::PolicyKind;
use apiverse_contract::{ApiId, ErrorCode};
use http::Method;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

/// Methods that have a label of their own; all else is `OTHER`, so that callers cannot make up
/// series.
const METHODS: [&str; 10] = [
    "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "QUERY", "OTHER",
];
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Named by the task that does it, too.
pub(crate) const SUMMED_AT: &str = "apiverse_usage_summed_timestamp_seconds";
pub(crate) const SUMMED: &str = "apiverse_usage_summed_total";
const POLICIES: &str = "apiverse_gateway_policies_total";

type Series = OnceLock<(Counter, Histogram)>;

/// The series of one API, made when they are first needed: most APIs see two or three of them.
#[derive(Default)]
pub(crate) struct ApiMeters(OnceLock<Box<[Series]>>);

impl ApiMeters {
    /// Counts a call that is over.
    pub(crate) fn record(&self, api: Option<ApiId>, method: &Method, status: u16, took: Duration) {
        let series = self.0.get_or_init(|| {
            (0..METHODS.len() * CLASSES.len())
                .map(|_| OnceLock::new())
                .collect()
        });
        let method = METHODS
            .iter()
            .position(|name| *name == method.as_str())
            .unwrap_or(METHODS.len() - 1);
        let class = usize::from(status / 100).clamp(1, CLASSES.len()) - 1;
        let (calls, seconds) = series[method * CLASSES.len() + class].get_or_init(|| {
            let api = api.map_or_else(|| "none".to_owned(), |id| id.to_string());
            let labels = [
                ("api", api),
                ("method", METHODS[method].to_owned()),
                ("status_class", CLASSES[class].to_owned()),
            ];
            (
                counter!("apiverse_gateway_requests_total", &labels),
                histogram!("apiverse_gateway_request_duration_seconds", &labels),
            )
        });
        calls.increment(1);
        seconds.record(took.as_secs_f64());
    }
}

/// Everything that is not counted by API.
pub(crate) struct Meters {
    /// Calls that belong to no API.
    pub(crate) unattributed: ApiMeters,
    pub(crate) key_hit: Counter,
    pub(crate) key_miss: Counter,
    pub(crate) key_refused: Counter,
    pub(crate) upstream_opened: Counter,
    pub(crate) upstream_reused: Counter,
    pub(crate) usage_waiting: Gauge,
    pub(crate) usage_journal: Gauge,
    /// When all that was recorded before was stored, seconds since 1970.
    pub(crate) usage_stored_at: Gauge,
    pub(crate) usage_failures: Counter,
    pub(crate) usage_written: Counter,
    pub(crate) usage_dropped: Counter,
    pub(crate) shed: Counter,
    pub(crate) explained_dropped: Counter,
    pub(crate) apis: Gauge,
    pub(crate) keys: Gauge,
    /// Keys that a call waited for.
    pub(crate) keys_read: Counter,
    pub(crate) connections: Gauge,
    limited_rate: Counter,
    limited_quota: Counter,
    limited_concurrency: Counter,
    pub(crate) limit_waits: Counter,
    pub(crate) limit_callers: Gauge,
}

impl Meters {
    /// Takes the handles from the recorder that is installed now; one that comes later sees nothing.
    pub(crate) fn new() -> Self {
        const LIMITED: &str = "apiverse_gateway_limited_total";
        const KEYS: &str = "apiverse_gateway_key_cache_total";
        const UPSTREAM: &str = "apiverse_gateway_upstream_connections_total";
        const ENTRIES: &str = "apiverse_gateway_snapshot_entries";
        metrics::describe_counter!(
            "apiverse_gateway_requests_total",
            "Calls through the gateway that are over"
        );
        metrics::describe_histogram!(
            "apiverse_gateway_request_duration_seconds",
            metrics::Unit::Seconds,
            "Time from a call's head to the end of its answer"
        );
        metrics::describe_counter!(
            KEYS,
            "Keys known as verified (hit), verified now (miss), not valid (refused)"
        );
        metrics::describe_counter!(
            "apiverse_gateway_keys_read_total",
            "Keys that were not in memory and were looked for in the database"
        );
        metrics::describe_counter!(UPSTREAM, "Upstream connections opened, and used again");
        metrics::describe_gauge!(ENTRIES, "APIs and keys the gateway knows");
        metrics::describe_gauge!(
            "apiverse_gateway_connections",
            "Open connections from clients"
        );
        metrics::describe_gauge!(
            "apiverse_usage_waiting_bytes",
            metrics::Unit::Bytes,
            "Usage events in the journal that the database does not have yet"
        );
        metrics::describe_gauge!(
            "apiverse_usage_journal_bytes",
            metrics::Unit::Bytes,
            "Files of the journal of usage events"
        );
        metrics::describe_counter!("apiverse_usage_written_total", "Usage events written");
        metrics::describe_gauge!(
            "apiverse_usage_stored_timestamp_seconds",
            metrics::Unit::Seconds,
            "When the database last had all calls of this node, as seconds since 1970"
        );
        metrics::describe_counter!(
            "apiverse_usage_store_failures_total",
            "Times that usage events could not be stored and were tried again"
        );
        metrics::describe_gauge!(
            SUMMED_AT,
            metrics::Unit::Seconds,
            "When no sums of usage waited to be added to others, as seconds since 1970"
        );
        metrics::describe_counter!(SUMMED, "Batches of sums of usage added to others");
        metrics::describe_counter!(
            "apiverse_usage_dropped_total",
            "Usage events lost: no room in the journal and in memory, or the database refused them"
        );
        metrics::describe_counter!(LIMITED, "Calls that a limit refused, by its kind");
        metrics::describe_counter!(
            "apiverse_gateway_limit_waits_total",
            "Calls that waited for what other nodes took of a limit"
        );
        metrics::describe_gauge!(
            "apiverse_gateway_limit_callers",
            "Keys and addresses that have limits counted for them"
        );
        metrics::describe_counter!(
            POLICIES,
            "Calls that a policy changed or answered (applied), or ended (refused), by its kind"
        );
        metrics::describe_counter!(
            "apiverse_gateway_shed_total",
            "Calls refused because as many were under way as the node takes"
        );
        metrics::describe_counter!(
            "apiverse_explanations_dropped_total",
            "Explanations of calls that could not be kept"
        );
        Self {
            unattributed: ApiMeters::default(),
            key_hit: counter!(KEYS, "result" => "hit"),
            key_miss: counter!(KEYS, "result" => "miss"),
            key_refused: counter!(KEYS, "result" => "refused"),
            upstream_opened: counter!(UPSTREAM, "kind" => "opened"),
            upstream_reused: counter!(UPSTREAM, "kind" => "reused"),
            usage_waiting: gauge!("apiverse_usage_waiting_bytes"),
            usage_journal: gauge!("apiverse_usage_journal_bytes"),
            usage_stored_at: gauge!("apiverse_usage_stored_timestamp_seconds"),
            usage_failures: counter!("apiverse_usage_store_failures_total"),
            usage_written: counter!("apiverse_usage_written_total"),
            usage_dropped: counter!("apiverse_usage_dropped_total"),
            shed: counter!("apiverse_gateway_shed_total"),
            explained_dropped: counter!("apiverse_explanations_dropped_total"),
            apis: gauge!(ENTRIES, "kind" => "apis"),
            keys: gauge!(ENTRIES, "kind" => "keys"),
            keys_read: counter!("apiverse_gateway_keys_read_total"),
            connections: gauge!("apiverse_gateway_connections"),
            limited_rate: counter!(LIMITED, "kind" => "rate"),
            limited_quota: counter!(LIMITED, "kind" => "quota"),
            limited_concurrency: counter!(LIMITED, "kind" => "concurrency"),
            limit_waits: counter!("apiverse_gateway_limit_waits_total"),
            limit_callers: gauge!("apiverse_gateway_limit_callers"),
        }
    }

    /// Counts a call that limits refused.
    pub(crate) fn count_limited(&self, code: ErrorCode) {
        match code {
            ErrorCode::QuotaExceeded => self.limited_quota.increment(1),
            ErrorCode::ConcurrencyLimited => self.limited_concurrency.increment(1),
            _ => self.limited_rate.increment(1),
        }
    }
}

/// Counts what a policy did to a call. Calls with policies pay for finding the counter.
pub(crate) fn count_policy(kind: PolicyKind, has_refused: bool) {
    let outcome = if has_refused { "refused" } else { "applied" };
    counter!(POLICIES, "kind" => kind.as_str(), "outcome" => outcome).increment(1);
}
