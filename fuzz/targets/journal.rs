#![no_main]

#[path = "../../crates/journal/tests/checks/mod.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::journal(bytes));
