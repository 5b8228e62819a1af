#![no_main]

use apiverse_contract::Problem;
use apiverse_contract::limits::{CreateRoute, LimitPolicy, PatchRoute};
use apiverse_contract::page::ListQuery;
use apiverse_contract::routes::RouteTemplate;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
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
});
