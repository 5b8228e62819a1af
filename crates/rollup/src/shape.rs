//! What a path looks like when ids in it are left open.

/// Longest shape in bytes; deeper paths end with `*`.
const MAX_BYTES: usize = 200;
/// Most segments.
const MAX_SEGMENTS: usize = 12;

/// The path with every segment that looks like an id as `{id}`: numbers, UUIDs, hashes, dates,
/// addresses, tokens. Empty segments and a slash at the end do not count.
#[must_use]
pub fn shape(path: &str) -> Box<str> {
    let mut shape = String::with_capacity(path.len().min(MAX_BYTES));
    for (n, segment) in path.split('/').filter(|s| !s.is_empty()).enumerate() {
        let segment = if is_id(segment) { "{id}" } else { segment };
        if n == MAX_SEGMENTS || shape.len() + segment.len() + 1 > MAX_BYTES {
            shape.push_str("/*");
            break;
        }
        shape.push('/');
        shape.push_str(segment);
    }
    if shape.is_empty() {
        shape.push('/');
    }
    shape.into_boxed_str()
}

/// Whether a segment is one of many of its kind rather than a word.
fn is_id(segment: &str) -> bool {
    let bytes = segment.as_bytes();
    let digits = bytes.iter().filter(|b| b.is_ascii_digit()).count();
    let letters = bytes.iter().filter(|b| b.is_ascii_alphabetic()).count();
    if bytes.contains(&b'@') || bytes.contains(&b'%') || !segment.is_ascii() {
        return true;
    }
    if is_version(bytes) {
        return false;
    }
    // 42, 2026-11-21, 192.0.2.1, 1,5
    if letters == 0 {
        return digits > 0;
    }
    // {id} itself is what an earlier pass wrote.
    if segment == "{id}" {
        return true;
    }
    // Hashes and UUIDs: hexadecimal, with digits, and long.
    let hex = bytes.iter().filter(|b| b.is_ascii_hexdigit()).count();
    let dashes = bytes.iter().filter(|b| **b == b'-').count();
    if digits > 0 && hex + dashes == bytes.len() && hex >= 8 {
        return true;
    }
    // Names with a number: order-1234, cus_Nf8a9bQ2, file.2026.csv.
    if digits >= 4 && digits * 4 >= bytes.len() {
        return true;
    }
    // Tokens: capitals, small letters and digits in turn, more often than words do it.
    let turns = bytes
        .windows(2)
        .filter(|pair| kind(pair[0]) != kind(pair[1]));
    (digits > 0 && bytes.len() >= 10 && turns.count() >= 5) || bytes.len() > 48
}

fn kind(byte: u8) -> u8 {
    match byte {
        b'A'..=b'Z' => 0,
        b'0'..=b'9' => 1,
        _ => 2,
    }
}

/// `v1`, `v2.1`, `v1beta2`: what versions are called.
fn is_version(bytes: &[u8]) -> bool {
    bytes.len() <= 8 && matches!(bytes, [b'v' | b'V', digit, ..] if digit.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_left_open_and_words_are_not() {
        for (path, expected) in [
            ("", "/"),
            ("/", "/"),
            ("//", "/"),
            ("/users", "/users"),
            ("/users/", "/users"),
            ("/users/42", "/users/{id}"),
            ("/users/42/orders/7", "/users/{id}/orders/{id}"),
            ("/v1/charges/ch_3MqLiJLkdIwHu7ix", "/v1/charges/{id}"),
            ("/v1/customers/cus_NffrFeUfNV2Hib", "/v1/customers/{id}"),
            ("/a/0190c6e2-7b2a-7c3e-9f1d-2a4b6c8d0e1f", "/a/{id}"),
            (
                "/blobs/da39a3ee5e6b4b0d3255bfef95601890afd80709",
                "/blobs/{id}",
            ),
            ("/reports/2026-11-21", "/reports/{id}"),
            ("/people/ada@example.com", "/people/{id}"),
            ("/q/hello%20world", "/q/{id}"),
            ("/orders/order-123456", "/orders/{id}"),
            ("/v2/models/gpt-4o/chat", "/v2/models/gpt-4o/chat"),
            ("/api/v1beta1/oauth2/token", "/api/v1beta1/oauth2/token"),
            ("/x/{id}", "/x/{id}"),
            ("/well-known/jwks.json", "/well-known/jwks.json"),
            ("/feed", "/feed"),
            ("/OAuth2Authorize", "/OAuth2Authorize"),
            ("/added", "/added"),
            ("/straße", "/{id}"),
        ] {
            assert_eq!(&*shape(path), expected, "{path}");
        }
    }

    #[test]
    fn shapes_are_short() {
        let deep = "/a".repeat(500);
        assert_eq!(&*shape(&deep), format!("{}/*", "/a".repeat(12)));
        let long = format!("/{}", "word-".repeat(9)).repeat(30);
        assert!(shape(&long).len() <= MAX_BYTES + 2);
        assert_eq!(&*shape(&"x".repeat(4000)), "/{id}");
    }

    #[test]
    fn a_shape_is_its_own_shape() {
        for path in ["/users/42/x", "/a/b/c", "/", "/o/order-1234567"] {
            let once = shape(path);
            assert_eq!(shape(&once), once);
        }
    }
}
