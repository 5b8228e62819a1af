//! Slowing down guessing without locking anybody out.
//!
//! Failed sign-ins are counted for each account together with the address they come from, and for
//! each address alone. Past a free allowance the wait doubles with each further failure.
//!
//! Failures of an account from everywhere never refuse anybody by themselves: otherwise a stranger
//! could lock its owner out. They only shorten the allowance of each single address, so that
//! guessing from many gets fewer guesses from each; whoever has not failed yet has a first try.
//!
//! Checking a password takes a while, so an attempt holds its place in the allowance from its
//! beginning. Attempts beyond it wait until those before them are decided: of many guesses at the
//! same time no more are checked than of guesses one after the other, and many right passwords at
//! the same time are all let through.
//!
//! Nodes tell each other of failures over the bus, Redis' or PostgreSQL's, so that guessing at many
//! nodes is no more than guessing at one. While the bus is away each node counts alone: nobody waits
//! for it, and nobody is let through or kept out because of it. Attempts that are not decided yet are
//! each node's own.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use apiverse_cluster::{Change, Outlet};
use apiverse_contract::UserId;
use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::fault::SlowDown;

/// How much is too much.
#[derive(Clone, Copy, Debug)]
pub struct ThrottleConfig {
    pub enabled: bool,
    /// Failures of one account from one address before waiting begins.
    pub free_per_account: u32,
    /// Failures from one address, whatever the account, before waiting begins.
    pub free_per_address: u32,
    /// Codes of one account's authenticator app, from everywhere, before waiting begins.
    pub free_codes: u32,
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
            free_codes: 10,
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
/// Questions to authenticators from one place before waiting begins.
const FREE_CEREMONIES: u32 = 300;
/// Attempts that may wait for others to be decided; more are refused.
const MOST_WAITING: usize = 256;

/// Accounts stand here as a hash: what is sent as an e-mail address may be of any length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    Account(blake3::Hash, Network),
    Everywhere(blake3::Hash),
    Address(Network),
    Registrations(Network),
    /// Mail that strangers can have sent: to one address, and from one place.
    MailTo(blake3::Hash),
    MailFrom(Network),
    /// Codes of a second factor: only whoever knows the password can try one.
    Codes(UserId),
    /// Questions to authenticators that strangers can have asked.
    Ceremonies(Network),
    /// Text messages, which cost money: to one number, and of one account.
    SmsTo(blake3::Hash),
    SmsOf(UserId),
    /// Somebody another service vouches for, and who is nobody here.
    Elsewhere(blake3::Hash),
}

/// A place as it is counted and told to other nodes: a keyed hash, which says nothing about it to
/// whoever listens and nothing to another installation that shares the Redis.
type Key = u128;

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
    /// Attempts that are not decided yet.
    open: u32,
    last: DateTime<Utc>,
}

impl Count {
    const fn new(now: DateTime<Utc>) -> Self {
        Self {
            failures: 0,
            open: 0,
            last: now,
        }
    }

    fn fail(&mut self, memory: Duration, now: DateTime<Utc>) {
        if since(self.last, now) >= memory {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        self.last = self.last.max(now);
    }
}

/// Whether a place has room for one more attempt.
enum Room {
    Free,
    /// It depends on attempts that are not decided yet.
    Undecided,
    None(SlowDown),
}

pub struct Throttle {
    config: ThrottleConfig,
    counts: Mutex<HashMap<Key, Count>>,
    secret: [u8; 32],
    /// The way to other nodes.
    outlet: Option<Outlet>,
    /// Told whenever an attempt was decided.
    decided: Notify,
    waiting: AtomicUsize,
}

impl Throttle {
    /// `secret` is the same on all nodes of the installation, and nobody else has it.
    pub fn new(config: ThrottleConfig, secret: [u8; 32], outlet: Option<Outlet>) -> Self {
        Self {
            config,
            secret,
            outlet,
            counts: Mutex::default(),
            decided: Notify::new(),
            waiting: AtomicUsize::new(0),
        }
    }

    fn key(&self, place: Place) -> Key {
        let mut hasher = blake3::Hasher::new_keyed(&self.secret);
        let mut add = |tag: u8, parts: [&[u8]; 2]| {
            hasher.update(&[tag]);
            for part in parts {
                hasher.update(part);
            }
        };
        match place {
            Place::Account(email, Network(bits)) => {
                add(1, [email.as_bytes(), &bits.to_le_bytes()]);
            }
            Place::Everywhere(email) => add(2, [email.as_bytes(), &[]]),
            Place::Address(Network(bits)) => add(3, [&bits.to_le_bytes(), &[]]),
            Place::Registrations(Network(bits)) => add(4, [&bits.to_le_bytes(), &[]]),
            Place::MailTo(email) => add(5, [email.as_bytes(), &[]]),
            Place::MailFrom(Network(bits)) => add(6, [&bits.to_le_bytes(), &[]]),
            Place::Codes(id) => add(7, [id.0.as_bytes(), &[]]),
            Place::Ceremonies(Network(bits)) => add(8, [&bits.to_le_bytes(), &[]]),
            Place::SmsTo(phone) => add(9, [phone.as_bytes(), &[]]),
            Place::SmsOf(id) => add(10, [id.0.as_bytes(), &[]]),
            Place::Elsewhere(who) => add(11, [who.as_bytes(), &[]]),
        }
        let mut key = [0; 16];
        hasher.finalize_xof().fill(&mut key);
        Key::from_le_bytes(key)
    }

    /// Takes in what another node counted.
    pub fn hear(&self, change: Change, now: DateTime<Utc>) {
        match change {
            Change::Failure(key) => {
                let mut counts = self.counts.lock();
                self.count_of(&mut counts, key, now)
                    .fail(self.config.memory, now);
            }
            Change::Forgiven(key) => self.pardon(key),
            Change::Api(_)
            | Change::Key(_)
            | Change::Organization(_)
            | Change::Purge(_)
            | Change::Resync => {}
        }
    }

    /// Counts in all these places, here and on the other nodes.
    fn fail(&self, counts: &mut HashMap<Key, Count>, keys: &[Key], now: DateTime<Utc>) {
        for key in keys {
            self.count_of(counts, *key, now)
                .fail(self.config.memory, now);
        }
        if let Some(outlet) = &self.outlet {
            let changes: Vec<Change> = keys.iter().map(|key| Change::Failure(*key)).collect();
            outlet.send(&changes);
        }
    }

    fn pardon(&self, key: Key) {
        let mut counts = self.counts.lock();
        if let Some(count) = counts.get_mut(&key) {
            count.failures = 0;
            if count.open == 0 {
                counts.remove(&key);
            }
        }
    }

    /// Forgets the failures of a place, here and on the other nodes.
    fn forgive(&self, key: Key) {
        self.pardon(key);
        if let Some(outlet) = &self.outlet {
            outlet.send(&[Change::Forgiven(key)]);
        }
    }

    /// Asks before a password is checked, and waits while that depends on others' attempts. What
    /// becomes of the attempt is to be said; one that is dropped, because the check itself could
    /// not be done, does not count.
    ///
    /// # Errors
    /// How long to wait.
    pub async fn login(
        &self,
        email: &str,
        ip: Option<IpAddr>,
        now: DateTime<Utc>,
    ) -> Result<Attempt<'_>, SlowDown> {
        let network = Network::of(ip);
        let email = blake3::hash(email.as_bytes());
        let mut attempt = Attempt {
            throttle: self,
            account: self.key(Place::Account(email, network)),
            address: self.key(Place::Address(network)),
            everywhere: self.key(Place::Everywhere(email)),
            at: now,
            open: false,
        };
        if !self.config.enabled {
            return Ok(attempt);
        }
        let mut place = None;
        loop {
            let decided = self.decided.notified();
            tokio::pin!(decided);
            // From here on no decision is missed.
            decided.as_mut().enable();
            match self.open(&attempt) {
                Room::Free => {
                    attempt.open = true;
                    return Ok(attempt);
                }
                Room::None(slow) => return Err(slow),
                Room::Undecided => {}
            }
            if place.is_none() {
                place = Some(Waiting::begin(&self.waiting).ok_or(SlowDown { retry_after: 1 })?);
            }
            decided.await;
        }
    }

    /// Takes a place in both allowances, or in none.
    fn open(&self, attempt: &Attempt<'_>) -> Room {
        let now = attempt.at;
        let mut counts = self.counts.lock();
        let guessed_at = counts.get(&attempt.everywhere).is_some_and(|count| {
            count.failures >= FREE_EVERYWHERE && since(count.last, now) < self.config.memory
        });
        let free = if guessed_at {
            self.config.free_per_account.min(1)
        } else {
            self.config.free_per_account
        };
        for (place, free) in [
            (attempt.account, free),
            (attempt.address, self.config.free_per_address),
        ] {
            match self.room(counts.get(&place), free, now) {
                Room::Free => {}
                full => return full,
            }
        }
        for place in [attempt.account, attempt.address] {
            self.count_of(&mut counts, place, now).open += 1;
        }
        Room::Free
    }

    /// Counts a registration.
    ///
    /// # Errors
    /// How long to wait.
    pub fn register(&self, ip: Option<IpAddr>, now: DateTime<Utc>) -> Result<(), SlowDown> {
        let place = self.key(Place::Registrations(Network::of(ip)));
        if !self.config.enabled {
            return Ok(());
        }
        let mut counts = self.counts.lock();
        let free = self.config.registrations_per_hour;
        if let Room::None(slow) = self.room(counts.get(&place), free, now) {
            return Err(slow);
        }
        self.fail(&mut counts, &[place], now);
        Ok(())
    }

    /// Counts a mail that somebody asks for. False when its address has had enough: whoever asks
    /// must not be told.
    ///
    /// # Errors
    /// How long to wait, when too many were asked for from one place.
    pub fn mail(
        &self,
        email: &str,
        ip: Option<IpAddr>,
        now: DateTime<Utc>,
    ) -> Result<bool, SlowDown> {
        if !self.config.enabled {
            return Ok(true);
        }
        let from = self.key(Place::MailFrom(Network::of(ip)));
        let to = self.key(Place::MailTo(blake3::hash(email.as_bytes())));
        let mut counts = self.counts.lock();
        let free = self.config.free_per_address;
        if let Room::None(slow) = self.room(counts.get(&from), free, now) {
            return Err(slow);
        }
        let free = self.config.free_per_account;
        let has_room = matches!(self.room(counts.get(&to), free, now), Room::Free);
        self.fail(&mut counts, &[from, to], now);
        Ok(has_room)
    }

    /// Counts a code of an authenticator app before it is checked, from wherever it comes: a million
    /// of them are few. A stranger cannot use this up, since they are not asked for a code.
    ///
    /// # Errors
    /// How long to wait.
    pub fn code(&self, user_id: UserId, now: DateTime<Utc>) -> Result<(), SlowDown> {
        if !self.config.enabled {
            return Ok(());
        }
        let place = self.key(Place::Codes(user_id));
        let mut counts = self.counts.lock();
        let free = self.config.free_codes;
        if let Room::None(slow) = self.room(counts.get(&place), free, now) {
            return Err(slow);
        }
        self.fail(&mut counts, &[place], now);
        Ok(())
    }

    /// Counts a question to an authenticator that somebody has asked without signing in.
    ///
    /// # Errors
    /// How long to wait.
    pub fn ceremony(&self, ip: Option<IpAddr>, now: DateTime<Utc>) -> Result<(), SlowDown> {
        self.count(&[Place::Ceremonies(Network::of(ip))], FREE_CEREMONIES, now)
    }

    /// Counts a text message before it is sent.
    ///
    /// # Errors
    /// How long to wait.
    pub fn sms(&self, phone: &str, user_id: UserId, now: DateTime<Utc>) -> Result<(), SlowDown> {
        let to = Place::SmsTo(blake3::hash(phone.as_bytes()));
        let places = [to, Place::SmsOf(user_id)];
        self.count(&places, self.config.free_per_account, now)
    }

    /// Whether somebody another service vouches for may try again to be somebody here: each token
    /// of theirs costs questions and a line of the audit log.
    ///
    /// # Errors
    /// How long to wait.
    pub fn elsewhere(
        &self,
        issuer: &str,
        subject: &str,
        now: DateTime<Utc>,
    ) -> Result<(), SlowDown> {
        let place = self.key(Place::Elsewhere(who(issuer, subject)));
        let counts = self.counts.lock();
        match self.room(counts.get(&place), self.config.free_per_account, now) {
            Room::None(slow) if self.config.enabled => Err(slow),
            _ => Ok(()),
        }
    }

    /// They were nobody.
    pub fn elsewhere_failed(&self, issuer: &str, subject: &str, now: DateTime<Utc>) {
        let place = self.key(Place::Elsewhere(who(issuer, subject)));
        self.fail(&mut self.counts.lock(), &[place], now);
    }

    /// Counts something in all places, if there is room in each.
    fn count(&self, places: &[Place], free: u32, now: DateTime<Utc>) -> Result<(), SlowDown> {
        if !self.config.enabled {
            return Ok(());
        }
        let keys: Vec<Key> = places.iter().map(|place| self.key(*place)).collect();
        let mut counts = self.counts.lock();
        for key in &keys {
            if let Room::None(slow) = self.room(counts.get(key), free, now) {
                return Err(slow);
            }
        }
        self.fail(&mut counts, &keys, now);
        Ok(())
    }

    /// The code was right: those before it were typing errors.
    pub fn code_was_right(&self, user_id: UserId) {
        self.forgive(self.key(Place::Codes(user_id)));
    }

    fn room(&self, count: Option<&Count>, free: u32, now: DateTime<Utc>) -> Room {
        let Some(count) = count else {
            return Room::Free;
        };
        let since = since(count.last, now);
        let failures = if since >= self.config.memory {
            0
        } else {
            count.failures
        };
        if failures.saturating_add(count.open) < free {
            return Room::Free;
        }
        if failures >= free {
            let doublings = (failures - free).min(20);
            let wait = Duration::from_secs(1 << doublings).min(self.config.longest_wait);
            let left = wait.saturating_sub(since);
            if !left.is_zero() {
                let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
                return Room::None(SlowDown {
                    retry_after: u32::try_from(seconds).unwrap_or(u32::MAX),
                });
            }
        }
        // The allowance is used up by attempts that are not decided, or the wait is over, and
        // then there is one attempt at a time.
        if count.open > 0 {
            Room::Undecided
        } else {
            Room::Free
        }
    }

    fn count_of<'c>(
        &self,
        counts: &'c mut HashMap<Key, Count>,
        place: Key,
        now: DateTime<Utc>,
    ) -> &'c mut Count {
        if counts.len() >= CAPACITY && !counts.contains_key(&place) {
            forget(counts, self.config.memory, now);
        }
        counts.entry(place).or_insert(Count::new(now))
    }
}

fn who(issuer: &str, subject: &str) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(blake3::hash(issuer.as_bytes()).as_bytes());
    hasher.update(subject.as_bytes());
    hasher.finalize()
}

/// A sign-in that was let through.
#[must_use]
pub struct Attempt<'a> {
    throttle: &'a Throttle,
    account: Key,
    address: Key,
    everywhere: Key,
    at: DateTime<Utc>,
    /// Whether it has a place in the allowances that is to be given back.
    open: bool,
}

impl Attempt<'_> {
    /// The password was wrong.
    pub fn failed(self) {
        if !self.open {
            return;
        }
        let throttle = self.throttle;
        let mut counts = throttle.counts.lock();
        let places = [self.account, self.address, self.everywhere];
        throttle.fail(&mut counts, &places, self.at);
        drop(counts);
        // Dropping gives the places back.
    }

    /// The account's count from this address is over. The other counts stay: one account an
    /// attacker owns must not reset what they did to others.
    pub fn succeeded(self) {
        // Whoever had not failed has nothing to be forgiven, here or elsewhere.
        let had_failed = self.throttle.counts.lock().get(&self.account).copied();
        if had_failed.is_some_and(|count| count.failures > 0) {
            self.throttle.forgive(self.account);
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        let mut counts = self.throttle.counts.lock();
        for place in [self.account, self.address] {
            let Some(count) = counts.get_mut(&place) else {
                continue;
            };
            count.open = count.open.saturating_sub(1);
            if count.open == 0 && count.failures == 0 {
                counts.remove(&place);
            }
        }
        drop(counts);
        self.throttle.decided.notify_waiters();
    }
}

/// One who waits, counted however they leave.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    /// `None` when there are too many already.
    fn begin(waiting: &'a AtomicUsize) -> Option<Self> {
        let place = Self(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < MOST_WAITING).then_some(place)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn since(last: DateTime<Utc>, now: DateTime<Utc>) -> Duration {
    (now - last).to_std().unwrap_or_default()
}

/// Drops what is past its time, and if that is not enough the older half.
fn forget(counts: &mut HashMap<Key, Count>, memory: Duration, now: DateTime<Utc>) {
    counts.retain(|_, count| count.open > 0 || since(count.last, now) < memory);
    if counts.len() < CAPACITY {
        return;
    }
    let mut times: Vec<DateTime<Utc>> = counts.values().map(|count| count.last).collect();
    let middle = times.len() / 2;
    let (_, median, _) = times.select_nth_unstable(middle);
    let median = *median;
    counts.retain(|_, count| count.open > 0 || count.last > median);
}

#[cfg(test)]
mod tests;
