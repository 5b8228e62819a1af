//! The sums that a batch of calls adds, stored in the same transaction as the calls.

use std::collections::BTreeMap;

use apiverse_rollup::{Call, Delta};
use uuid::Uuid;

use crate::usage::UsageEvent;

/// Stores the sums of a batch.
pub(crate) const INSERT: &str =
    "INSERT INTO usage_deltas (organization_id, from_us, to_us, data) VALUES ($1, $2, $3, $4)";

/// One row of `usage_deltas`.
pub(crate) struct DeltaRow {
    pub(crate) organization: Uuid,
    pub(crate) from_us: i64,
    pub(crate) to_us: i64,
    pub(crate) data: Vec<u8>,
}

/// What events add, a row for each organization.
pub(crate) fn deltas(events: &[UsageEvent<'_>]) -> Vec<DeltaRow> {
    let mut all: BTreeMap<Uuid, Delta> = BTreeMap::new();
    for event in events {
        let delta = all.entry(event.organization_id.0).or_default();
        delta.add(event.started_at_us, &counted(event));
    }
    let rows = all
        .iter()
        .filter_map(|(id, delta)| DeltaRow::of(*id, delta));
    rows.collect()
}

impl DeltaRow {
    /// `None` when nothing was counted.
    pub(crate) fn of(organization: Uuid, delta: &Delta) -> Option<Self> {
        let (from_us, to_us) = delta.span_us()?;
        Some(Self {
            organization,
            from_us,
            to_us,
            data: delta.encode(),
        })
    }
}

/// An event as it is counted.
pub(crate) fn counted<'a>(event: &UsageEvent<'a>) -> Call<'a> {
    Call {
        api: event.api_id.map(|id| id.0),
        version: event.version_id.map(|id| id.0),
        route: event.route_id.map(|id| id.0),
        path: event.path,
        key: event.key_id.map(|id| id.0),
        method: event.method,
        status: event.status,
        error: event.error_code,
        refused: event.refused,
        cache: event.cache,
        verified: event.verified,
        bytes_in: event.bytes_in,
        bytes_out: event.bytes_out,
        latency_us: event.latency_us,
        tokens: event.tokens,
    }
}
