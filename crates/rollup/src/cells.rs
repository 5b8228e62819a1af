//! Sums by everything that calls are told apart by.

use std::collections::hash_map::Entry as Slot;

use apiverse_contract::usage::{CacheState, Tokens};
use foldhash::{HashMap, HashMapExt as _};
use uuid::Uuid;

use crate::dims::{Dims, Method, Route};
use crate::shape::shape;
use crate::sketch::Sketch;
use crate::view::View;

/// One call, as it is counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Call<'a> {
    pub api: Option<Uuid>,
    pub version: Option<Uuid>,
    /// The configured route; without one, the path says where the call went.
    pub route: Option<Uuid>,
    pub path: &'a str,
    pub key: Option<Uuid>,
    pub method: &'a str,
    pub status: i32,
    pub error: Option<&'a str>,
    pub refused: bool,
    pub cache: Option<CacheState>,
    /// A verification, which counts for so many calls.
    pub verified: Option<i64>,
    pub bytes_in: i64,
    pub bytes_out: i64,
    pub latency_us: i64,
    pub tokens: Tokens,
}

impl Call<'_> {
    fn dims(&self) -> Dims {
        let route = match (self.route, self.api) {
            (Some(id), _) => Route::Configured(id),
            (None, Some(_)) => Route::Learned(shape(self.path)),
            (None, None) => Route::None,
        };
        Dims {
            is_verification: self.verified.is_some(),
            api: self.api,
            version: self.version,
            route,
            key: self.key,
            method: Method::of(self.method),
            status: self.status,
            error: self.error.map(Into::into),
            refused: self.refused,
            cache: self.cache,
        }
    }
}

/// The sums of calls that are not told apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    pub calls: u64,
    /// Of verifications: for how many calls they count.
    pub cost: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// All latencies together, microseconds.
    pub latency_us: u64,
    /// Of language models: read and written.
    pub tokens_in: u64,
    pub tokens_out: u64,
    pub sketch: Sketch,
}

impl Cell {
    fn add(&mut self, call: &Call<'_>) {
        let positive = |value: i64| u64::try_from(value).unwrap_or(0);
        self.calls += 1;
        self.cost = (self.cost).saturating_add(positive(call.verified.unwrap_or(0)));
        self.bytes_in = self.bytes_in.saturating_add(positive(call.bytes_in));
        self.bytes_out = self.bytes_out.saturating_add(positive(call.bytes_out));
        self.latency_us = self.latency_us.saturating_add(positive(call.latency_us));
        self.tokens_in = self.tokens_in.saturating_add(call.tokens.input);
        self.tokens_out = self.tokens_out.saturating_add(call.tokens.output);
        self.sketch.add(call.latency_us);
    }

    /// Adds the sums of other calls.
    pub fn merge(&mut self, other: &Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.cost = self.cost.saturating_add(other.cost);
        self.bytes_in = self.bytes_in.saturating_add(other.bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(other.bytes_out);
        self.latency_us = self.latency_us.saturating_add(other.latency_us);
        self.tokens_in = self.tokens_in.saturating_add(other.tokens_in);
        self.tokens_out = self.tokens_out.saturating_add(other.tokens_out);
        self.sketch.merge(&other.sketch);
    }
}

/// Sums by dimensions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cells {
    pub(crate) cells: HashMap<Dims, Cell>,
}

impl Cells {
    #[must_use]
    pub fn with_capacity(rows: usize) -> Self {
        Self {
            cells: HashMap::with_capacity(rows),
        }
    }

    /// Counts a call.
    pub fn add(&mut self, call: &Call<'_>) {
        self.cells.entry(call.dims()).or_default().add(call);
    }

    /// Adds sums.
    pub fn merge(&mut self, dims: Dims, cell: &Cell) {
        match self.cells.entry(dims) {
            Slot::Occupied(mut slot) => slot.get_mut().merge(cell),
            Slot::Vacant(slot) => {
                slot.insert(cell.clone());
            }
        }
    }

    /// Adds sums as `view` keeps them, in no more rows than it has room for.
    pub fn merge_bounded(&mut self, view: View, dims: Dims, cell: &Cell) {
        let dims = view.of(dims);
        if self.cells.len() < view.cap() || self.cells.contains_key(&dims) {
            return self.merge(dims, cell);
        }
        let [first, second] = view.coarser(&dims);
        // A tenth more rows for these, so that keys stay apart for longer than routes.
        if self.cells.len() < view.cap() / 10 * 11 || self.cells.contains_key(&first) {
            return self.merge(first, cell);
        }
        self.merge(second, cell);
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// In no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Dims, &Cell)> {
        self.cells.iter()
    }
}

impl IntoIterator for Cells {
    type Item = (Dims, Cell);
    type IntoIter = <HashMap<Dims, Cell> as IntoIterator>::IntoIter;

    fn into_iter(self) -> Self::IntoIter {
        self.cells.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_block_still_counts_every_call() {
        let mut cells = Cells::default();
        let rows = View::Full.cap() * 2;
        let cell = Cell {
            calls: 1,
            ..Cell::default()
        };
        for n in 0..rows {
            let dims = Dims {
                key: Some(Uuid::from_u128(n as u128)),
                route: Route::Learned(format!("/{n}").into()),
                ..Dims::default()
            };
            cells.merge_bounded(View::Full, dims, &cell);
        }
        assert!(
            cells.len() <= View::Full.cap() / 10 * 11 + 1,
            "{}",
            cells.len()
        );
        let calls: u64 = cells.iter().map(|(_, cell)| cell.calls).sum();
        assert_eq!(calls, rows as u64);
    }
}
