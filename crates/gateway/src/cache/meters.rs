//! What the cache counts.

use metrics::{Counter, Gauge, counter, gauge};

use super::Caches;

pub(crate) struct CacheMeters {
    pub(crate) hit: Counter,
    pub(crate) shared: Counter,
    pub(crate) stale: Counter,
    pub(crate) revalidated: Counter,
    pub(crate) collapsed: Counter,
    pub(crate) miss: Counter,
    pub(crate) bypass: Counter,
    pub(crate) stored: Counter,
    pub(crate) served: Counter,
    pub(crate) purged: Counter,
    evicted: Counter,
    bytes: Gauge,
    keys: Gauge,
}

impl CacheMeters {
    /// Takes the handles from the recorder that is installed now.
    pub(super) fn new() -> Self {
        const CALLS: &str = "apiverse_gateway_cache_requests_total";
        metrics::describe_counter!(
            CALLS,
            "Calls with a cache policy: answered from the cache (hit, shared, stale, revalidated, \
             collapsed), by the upstream (miss), or passed by it (bypass)"
        );
        metrics::describe_counter!(
            "apiverse_gateway_cache_stored_total",
            "Answers put into the cache"
        );
        metrics::describe_counter!(
            "apiverse_gateway_cache_served_bytes_total",
            metrics::Unit::Bytes,
            "Bytes of bodies that came from the cache"
        );
        metrics::describe_counter!(
            "apiverse_gateway_cache_evicted_total",
            "Answers that had to make room for others"
        );
        metrics::describe_counter!(
            "apiverse_gateway_cache_purges_total",
            "Purges that were carried out"
        );
        metrics::describe_gauge!(
            "apiverse_gateway_cache_bytes",
            metrics::Unit::Bytes,
            "Memory that stored answers take"
        );
        metrics::describe_gauge!(
            "apiverse_gateway_cache_keys",
            "Addresses with stored answers"
        );
        let result = |result: &'static str| counter!(CALLS, "result" => result);
        Self {
            hit: result("hit"),
            shared: result("shared"),
            stale: result("stale"),
            revalidated: result("revalidated"),
            collapsed: result("collapsed"),
            miss: result("miss"),
            bypass: result("bypass"),
            stored: counter!("apiverse_gateway_cache_stored_total"),
            served: counter!("apiverse_gateway_cache_served_bytes_total"),
            purged: counter!("apiverse_gateway_cache_purges_total"),
            evicted: counter!("apiverse_gateway_cache_evicted_total"),
            bytes: gauge!("apiverse_gateway_cache_bytes"),
            keys: gauge!("apiverse_gateway_cache_keys"),
        }
    }
}

impl Caches {
    /// Tells the state of the memory; now and then.
    pub(crate) fn measure(&self) {
        self.meters.bytes.set(self.memory.bytes() as f64);
        self.meters.keys.set(self.memory.len() as f64);
        self.meters.evicted.absolute(self.memory.evicted());
    }
}
