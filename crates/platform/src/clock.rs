//! Time and randomness, so that tests can choose both.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, SubsecRound, Utc};

/// Where the services read the time and draw random bytes from.
#[derive(Clone)]
pub struct Clock {
    fixed: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub const fn system() -> Self {
        Self { fixed: None }
    }

    /// A clock that stands still until [`Clock::advance`].
    #[must_use]
    pub fn fixed(at: DateTime<Utc>) -> Self {
        Self {
            fixed: Some(Arc::new(AtomicI64::new(at.timestamp_micros()))),
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

    /// Milliseconds since 1970 and random bytes: what an id is made of.
    #[must_use]
    pub fn id_parts(&self) -> (u64, [u8; 10]) {
        (
            u64::try_from(self.now().timestamp_millis()).unwrap_or(0),
            self.random(),
        )
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
