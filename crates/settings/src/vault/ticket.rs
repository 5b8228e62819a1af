//! Explorer tickets: for a minute, the console may call the gateway as one API key without knowing
//! the key's secret, which nobody does after it was shown once.
//!
//! `apvt_{key id, 32 hex}{expiry, Unix seconds, 10 digits}{MAC, 32 hex}`. The MAC is 128 bits of
//! keyed BLAKE3 over all that stands before it. The gateway verifies one without a lookup and
//! without an allocation.

use std::fmt::Write;

use apiverse_contract::KeyId;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::Vault;
use crate::secrets::hex_digits;

const TAG: &str = "apvt_";
const ID_END: usize = TAG.len() + 32;
const BODY_LEN: usize = ID_END + 10;
const MAC_LEN: usize = 16;
/// Characters of a whole ticket.
const TICKET_LEN: usize = BODY_LEN + 2 * MAC_LEN;
/// The last second ten digits can say: 2286-11-20.
const LAST_SECOND: i64 = 9_999_999_999;

impl Vault {
    /// A ticket to call the gateway as `key_id` before `expires_unix` (Unix seconds). Who may have
    /// one is for the caller to decide: whoever holds the ticket is that key.
    #[must_use]
    pub fn sign_ticket(&self, key_id: KeyId, expires_unix: i64) -> String {
        let expires = expires_unix.clamp(0, LAST_SECOND);
        let mut ticket = String::with_capacity(TICKET_LEN);
        // Writing to a String cannot fail.
        let _ = write!(ticket, "{TAG}{}{expires:010}", key_id.0.simple());
        let mac = mac(&self.current.ticket, ticket.as_bytes());
        ticket.extend(hex(mac).map(char::from));
        ticket
    }

    /// The key a ticket stands for, or `None` when it is not one of ours, was changed, or has
    /// expired at `now_unix` (Unix seconds). Tickets signed before a rotation of `SECRET_KEY`
    /// stay good.
    #[must_use]
    pub fn verify_ticket(&self, text: &[u8], now_unix: i64) -> Option<KeyId> {
        if text.len() != TICKET_LEN || !text.starts_with(TAG.as_bytes()) {
            return None;
        }
        let (body, given) = text.split_at(BODY_LEN);
        let mut good = subtle::Choice::from(0);
        for key in self.keys() {
            good |= hex(mac(&key.ticket, body)).ct_eq(given);
        }
        if !bool::from(good) {
            return None;
        }
        let expires: i64 = std::str::from_utf8(&body[ID_END..]).ok()?.parse().ok()?;
        if now_unix >= expires {
            return None;
        }
        Uuid::try_parse_ascii(&body[TAG.len()..ID_END])
            .ok()
            .map(KeyId)
    }
}

fn mac(key: &[u8; 32], body: &[u8]) -> [u8; MAC_LEN] {
    let mut mac = [0; MAC_LEN];
    mac.copy_from_slice(&blake3::keyed_hash(key, body).as_bytes()[..MAC_LEN]);
    mac
}

fn hex(mac: [u8; MAC_LEN]) -> [u8; 2 * MAC_LEN] {
    let mut text = [0; 2 * MAC_LEN];
    for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(mac) {
        *pair = hex_digits(byte);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    const NOW: i64 = 1_760_000_000;

    fn key_id() -> KeyId {
        KeyId::from_parts(1_760_000_000_000, [7; 10])
    }

    fn vault() -> Vault {
        Vault::new(&Secret::from("one"), &[])
    }

    #[test]
    fn a_ticket_is_good_until_it_expires() {
        let ticket = vault().sign_ticket(key_id(), NOW + 60);
        assert_eq!(ticket.len(), TICKET_LEN);
        assert_eq!(
            vault().verify_ticket(ticket.as_bytes(), NOW),
            Some(key_id())
        );
        assert_eq!(
            vault().verify_ticket(ticket.as_bytes(), NOW + 59),
            Some(key_id())
        );
        assert_eq!(vault().verify_ticket(ticket.as_bytes(), NOW + 60), None);
    }

    #[test]
    fn a_changed_ticket_is_refused() {
        let ticket = vault().sign_ticket(key_id(), NOW + 60).into_bytes();
        for at in 0..ticket.len() {
            for to in [b'0', b'9', b'a', b'A', 0xff] {
                let mut changed = ticket.clone();
                if std::mem::replace(&mut changed[at], to) != to {
                    assert_eq!(vault().verify_ticket(&changed, NOW), None, "byte {at}");
                }
            }
        }
        for len in 0..ticket.len() {
            assert_eq!(
                vault().verify_ticket(&ticket[..len], NOW),
                None,
                "cut to {len}"
            );
        }
    }

    #[test]
    fn another_installation_s_ticket_is_refused() {
        let ticket = vault().sign_ticket(key_id(), NOW + 60);
        let other = Vault::new(&Secret::from("two"), &[]);
        assert_eq!(other.verify_ticket(ticket.as_bytes(), NOW), None);
    }

    #[test]
    fn tickets_outlive_a_rotation() {
        let ticket = vault().sign_ticket(key_id(), NOW + 60);
        let rotated = Vault::new(&Secret::from("two"), &[Secret::from("one")]);
        assert_eq!(
            rotated.verify_ticket(ticket.as_bytes(), NOW),
            Some(key_id())
        );
    }

    #[test]
    fn absurd_times_still_make_a_ticket_of_the_right_length() {
        assert_eq!(vault().sign_ticket(key_id(), i64::MAX).len(), TICKET_LEN);
        let past = vault().sign_ticket(key_id(), i64::MIN);
        assert_eq!(past.len(), TICKET_LEN);
        assert_eq!(vault().verify_ticket(past.as_bytes(), 0), None);
    }
}
