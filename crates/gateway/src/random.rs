//! Random bytes for names: requests, spans, events.
//!
//! Such names have to be different, not secret. The system's generator, or one as strong as it,
//! would cost a call a tenth of what its key check does.

use std::cell::RefCell;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

thread_local! {
    static GENERATOR: RefCell<SmallRng> =
        RefCell::new(SmallRng::from_seed(rand::random()));
}

/// Bytes that no other thread or process is likely to draw; predictable to who has seen enough of
/// them.
pub(crate) fn unlike_others<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    GENERATOR.with_borrow_mut(|generator| generator.fill_bytes(&mut bytes));
    bytes
}
