//! Slowing down guessing without locking anybody out.
//!
//! Failed sign-ins are counted for each account together with the address they come from, and for
//! each address alone. Past a free allowance the wait doubles with each further failure.
//!
//! Failures of an account from everywhere never refuse anybody by themselves: otherwise a stranger
//! could lock its owner out. They only shorten the allowance of each single address, so that
//! guessing from many gets fewer guesses from each; whoever has not failed yet has a first try.
//!
//! Checking a password takes a while. Where there were failures before, an attempt counts from its
//! beginning, or many at the same time would all pass before the first of them has failed.

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
/// Failures of one account from everywhere after which a single address has one free attempt.
const FREE_EVERYWHERE: u32 = 100;

/// Accounts stand here as a hash: what is sent as an e-mail address may be of any length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    Account(blake3::Hash, Network),
    Everywhere(blake3::Hash),
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

    /// Asks before a password is checked. What becomes of the attempt is to be said; one that is
    /// dropped, because the check itself could not be done, does not count.
    ///
    /// # Errors
    /// How long to wait.
    pub fn login(
        &self,
        email: &str,
        ip: Option<IpAddr>,
        now: DateTime<Utc>,
    ) -> Result<Attempt<'_>, SlowDown> {
        let network = Network::of(ip);
        let email = blake3::hash(email.as_bytes());
        let mut attempt = Attempt {
            throttle: self,
            account: Place::Account(email, network),
            address: Place::Address(network),
            everywhere: Place::Everywhere(email),
            at: now,
            reserved: Vec::new(),
        };
        if !self.config.enabled {
            return Ok(attempt);
        }
        let mut counts = self.counts.lock();
        let guessed_at = counts.get(&attempt.everywhere).is_some_and(|count| {
            count.failures >= FREE_EVERYWHERE && since(count.last, now) < self.config.memory
        });
        let free = if guessed_at {
            self.config.free_per_account.min(1)
        } else {
            self.config.free_per_account
        };
        self.check(&counts, &attempt.account, free, now)?;
        self.check(&counts, &attempt.address, self.config.free_per_address, now)?;
        for place in [attempt.account, attempt.address] {
            if let Some(count) = counts.get_mut(&place) {
                attempt.reserved.push((place, count.last));
                self.add(count, now);
            }
        }
        drop(counts);
        Ok(attempt)
    }

    /// Counts a registration.
    ///
    /// # Errors
    /// How long to wait.
    pub fn register(&self, ip: Option<IpAddr>, now: DateTime<Utc>) -> Result<(), SlowDown> {
        let place = Place::Registrations(Network::of(ip));
        if !self.config.enabled {
            return Ok(());
        }
        let mut counts = self.counts.lock();
        self.check(&counts, &place, self.config.registrations_per_hour, now)?;
        self.count(&mut counts, place, now);
        Ok(())
    }

    fn check(
        &self,
        counts: &HashMap<Place, Count>,
        place: &Place,
        free: u32,
        now: DateTime<Utc>,
    ) -> Result<(), SlowDown> {
        let Some(count) = counts.get(place) else {
            return Ok(());
        };
        let since = since(count.last, now);
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

    fn count(&self, counts: &mut HashMap<Place, Count>, place: Place, now: DateTime<Utc>) {
        if counts.len() >= CAPACITY && !counts.contains_key(&place) {
            forget(counts, self.config.memory, now);
        }
        let count = counts.entry(place).or_insert(Count {
            failures: 0,
            last: now,
        });
        self.add(count, now);
    }

    fn add(&self, count: &mut Count, now: DateTime<Utc>) {
        if since(count.last, now) >= self.config.memory {
            count.failures = 0;
        }
        count.failures = count.failures.saturating_add(1);
        count.last = now;
    }
}

/// A sign-in that was let through.
#[must_use]
pub struct Attempt<'a> {
    throttle: &'a Throttle,
    account: Place,
    address: Place,
    everywhere: Place,
    at: DateTime<Utc>,
    /// Where it counts already, and when the failure before it was.
    reserved: Vec<(Place, DateTime<Utc>)>,
}

impl Attempt<'_> {
    /// The password was wrong.
    pub fn failed(mut self) {
        if !self.throttle.config.enabled {
            return;
        }
        let reserved = std::mem::take(&mut self.reserved);
        let mut counts = self.throttle.counts.lock();
        for place in [self.account, self.address, self.everywhere] {
            if !reserved.iter().any(|&(counted, _)| counted == place) {
                self.throttle.count(&mut counts, place, self.at);
            }
        }
    }

    /// The account's count from this address is over. The other counts stay: one account an
    /// attacker owns must not reset what they did to others.
    pub fn succeeded(self) {
        self.throttle.counts.lock().remove(&self.account);
    }
}

impl Drop for Attempt<'_> {
    /// Takes back what was counted in advance.
    fn drop(&mut self) {
        if self.reserved.is_empty() {
            return;
        }
        let mut counts = self.throttle.counts.lock();
        for (place, last) in self.reserved.drain(..) {
            let Some(count) = counts.get_mut(&place) else {
                continue;
            };
            count.failures = count.failures.saturating_sub(1);
            if count.last == self.at {
                count.last = last;
            }
            if count.failures == 0 {
                counts.remove(&place);
            }
        }
    }
}

fn since(last: DateTime<Utc>, now: DateTime<Utc>) -> Duration {
    (now - last).to_std().unwrap_or_default()
}

/// Drops what is past its time, and if that is not enough the older half.
fn forget(counts: &mut HashMap<Place, Count>, memory: Duration, now: DateTime<Utc>) {
    counts.retain(|_, count| since(count.last, now) < memory);
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
mod tests;
