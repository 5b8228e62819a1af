//! Calls as they come, for any number of readers.
//!
//! One task for each watched organization reads what is stored, and gives it to all its readers
//! through a ring of bounded size. A reader that is too slow misses what the ring has let go of,
//! is told how many calls that were, and holds up nobody. The text that a reader without a filter
//! gets is written once for all of them.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use apiverse_contract::OrganizationId;
use apiverse_contract::usage::{LiveCall, LiveCounters, LiveQuery};
use apiverse_store::{LIVE_KEPT_US, LiveRow, Store};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self, Receiver, Sender};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use crate::actor::Actor;
use crate::clock::Clock;
use crate::fault::{Invalid, operation_error};
use crate::permissions::Permission;
use crate::platform::Platform;

operation_error! {
    /// Why calls cannot be watched.
    LiveError { Forbidden, Invalid }
}

/// How often what is stored is looked for.
const EVERY: Duration = Duration::from_millis(250);
/// How often it is said that somebody watches. Calls are stored for as long after the last time
/// as they are kept, so that a reader that comes back misses none.
const SAY_EVERY: Duration = Duration::from_secs(10);
/// A reader that was away for longer may have missed calls.
const RESUMES_US: i64 = LIVE_KEPT_US - 20_000_000;
/// Portions in the ring: of 500 calls each at most, so some 10 MiB for an organization at worst.
const RING: usize = 32;
/// After half a ring of portions the readers get this long to read them: very many at once would
/// make the quickest miss some.
const PAUSE: Duration = Duration::from_millis(20);
/// Rows that are read at once.
const ROWS: u32 = 128;
/// Rows of other nodes may become visible this much later than later ones.
const OVERLAP: i64 = 64;
/// Rows that a reader remembers from catching up, for the ring may bring them again.
const REMEMBERED: usize = 256;
/// How often counters are told.
const COUNTERS_EVERY: Duration = Duration::from_secs(1);

/// Calls that were stored together, written once for all readers.
struct Frame {
    id: i64,
    /// Calls up to and including these, since the feed began: what was missed is the difference.
    total: u64,
    left_out: u64,
    /// Each with its place in `json`.
    calls: Vec<(LiveCall, Range<usize>)>,
    /// All of them.
    json: Bytes,
}

/// One organization's calls.
struct Feed {
    frames: Sender<Arc<Frame>>,
    /// Calls so far.
    total: AtomicU64,
}

/// The feeds that have readers.
#[derive(Default)]
pub(crate) struct Feeds(Mutex<HashMap<OrganizationId, Weak<Feed>>>);

/// Said once, when all streams are to end.
pub(crate) struct Ending(watch::Sender<bool>);

impl Default for Ending {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

/// Where a reader was: the last row it was told of, and when that was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    id: i64,
    at_us: i64,
}

impl Place {
    fn parse(text: &str) -> Option<Self> {
        let (id, at_us) = text.split_once('-')?;
        Some(Self {
            id: id.parse().ok()?,
            at_us: at_us.parse().ok()?,
        })
    }
}

/// What a reader gets. `place` is what to come back with to go on from there.
#[derive(Clone, Debug, PartialEq)]
pub enum LiveEvent {
    /// Calls as a JSON array.
    Calls { place: String, json: Bytes },
    /// What the calls since the last such event come to.
    Counters {
        place: String,
        counters: LiveCounters,
    },
    /// So many calls were not told.
    Dropped(u64),
    /// The place to go on from is not kept any more: calls in between may have been missed.
    Gap,
}

/// A reader.
pub struct LiveStream {
    organization_id: OrganizationId,
    store: Store,
    clock: Clock,
    query: LiveQuery,
    /// What is told before anything else: at most what one row came to.
    first: VecDeque<LiveEvent>,
    /// The row after which a reader that came back has to be told of those in the database.
    behind: Option<i64>,
    /// Rows told so.
    caught: VecDeque<i64>,
    frames: Receiver<Arc<Frame>>,
    /// The latest row that was told.
    last: i64,
    /// Calls of the feed so far.
    seen: u64,
    counters: LiveCounters,
    counters_at: Instant,
    ending: watch::Receiver<bool>,
    /// Keeps the task going.
    feed: Arc<Feed>,
    platform: Platform,
}

impl Drop for LiveStream {
    fn drop(&mut self) {
        self.platform.inner.meters.streams.decrement(1.0);
    }
}

impl Platform {
    /// Watches calls. `after` is the place of the last event that came, of a reader that comes
    /// back.
    ///
    /// # Errors
    /// See [`LiveError`].
    pub async fn usage_live(
        &self,
        actor: &Actor,
        query: LiveQuery,
        after: Option<&str>,
    ) -> Result<LiveStream, LiveError> {
        let permit = actor.require(Permission::UsageRead)?;
        let organization_id = permit.organization_id();
        let place = match after {
            None => None,
            Some(text) => Some(Place::parse(text).ok_or_else(|| {
                Invalid::one("Last-Event-ID", "is not the id of an event of this stream")
            })?),
        };
        let store = self.store();
        let now_us = self.now().timestamp_micros();
        store
            .usage_watch(organization_id, now_us.saturating_add(LIVE_KEPT_US))
            .await?;
        let latest = store.usage_live_latest().await?;
        let feed = self.feed(organization_id, latest);
        let mut stream = LiveStream {
            organization_id,
            store: store.clone(),
            clock: self.inner.clock.clone(),
            query,
            first: VecDeque::new(),
            behind: None,
            caught: VecDeque::new(),
            frames: feed.frames.subscribe(),
            last: latest,
            seen: feed.total.load(Ordering::Relaxed),
            counters: LiveCounters::default(),
            counters_at: Instant::now() + COUNTERS_EVERY,
            ending: self.inner.ending.0.subscribe(),
            feed,
            platform: self.clone(),
        };
        self.inner.meters.streams.increment(1.0);
        if let Some(place) = place {
            if place.at_us < now_us.saturating_sub(RESUMES_US) {
                stream.first.push_back(LiveEvent::Gap);
            } else {
                stream.last = place.id;
                stream.behind = Some(place.id);
            }
        }
        Ok(stream)
    }

    /// Ends all streams, now and later, so that the server can stop.
    pub fn end_streams(&self) {
        self.inner.ending.0.send_replace(true);
    }

    fn feed(&self, organization_id: OrganizationId, latest: i64) -> Arc<Feed> {
        let mut feeds = self.inner.feeds.0.lock();
        if let Some(feed) = feeds.get(&organization_id).and_then(Weak::upgrade) {
            return feed;
        }
        feeds.retain(|_, feed| feed.strong_count() > 0);
        let (frames, _) = broadcast::channel(RING);
        let feed = Arc::new(Feed {
            frames,
            total: AtomicU64::new(0),
        });
        feeds.insert(organization_id, Arc::downgrade(&feed));
        tokio::spawn(pump(
            self.store().clone(),
            self.inner.clock.clone(),
            organization_id,
            Arc::downgrade(&feed),
            latest,
        ));
        feed
    }
}

/// Reads until nobody watches any more.
async fn pump(
    store: Store,
    clock: Clock,
    organization_id: OrganizationId,
    feed: Weak<Feed>,
    latest: i64,
) {
    let mut after = latest;
    // What was told of late, as rows are read again in case others became visible between them.
    let mut told: VecDeque<i64> = VecDeque::new();
    let mut said_at: Option<Instant> = None;
    loop {
        sleep(EVERY).await;
        let Some(feed) = feed.upgrade() else { return };
        if said_at.is_none_or(|at| at.elapsed() >= SAY_EVERY) {
            let until_us = clock.now().timestamp_micros().saturating_add(LIVE_KEPT_US);
            match store.usage_watch(organization_id, until_us).await {
                Ok(()) => said_at = Some(Instant::now()),
                Err(error) => tracing::debug!(error = %error.cause(), "watching waits"),
            }
        }
        let from = after.saturating_sub(OVERLAP).max(latest);
        let rows = match store.usage_live_after(organization_id, from, ROWS).await {
            Ok(rows) => rows,
            Err(error) => {
                tracing::debug!(error = %error.cause(), "watching waits");
                continue;
            }
        };
        let mut sent = 0;
        for row in rows {
            if told.contains(&row.id) {
                continue;
            }
            if sent == RING / 2 {
                sleep(PAUSE).await;
                sent = 0;
            }
            sent += 1;
            told.push_back(row.id);
            after = after.max(row.id);
            let calls = row.calls.len() as u64 + row.left_out;
            let total = feed.total.fetch_add(calls, Ordering::Relaxed) + calls;
            // An error: nobody listens at this moment.
            let _ = feed.frames.send(Arc::new(frame(row, total)));
        }
        while told.front().is_some_and(|id| *id < after - 2 * OVERLAP) {
            told.pop_front();
        }
    }
}

fn frame(row: LiveRow, total: u64) -> Frame {
    let mut json = vec![b'['];
    let mut calls = Vec::with_capacity(row.calls.len());
    for call in row.calls {
        if json.len() > 1 {
            json.push(b',');
        }
        let start = json.len();
        // Of texts and numbers there is always JSON.
        if serde_json::to_writer(&mut json, &call).is_ok() {
            calls.push((call, start..json.len()));
        }
    }
    json.push(b']');
    Frame {
        id: row.id,
        total,
        left_out: row.left_out,
        calls,
        json: json.into(),
    }
}

impl LiveStream {
    /// What comes next; waits for it. `None`: the server is about to stop.
    pub async fn next(&mut self) -> Option<LiveEvent> {
        loop {
            if *self.ending.borrow() {
                return None;
            }
            if let Some(event) = self.first.pop_front() {
                return Some(event);
            }
            if let Some(after) = self.behind {
                self.catch_up(after).await;
                continue;
            }
            // Looked at first: calls that never cease must not hold the counters up.
            if Instant::now() >= self.counters_at {
                return Some(self.counted());
            }
            let came = tokio::select! {
                came = timeout_at(self.counters_at, self.frames.recv()) => came,
                _ = self.ending.changed() => return None,
            };
            match came {
                Err(_) => return Some(self.counted()),
                Ok(Ok(frame)) => self.take(&frame),
                // How many calls that were is in the next frame.
                Ok(Err(RecvError::Lagged(_))) => {}
                Ok(Err(RecvError::Closed)) => return None,
            }
        }
    }

    /// One row at a time, so that a reader never holds more than that.
    async fn catch_up(&mut self, after: i64) {
        // Before the row is read: what is stored meanwhile is in the ring, or among the rows, or
        // both.
        self.frames = self.feed.frames.subscribe();
        self.seen = self.feed.total.load(Ordering::Relaxed);
        let rows = self
            .store
            .usage_live_after(self.organization_id, after, 1)
            .await;
        match rows.map(|mut rows| rows.pop()) {
            Ok(Some(row)) => {
                self.behind = Some(row.id);
                if self.caught.len() == REMEMBERED {
                    self.caught.pop_front();
                }
                self.caught.push_back(row.id);
                self.tell(&frame(row, 0));
            }
            Ok(None) => self.behind = None,
            Err(error) => {
                tracing::debug!(error = %error.cause(), "a reader misses calls");
                self.behind = None;
                self.first.push_back(LiveEvent::Gap);
            }
        }
    }

    fn take(&mut self, frame: &Frame) {
        // What was missed in the ring shows in the count of the next frame.
        let before = frame.total - frame.calls.len() as u64 - frame.left_out;
        let missed = before.saturating_sub(self.seen);
        self.seen = frame.total;
        if missed > 0 {
            self.missed(missed);
        }
        if !self.caught.contains(&frame.id) {
            self.tell(frame);
        }
    }

    fn missed(&mut self, calls: u64) {
        self.platform.inner.meters.missed.increment(calls);
        self.first.push_back(LiveEvent::Dropped(calls));
    }

    /// The calls of a frame that are meant.
    fn tell(&mut self, frame: &Frame) {
        self.last = self.last.max(frame.id);
        if frame.left_out > 0 {
            self.missed(frame.left_out);
        }
        let is_any = self.query.is_any();
        let mut json = Vec::new();
        for (call, range) in &frame.calls {
            if !is_any && !self.query.admits(call) {
                continue;
            }
            self.counters.add(call);
            if !is_any {
                json.push(if json.is_empty() { b'[' } else { b',' });
                json.extend_from_slice(&frame.json[range.clone()]);
            }
        }
        let json = if is_any {
            frame.json.clone()
        } else {
            json.push(b']');
            json.into()
        };
        // More than a bracket or two.
        if json.len() > 2 {
            let place = self.place();
            self.first.push_back(LiveEvent::Calls { place, json });
        }
    }

    fn counted(&mut self) -> LiveEvent {
        self.counters_at = Instant::now() + COUNTERS_EVERY;
        LiveEvent::Counters {
            place: self.place(),
            counters: std::mem::take(&mut self.counters),
        }
    }

    fn place(&self) -> String {
        format!("{}-{}", self.last, self.clock.now().timestamp_micros())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back() {
        let place = Place {
            id: 7,
            at_us: 1_790_000_000_000_000,
        };
        let text = format!("{}-{}", place.id, place.at_us);
        assert_eq!(Place::parse(&text), Some(place));
        for text in ["", "7", "7-", "-", "x-7", "7-x", "7-8-9"] {
            assert_eq!(Place::parse(text), None, "{text}");
        }
    }
}
