//! Time and randomness, so that tests can choose both.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, SubsecRound, Utc};

/// Where the services read the time and draw random bytes from.
#[derive(Clone)]
pub struct Clock {
    fixed: Option<Arc<AtomicI64>>,
    last_id_us: Arc<AtomicI64>,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self {
            fixed: None,
            last_id_us: Arc::default(),
        }
    }

    /// A clock that stands still until [`Clock::advance`].
    #[must_use]
    pub fn fixed(at: DateTime<Utc>) -> Self {
        Self {
            fixed: Some(Arc::new(AtomicI64::new(at.timestamp_micros()))),
            last_id_us: Arc::default(),
        }
    }

    /// Moves a fixed clock forward; the system's clock is not ours to move.
    pub fn advance(&self, by: std::time::Duration) {
        if let Some(fixed) = &self.fixed {
            let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
            fixed.fetch_add(micros, Ordering::SeqCst);
        }
    }

    /// Now, in whole microseconds: what both databases keep.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        match &self.fixed {
            None => Utc::now().trunc_subsecs(6),
            Some(fixed) => {
                DateTime::from_timestamp_micros(fixed.load(Ordering::SeqCst)).unwrap_or_default()
            }
        }
    }

    /// Random bytes from the operating system's generator; never fixed, tests do not need them.
    #[must_use]
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        rand::fill(&mut bytes);
        bytes
    }

    /// What an id is made of: milliseconds since 1970, and ten bytes of which the first twelve
    /// usable bits are the fraction of the millisecond (RFC 9562, 6.2, method 3). No two ids of a
    /// clock have the same time, so that lists by id are in the order of creation.
    #[must_use]
    pub fn id_parts(&self) -> (u64, [u8; 10]) {
        let now = self.now().timestamp_micros();
        let step = |last: i64| Some(now.max(last + 1));
        let last = self
            .last_id_us
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, step)
            .unwrap_or(now);
        let us = now.max(last + 1);
        let fraction = us.rem_euclid(1000) * 4096 / 1000;
        let [_, low] = u16::try_from(fraction).unwrap_or(0).to_be_bytes();
        let mut random: [u8; 10] = self.random();
        // The upper half of the first byte gives way to the version.
        random[0] = u8::try_from(fraction >> 8).unwrap_or(0);
        random[1] = low;
        (u64::try_from(us.div_euclid(1000)).unwrap_or(0), random)
    }
}

/// A new id of any kind from the clock.
macro_rules! new_id {
    ($clock:expr, $kind:ident) => {{
        let (millis, random) = $clock.id_parts();
        apiverse_contract::$kind::from_parts(millis, random)
    }};
}
pub(crate) use new_id;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_ascend_while_the_clock_stands_still() {
        let clock = Clock::fixed(DateTime::from_timestamp(1_790_000_000, 0).unwrap_or_default());
        let ids: Vec<_> = (0..5000).map(|_| new_id!(clock, ApiId)).collect();
        assert!(ids.is_sorted_by(|a, b| a < b));
        assert_eq!(ids[0].0.get_version_num(), 7);
    }
}
