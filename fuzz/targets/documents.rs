#![no_main]

#[path = "../../crates/contract/tests/checks/mod.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::documents(bytes));
