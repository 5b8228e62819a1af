#![no_main]

use apiverse_contract::key_format::{KEY_LEN, LOOKUP_LEN, compose, parse};
use apiverse_contract::keys::Environment;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some(key) = parse(bytes) {
        assert_eq!(bytes.len(), KEY_LEN);
        assert_eq!(key.lookup_prefix.as_bytes(), &bytes[..LOOKUP_LEN]);
    }
    let Some(random) = bytes.first_chunk::<32>() else { return };
    for environment in Environment::ALL {
        let text = compose(environment, *random);
        let key = parse(text.as_bytes()).expect("what we write is a key");
        assert_eq!(key.environment, environment);
        let mut typo = text.clone().into_bytes();
        let at = usize::from(bytes.get(32).copied().unwrap_or(0)) % typo.len();
        typo[at] = if typo[at] == b'a' { b'b' } else { b'a' };
        assert!(parse(&typo).is_none(), "a typo was not noticed");
    }
});
