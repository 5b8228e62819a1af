//! Whether a text can serve as a secret in production.

/// Bytes a production secret has at least.
pub(crate) const MIN_LEN: usize = 32;

/// Parts of words that stand in examples and defaults and, being at least five characters long, do
/// not come up in random text.
const PLACEHOLDERS: [&str; 14] = [
    "changeme",
    "change-me",
    "change_me",
    "replace_me",
    "replace-me",
    "replaceme",
    "secret",
    "password",
    "example",
    "default",
    "insecure",
    "testing",
    "your-",
    "your_",
];

/// Whether the text is one that was meant to be replaced: out of an example, a template, a default.
pub(crate) fn is_placeholder(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    PLACEHOLDERS.iter().any(|word| text.contains(word))
}

/// Why `text` is too weak for a production secret, or `None`. Reads as the end of a sentence that
/// begins with the variable's name.
///
/// Entropy cannot be seen in one text, only its absence: too short, a known placeholder, few
/// different characters, one piece repeated, a run along the alphabet.
pub(crate) fn weakness(text: &str) -> Option<&'static str> {
    let bytes = text.as_bytes();
    if is_placeholder(text) {
        return Some("is a placeholder or an example, not a secret");
    }
    if bytes.len() < MIN_LEN {
        return Some("is shorter than 32 bytes");
    }
    let mut seen = [false; 256];
    for byte in bytes {
        seen[usize::from(*byte)] = true;
    }
    if seen.iter().filter(|seen| **seen).count() < 8 {
        return Some("has fewer than eight different characters");
    }
    if (1..=bytes.len() / 2).any(|period| bytes[period..] == bytes[..bytes.len() - period]) {
        return Some("repeats one piece over and over");
    }
    let steps = bytes
        .windows(2)
        .filter(|pair| pair[0].abs_diff(pair[1]) <= 1)
        .count();
    if steps * 2 > bytes.len() {
        return Some("runs along the alphabet");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_nobody_drew_at_random() {
        for weak in [
            "",
            "short",
            "changemechangemechangemechangemechangeme",
            "dev-secret-key-64-characters-long-for-testing-only",
            "REPLACE_ME_REPLACE_ME_REPLACE_ME_REPLACE_ME",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "3f9c1e7a3f9c1e7a3f9c1e7a3f9c1e7a3f9c1e7a",
            "abcdefghijklmnopqrstuvwxyz0123456789",
        ] {
            assert!(weakness(weak).is_some(), "{weak}");
        }
    }

    #[test]
    fn takes_random_hex_and_base64() {
        for strong in [
            "b1946ac92492d2347c6235b4d2611184",
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "q0Fz7m2Jf1vV1nQ3m8b6c5kYw9T4h2RrXjPzL0uEdAg=",
        ] {
            assert_eq!(weakness(strong), None, "{strong}");
        }
    }

    #[test]
    fn takes_whatever_is_generated() {
        for _ in 0..500 {
            let secret = crate::secrets::generate_secret();
            assert_eq!(weakness(secret.expose()), None);
        }
    }
}
