//! When keys were last used.

use std::time::{Duration, Instant};

use apiverse_contract::KeyId;
use apiverse_store::UsageEvent;
use chrono::{DateTime, Utc};
use foldhash::HashMap;

/// A key's last use is written this often at most.
const EVERY: Duration = Duration::from_secs(60);
/// Keys whose last write is remembered.
const KEYS: usize = 100_000;

/// Which keys' last use is known to the database, and since when.
#[derive(Default)]
pub(super) struct Touches {
    written: HashMap<KeyId, Instant>,
    /// Uses that are not written yet; microseconds since 1970.
    latest: HashMap<KeyId, i64>,
}

impl Touches {
    pub(super) fn note(&mut self, events: &[UsageEvent<'_>]) {
        for event in events {
            // 401: the text was no good, so the key was not used.
            if let (Some(key), true) = (event.key_id, event.status != 401 || !event.refused) {
                let at = self.latest.entry(key).or_insert(event.started_at_us);
                *at = event.started_at_us.max(*at);
            }
        }
    }

    /// The uses that are to be written now.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<(KeyId, DateTime<Utc>)> {
        let written = &self.written;
        let due = self.latest.drain().filter(|(key, _)| {
            written
                .get(key)
                .is_none_or(|at| now.duration_since(*at) >= EVERY)
        });
        due.filter_map(|(key, at)| Some((key, DateTime::from_timestamp_micros(at)?)))
            .collect()
    }

    pub(super) fn were_written(&mut self, keys: &[(KeyId, DateTime<Utc>)], now: Instant) {
        if self.written.len() + keys.len() > KEYS {
            self.written.clear();
        }
        self.written.extend(keys.iter().map(|(key, _)| (*key, now)));
    }
}
