//! The `Vary` field (RFC 9110, 12.5.5).

use http::header::VARY;
use http::{HeaderMap, HeaderValue};

/// Adds a field's name, unless it is there or the answer varies by everything.
pub fn add_vary(headers: &mut HeaderMap, name: &'static str) {
    let names = headers.get_all(VARY).iter();
    let has = names
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .any(|known| known.trim() == "*" || known.trim().eq_ignore_ascii_case(name));
    if !has {
        headers.append(VARY, HeaderValue::from_static(name));
    }
}
