//! How the allocator treats the system.
//!
//! mimalloc keeps what is freed for a second, and asks for huge pages: together they doubled what
//! the process held under load. Neither made a call cheaper (docs/benchmarks.md), so huge pages
//! are off (a feature of the crate), and what is free goes back at once.

use std::ffi::{c_int, c_long};

/// `mi_option_purge_delay` of mimalloc 3, in milliseconds.
const PURGE_DELAY: c_int = 15;

#[expect(unsafe_code, reason = "the crate has no safe way to set an option")]
unsafe extern "C" {
    /// Not safe beside another thread that sets options.
    fn mi_option_set(option: c_int, value: c_long);
}

/// Call it first, while the process has one thread.
pub(crate) fn set_up() {
    // SAFETY: the function takes two numbers and stores one; no other thread runs yet.
    #[expect(unsafe_code, reason = "see above")]
    unsafe {
        mi_option_set(PURGE_DELAY, 0);
    }
}
