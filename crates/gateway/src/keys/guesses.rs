//! Wrong texts for keys that exist, counted by address.
//!
//! A text whose beginning is that of a key costs an Argon2 hash to refuse. Beginnings are shown in
//! consoles and logs, so they are not secret: without a limit, whoever knows one could keep a core
//! busy with guesses.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;

/// Wrong texts that one address may send in a window.
const MOST: u32 = 20;
const WINDOW_MS: u64 = 60_000;
/// Addresses that are remembered. Beyond that the memory begins anew: an attacker with so many
/// addresses gets as many windows anyway.
const ADDRESSES: usize = 4096;

/// The guesses that one thread has seen.
#[derive(Default)]
pub(crate) struct Guesses(HashMap<u64, Window, RandomState>);

#[derive(Default)]
struct Window {
    began_ms: u64,
    wrong: u32,
}

impl Guesses {
    /// Whether another text of this address is worth a hash.
    pub(crate) fn allows(&self, address: IpAddr, now_ms: u64) -> bool {
        self.0.get(&subject(address)).is_none_or(|window| {
            window.wrong < MOST || now_ms.saturating_sub(window.began_ms) >= WINDOW_MS
        })
    }

    /// Notes that one was wrong.
    pub(crate) fn note(&mut self, address: IpAddr, now_ms: u64) {
        if self.0.len() >= ADDRESSES {
            self.0.clear();
        }
        let window = self.0.entry(subject(address)).or_default();
        if window.wrong == 0 || now_ms.saturating_sub(window.began_ms) >= WINDOW_MS {
            *window = Window {
                began_ms: now_ms,
                wrong: 0,
            };
        }
        window.wrong += 1;
    }
}

/// An IPv4 address, or the first 64 bits of an IPv6 one, which is what one client has.
fn subject(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(v4) => u64::from(v4.to_bits()),
        // No network begins with 32 zero bits, so the two do not meet.
        IpAddr::V6(v6) => u64::try_from(v6.to_bits() >> 64).unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_window() {
        let mut guesses = Guesses::default();
        let [one, other]: [IpAddr; 2] = ["192.0.2.1", "192.0.2.2"].map(|a| a.parse().unwrap());
        for _ in 0..MOST {
            assert!(guesses.allows(one, 5));
            guesses.note(one, 5);
        }
        assert!(!guesses.allows(one, 5));
        assert!(!guesses.allows(one, 5 + WINDOW_MS - 1));
        assert!(guesses.allows(other, 5));
        assert!(guesses.allows(one, 5 + WINDOW_MS));
        guesses.note(one, 5 + WINDOW_MS);
        assert!(guesses.allows(one, 6 + WINDOW_MS));
    }

    #[test]
    fn a_client_of_ipv6_is_its_network() {
        let mut guesses = Guesses::default();
        for number in 0..MOST {
            let address = format!("2001:db8:1:2::{number:x}").parse().unwrap();
            guesses.note(address, 0);
        }
        assert!(!guesses.allows("2001:db8:1:2:ffff::1".parse().unwrap(), 0));
        assert!(guesses.allows("2001:db8:1:3::1".parse().unwrap(), 0));
    }

    #[test]
    fn many_addresses_cost_bounded_memory() {
        let mut guesses = Guesses::default();
        for number in 0..100_000_u32 {
            guesses.note(IpAddr::V4(number.into()), 0);
        }
        assert!(guesses.0.len() <= ADDRESSES);
    }
}
