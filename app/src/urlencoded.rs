//! `application/x-www-form-urlencoded`, as forms and query strings use it (WHATWG URL, section 5).
//!
//! One small reader for a posted form and for the `FormData` of a hydrated page: a URL crate would
//! be the largest thing in the browser's download.

/// Name-value pairs in their order; a name may repeat.
#[must_use]
pub fn decode(text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for pair in text.split('&') {
        if pair.is_empty() {
            continue;
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        pairs.push((decode_part(name), decode_part(value)));
    }
    pairs
}

fn decode_part(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'+' => out.push(b' '),
            b'%' => match (hex(bytes, at + 1), hex(bytes, at + 2)) {
                (Some(high), Some(low)) => {
                    out.push(high << 4 | low);
                    at += 2;
                }
                _ => out.push(b'%'),
            },
            byte => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8(out)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn hex(bytes: &[u8], at: usize) -> Option<u8> {
    match *bytes.get(at)? {
        byte @ b'0'..=b'9' => Some(byte - b'0'),
        byte @ b'a'..=b'f' => Some(byte - b'a' + 10),
        byte @ b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// One name or value, safe inside a query string.
#[must_use]
pub fn encode(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    out
}

/// `?a=1&b=2` without the pairs whose value is empty; empty when none is left.
#[must_use]
pub fn query(pairs: &[(&str, &str)]) -> String {
    let mut out = String::new();
    for (name, value) in pairs {
        if value.is_empty() {
            continue;
        }
        out.push(if out.is_empty() { '?' } else { '&' });
        out.push_str(name);
        out.push('=');
        out.push_str(&encode(value));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_decodes_to_itself() {
        for text in ["", "a b", "ä&=%+", "100% sure", "\u{1F511}", "a\r\nb"] {
            let pairs = decode(&format!("{}={}", encode(text), encode(text)));
            if text.is_empty() {
                assert_eq!(pairs, [(String::new(), String::new())]);
            } else {
                assert_eq!(pairs, [(text.to_owned(), text.to_owned())]);
            }
        }
    }

    #[test]
    fn garbage_is_kept_as_it_stands() {
        let pairs = decode("a=%zz&&b=%f&c&d=%ff");
        let values: Vec<&str> = pairs.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, ["%zz", "%f", "", "\u{fffd}"]);
    }

    #[test]
    fn empty_values_leave_the_query() {
        assert_eq!(
            query(&[("q", ""), ("r", "a b"), ("s", "x")]),
            "?r=a%20b&s=x"
        );
        assert_eq!(query(&[("q", "")]), "");
    }
}
