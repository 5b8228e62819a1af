#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| apiverse_fuzz::forwarded::forwarded(bytes));
