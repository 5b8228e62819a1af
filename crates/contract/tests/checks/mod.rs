//! What must hold whatever bytes come.

use apiverse_contract::Problem;
use apiverse_contract::key_format::{KEY_LEN, LOOKUP_LEN, compose, parse};
use apiverse_contract::keys::Environment;
use apiverse_contract::limits::{CreateRoute, LimitPolicy, PatchRoute};
use apiverse_contract::page::ListQuery;
use apiverse_contract::routes::RouteTemplate;

/// Keys: what is one is beyond doubt, and a typo is noticed.
pub fn key(bytes: &[u8]) {
    if let Some(key) = parse(bytes) {
        assert_eq!(bytes.len(), KEY_LEN);
        assert_eq!(key.lookup_prefix.as_bytes(), &bytes[..LOOKUP_LEN]);
    }
    let Some(random) = bytes.first_chunk::<32>() else {
        return;
    };
    for environment in Environment::ALL {
        let text = compose(environment, *random);
        let key = parse(text.as_bytes()).expect("what we write is a key");
        assert_eq!(key.environment, environment);
        let mut typo = text.clone().into_bytes();
        let at = usize::from(bytes.get(32).copied().unwrap_or(0)) % typo.len();
        typo[at] = if typo[at] == b'a' { b'b' } else { b'a' };
        assert!(parse(&typo).is_none(), "a typo was not noticed");
    }
}

/// Documents and texts that callers send.
pub fn documents(bytes: &[u8]) {
    if let Ok(policy) = serde_json::from_slice::<LimitPolicy>(bytes) {
        let text = serde_json::to_vec(&policy).expect("written");
        let again: LimitPolicy = serde_json::from_slice(&text).expect("read again");
        assert_eq!(policy.validate(), again.validate());
    }
    if let Ok(route) = serde_json::from_slice::<CreateRoute>(bytes) {
        let _ = route.validate();
    }
    if let Ok(route) = serde_json::from_slice::<PatchRoute>(bytes) {
        let _ = route.validate();
    }
    if let Ok(problem) = serde_json::from_slice::<Problem>(bytes) {
        let text = serde_json::to_vec(&problem).expect("written");
        assert_eq!(serde_json::from_slice::<Problem>(&text).ok(), Some(problem));
    }
    let _ = serde_json::from_slice::<ListQuery>(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        let (template, path) = text.split_once('\n').unwrap_or((text, "/"));
        if let Ok(template) = RouteTemplate::parse(template) {
            let _ = template.matches(path);
        }
    }
}
