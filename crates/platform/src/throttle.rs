//! Slowing down guessing without locking anybody out.
//!
//! Failed sign-ins are counted for each account together with the address they come from, and for
//! each address alone. Past a free allowance the wait doubles with each further failure. The
//! account alone is never counted: otherwise a stranger could lock its owner out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use parking_lot::Mutex;

use crate::fault::SlowDown;

/// How much is too much.
#[derive(Clone, Copy, Debug)]
pub struct ThrottleConfig {
    pub enabled: bool,
    /// Failures of one account from one address before waiting begins.
    pub free_per_account: u32,
    /// Failures from one address, whatever the account, before waiting begins.
    pub free_per_address: u32,
    /// Registrations from one address within an hour.
    pub registrations_per_hour: u32,
    /// The longest wait.
    pub longest_wait: Duration,
    /// Quiet time after which failures are forgotten.
    pub memory: Duration,
}

impl Default for ThrottleConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            free_per_account: 5,
            free_per_address: 30,
            registrations_per_hour: 60,
            longest_wait: Duration::from_secs(900),
            memory: Duration::from_secs(3600),
        }
    }
}

/// Most places remembered; past it the oldest are forgotten, so that an attacker with many
/// addresses costs memory for so many only.
const CAPACITY: usize = 50_000;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Place {
    Account(String, Network),
    Address(Network),
    Registrations(Network),
}

/// An IPv4 address, or the /64 an IPv6 host can roam in freely.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Network(u128);

impl Network {
    fn of(ip: Option<IpAddr>) -> Self {
        match ip {
            None => Self(0),
            Some(IpAddr::V4(v4)) => Self(v4.to_ipv6_mapped().to_bits()),
            Some(IpAddr::V6(v6)) => match v6.to_ipv4_mapped() {
                Some(v4) => Self(v4.to_ipv6_mapped().to_bits()),
                None => Self(v6.to_bits() & !u128::from(u64::MAX)),
            },
        }
    }
}

#[derive(Clone, Copy)]
struct Count {
    failures: u32,
    last: DateTime<Utc>,
}

pub struct Throttle {
    config: ThrottleConfig,
    counts: Mutex<HashMap<Place, Count>>,
}

impl Throttle {
    pub fn new(config: ThrottleConfig) -> Self {
        Self {
            config,
            counts: Mutex::default(),
        }
    }

    /// Asks before a password is checked.
    ///
    /// # Errors
    /// How long to wait.
    pub fn check_login(
        &self,
        email: &str,
        ip: Option<IpAddr>,
        now: DateTime<Utc>,
    ) -> Result<(), SlowDown> {
        let network = Network::of(ip);
        self.check(
            &Place::Account(email.to_owned(), network),
            self.config.free_per_account,
            now,
        )?;
        self.check(&Place::Address(network), self.config.free_per_address, now)
    }

    pub fn login_failed(&self, email: &str, ip: Option<IpAddr>, now: DateTime<Utc>) {
        let network = Network::of(ip);
        self.count(Place::Account(email.to_owned(), network), now);
        self.count(Place::Address(network), now);
    }

    /// The account's count from this address is over. The address's own stays: one account an
    /// attacker owns must not reset what they did to others.
    pub fn login_succeeded(&self, email: &str, ip: Option<IpAddr>) {
        let place = Place::Account(email.to_owned(), Network::of(ip));
        self.counts.lock().remove(&place);
    }

    /// Counts a registration.
    ///
    /// # Errors
    /// How long to wait.
    pub fn register(&self, ip: Option<IpAddr>, now: DateTime<Utc>) -> Result<(), SlowDown> {
        let place = Place::Registrations(Network::of(ip));
        self.check(&place, self.config.registrations_per_hour, now)?;
        self.count(place, now);
        Ok(())
    }

    fn check(&self, place: &Place, free: u32, now: DateTime<Utc>) -> Result<(), SlowDown> {
        if !self.config.enabled {
            return Ok(());
        }
        let counts = self.counts.lock();
        let Some(count) = counts.get(place) else {
            return Ok(());
        };
        let since = (now - count.last).to_std().unwrap_or_default();
        if since >= self.config.memory || count.failures < free {
            return Ok(());
        }
        let doublings = (count.failures - free).min(20);
        let wait = Duration::from_secs(1 << doublings).min(self.config.longest_wait);
        match wait.checked_sub(since) {
            Some(left) if !left.is_zero() => {
                let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
                Err(SlowDown {
                    retry_after: u32::try_from(seconds).unwrap_or(u32::MAX),
                })
            }
            _ => Ok(()),
        }
    }

    fn count(&self, place: Place, now: DateTime<Utc>) {
        if !self.config.enabled {
            return;
        }
        let mut counts = self.counts.lock();
        if counts.len() >= CAPACITY && !counts.contains_key(&place) {
            forget(&mut counts, self.config.memory, now);
        }
        let count = counts.entry(place).or_insert(Count {
            failures: 0,
            last: now,
        });
        if (now - count.last).to_std().unwrap_or_default() >= self.config.memory {
            count.failures = 0;
        }
        count.failures = count.failures.saturating_add(1);
        count.last = now;
    }
}

/// Drops what is past its time, and if that is not enough the older half.
fn forget(counts: &mut HashMap<Place, Count>, memory: Duration, now: DateTime<Utc>) {
    counts.retain(|_, count| (now - count.last).to_std().unwrap_or_default() < memory);
    if counts.len() < CAPACITY {
        return;
    }
    let mut times: Vec<DateTime<Utc>> = counts.values().map(|count| count.last).collect();
    let middle = times.len() / 2;
    let (_, median, _) = times.select_nth_unstable(middle);
    let median = *median;
    counts.retain(|_, count| count.last > median);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000 + seconds, 0).expect("a moment")
    }

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().expect("an address"))
    }

    #[test]
    fn waits_double_and_end() {
        let throttle = Throttle::new(ThrottleConfig::default());
        let from = ip("198.51.100.1");
        for _ in 0..5 {
            assert_eq!(throttle.check_login("a@b.co", from, at(0)), Ok(()));
            throttle.login_failed("a@b.co", from, at(0));
        }
        assert_eq!(
            throttle.check_login("a@b.co", from, at(0)),
            Err(SlowDown { retry_after: 1 })
        );
        assert_eq!(throttle.check_login("a@b.co", from, at(1)), Ok(()));
        throttle.login_failed("a@b.co", from, at(1));
        throttle.login_failed("a@b.co", from, at(1));
        assert_eq!(
            throttle.check_login("a@b.co", from, at(1)),
            Err(SlowDown { retry_after: 4 })
        );
        for _ in 0..30 {
            throttle.login_failed("a@b.co", from, at(2));
        }
        let longest = throttle
            .check_login("a@b.co", from, at(2))
            .expect_err("waits");
        assert_eq!(longest.retry_after, 900);
        assert_eq!(throttle.check_login("a@b.co", from, at(2 + 3600)), Ok(()));
    }

    #[test]
    fn a_stranger_does_not_lock_the_owner_out() {
        let throttle = Throttle::new(ThrottleConfig::default());
        for n in 0..1000 {
            throttle.login_failed("a@b.co", ip("198.51.100.1"), at(n / 100));
        }
        assert_eq!(
            throttle.check_login("a@b.co", ip("203.0.113.9"), at(10)),
            Ok(())
        );
    }

    #[test]
    fn an_address_that_tries_many_accounts_waits() {
        let throttle = Throttle::new(ThrottleConfig::default());
        for n in 0..30 {
            throttle.login_failed(&format!("{n}@b.co"), ip("2001:db8::1"), at(0));
        }
        // The whole /64 is one place.
        assert!(
            throttle
                .check_login("new@b.co", ip("2001:db8::ffff"), at(0))
                .is_err()
        );
        assert!(
            throttle
                .check_login("new@b.co", ip("2001:db8:0:1::1"), at(0))
                .is_ok()
        );
        throttle.login_succeeded("new@b.co", ip("2001:db8::1"));
        assert!(
            throttle
                .check_login("new@b.co", ip("2001:db8::1"), at(0))
                .is_err()
        );
    }

    #[test]
    fn memory_is_bounded() {
        let throttle = Throttle::new(ThrottleConfig::default());
        for n in 0..CAPACITY + 10 {
            throttle.login_failed(&format!("{n}@b.co"), None, at(0));
        }
        assert!(throttle.counts.lock().len() <= CAPACITY + 2);
    }
}
