//! The text of an API key: `apv_{environment}_{random}{checksum}`.
//!
//! `random` is 32 random bytes in base62, 43 characters; `checksum` is the CRC-32 (IEEE) of all
//! that stands before it, in base62, 6 characters. So a typo, or a scanner's find, is recognised
//! without a lookup. The checksum protects against accidents only; it is no secret.

use crate::keys::Environment;

/// Characters of a whole key.
pub const KEY_LEN: usize = PREFIX_TAG_LEN + RANDOM_LEN + CHECKSUM_LEN;
/// Characters of `apv_live_`.
const PREFIX_TAG_LEN: usize = 9;
const RANDOM_LEN: usize = 43;
const CHECKSUM_LEN: usize = 6;
/// Random characters that are stored in the clear to find a key by.
const LOOKUP_RANDOM_LEN: usize = 12;
/// Characters of the lookup prefix: the environment's tag and the first random characters.
pub const LOOKUP_LEN: usize = PREFIX_TAG_LEN + LOOKUP_RANDOM_LEN;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Writes a key around 32 random bytes.
#[must_use]
pub fn compose(environment: Environment, random: [u8; 32]) -> String {
    let mut key = String::with_capacity(KEY_LEN);
    key.push_str(environment.key_tag());
    push_base62(&mut key, random);
    let checksum = crc32fast::hash(key.as_bytes());
    key.push_str(&checksum_text(checksum));
    key
}

/// A key of the right shape whose checksum fits; whether it exists is another matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParsedKey<'a> {
    pub environment: Environment,
    /// What keys are stored and found by; not secret.
    pub lookup_prefix: &'a str,
}

/// Reads a key; `None` when it cannot be one of ours. Never allocates, never panics.
#[must_use]
pub fn parse(text: &[u8]) -> Option<ParsedKey<'_>> {
    if text.len() != KEY_LEN {
        return None;
    }
    let (body, checksum) = text.split_at(KEY_LEN - CHECKSUM_LEN);
    let environment = Environment::ALL
        .into_iter()
        .find(|environment| body.starts_with(environment.key_tag().as_bytes()))?;
    if !text[PREFIX_TAG_LEN..].iter().all(u8::is_ascii_alphanumeric) {
        return None;
    }
    if checksum_digits(crc32fast::hash(body)) != checksum {
        return None;
    }
    let lookup_prefix = std::str::from_utf8(&text[..LOOKUP_LEN]).ok()?;
    Some(ParsedKey {
        environment,
        lookup_prefix,
    })
}

fn push_base62(out: &mut String, bytes: [u8; 32]) {
    let mut digits = [0u8; RANDOM_LEN];
    let mut number = bytes;
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0u32;
        for byte in &mut number {
            let value = (remainder << 8) | u32::from(*byte);
            *byte = (value / 62) as u8;
            remainder = value % 62;
        }
        *digit = ALPHABET[remainder as usize];
    }
    out.extend(digits.iter().map(|&digit| digit as char));
}

fn checksum_digits(checksum: u32) -> [u8; CHECKSUM_LEN] {
    let mut digits = [b'0'; CHECKSUM_LEN];
    let mut rest = checksum;
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    digits
}

fn checksum_text(checksum: u32) -> String {
    checksum_digits(checksum)
        .iter()
        .map(|&digit| digit as char)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_shape() {
        let key = compose(Environment::Live, [0xff; 32]);
        assert_eq!(key.len(), KEY_LEN);
        assert!(key.starts_with("apv_live_"));
        let parsed = parse(key.as_bytes()).expect("own key");
        assert_eq!(parsed.environment, Environment::Live);
        assert_eq!(parsed.lookup_prefix, &key[..21]);
    }

    proptest! {
        #[test]
        fn every_key_parses(random: [u8; 32], live: bool) {
            let environment = if live { Environment::Live } else { Environment::Test };
            let key = compose(environment, random);
            prop_assert_eq!(parse(key.as_bytes()).map(|k| k.environment), Some(environment));
        }

        #[test]
        fn one_wrong_character_is_seen(random: [u8; 32], at in 0..KEY_LEN, with in 0x21u8..0x7f) {
            let mut key = compose(Environment::Test, random).into_bytes();
            prop_assume!(key[at] != with);
            key[at] = with;
            prop_assert_eq!(parse(&key), None);
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        #[test]
        fn different_bytes_give_different_keys(a: [u8; 32], b: [u8; 32]) {
            prop_assume!(a != b);
            prop_assert_ne!(compose(Environment::Live, a), compose(Environment::Live, b));
        }
    }
}
