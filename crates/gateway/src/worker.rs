//! What one thread of the data plane has for itself: nothing here is shared, nothing is locked.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use apiverse_cache::KeyWriter;
use http::HeaderValue;

use crate::Gateway;
use crate::activity::Activities;
use crate::buffers::Buffers;
use crate::call::unix_micros;
use crate::edge::Links;
use crate::explain::Budget;
use crate::keys::{Guesses, TEST_TAG, VerifiedKeys};
use crate::limits::ReadySets;
use crate::places::Places;
use crate::timer::Timer;
use crate::upstream::Pool;
use crate::usage::{Event, EventWriter};

/// How often idle connections are looked through.
const SWEEP: Duration = Duration::from_secs(5);

/// The state of one thread.
pub(crate) struct Worker {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) timer: Timer,
    pub(crate) pool: Pool,
    /// Plain connections, for plain calls.
    pub(crate) links: Links,
    pub(crate) buffers: Buffers,
    date: RefCell<Date>,
    pub(crate) explain_budget: Budget,
    pub(crate) cache_keys: RefCell<KeyWriter>,
    pub(crate) guesses: RefCell<Guesses>,
    pub(crate) places: RefCell<Places>,
    /// The edge is about to end: what has no end of its own is ended.
    pub(crate) is_closing: Cell<bool>,
    /// Calls under way.
    pub(crate) under_way: Cell<usize>,
    /// Copies of calls under way.
    pub(crate) mirrored: Cell<usize>,
    pub(crate) verified: RefCell<VerifiedKeys>,
    pub(crate) limits: ReadySets,
    /// Connections and tunnels.
    pub(crate) activities: Activities,
    /// `Via` for requests received in HTTP/1.0, 1.1 and 2.
    pub(crate) via: [HeaderValue; 3],
    events: EventWriter,
}

/// The text of `Date` and the second since 1970 it is for.
#[derive(Default)]
struct Date {
    second: i64,
    text: Rc<[u8]>,
}

impl Worker {
    pub(crate) fn new(gateway: Arc<Gateway>) -> Rc<Self> {
        let config = &gateway.config;
        let timer = Timer::new();
        let pool = Pool::new(
            timer.clone(),
            config.pool_idle_timeout,
            config.pool_max_idle,
        );
        let via = ["1.0", "1.1", "2"].map(|version| {
            HeaderValue::from_str(&format!("{version} {}", config.via))
                .unwrap_or_else(|_| HeaderValue::from_static("1.1 apiverse"))
        });
        Rc::new(Self {
            verified: RefCell::new(VerifiedKeys::new(config.verified_keys)),
            links: Links::new(
                timer.clone(),
                config.pool_idle_timeout,
                config.pool_max_idle,
            ),
            buffers: Buffers::default(),
            date: RefCell::default(),
            limits: ReadySets::default(),
            explain_budget: Budget::default(),
            cache_keys: RefCell::default(),
            guesses: RefCell::default(),
            places: RefCell::new(Places::new()),
            is_closing: Cell::new(false),
            under_way: Cell::new(0),
            mirrored: Cell::new(0),
            timer,
            pool,
            activities: Activities::default(),
            via,
            events: gateway.usage.writer(),
            gateway,
        })
    }

    /// Runs what the thread does beside serving, on its own tasks.
    pub(crate) fn start(self: &Rc<Self>) {
        tokio::task::spawn_local(self.timer.clone().run());
        tokio::task::spawn_local(sweep(self.pool.clone()));
        tokio::task::spawn_local(sweep_links(self.links.clone()));
    }

    /// Whether a call with this key is one too many. Calls with test keys are the first to go: at
    /// four fifths of what is allowed. Asked before the key is checked, as an overloaded node must
    /// say no cheaply; who pretends to have a live key is refused by the check.
    pub(crate) fn sheds(&self, key: &[u8]) -> bool {
        let most = self.gateway.config.max_calls_of_thread;
        let most = if key.starts_with(TEST_TAG) {
            most / 5 * 4
        } else {
            most
        };
        self.under_way.get() > most
    }

    /// The time as `Date` has it (RFC 9110, 5.6.7).
    pub(crate) fn date(&self) -> Rc<[u8]> {
        let second = unix_micros() / 1_000_000;
        let mut date = self.date.borrow_mut();
        if date.second != second {
            *date = Date {
                second,
                text: httpdate::fmt_http_date(SystemTime::now())
                    .into_bytes()
                    .into(),
            };
        }
        Rc::clone(&date.text)
    }

    /// Takes an event down: when this returns, it outlives the process.
    pub(crate) fn record(&self, event: Event<'_>) {
        self.events.record(&event);
    }
}

async fn sweep(pool: Pool) {
    loop {
        pool.filled().await;
        while !pool.is_empty() {
            tokio::time::sleep(SWEEP).await;
            pool.sweep();
        }
    }
}

async fn sweep_links(links: Links) {
    loop {
        links.filled().await;
        while !links.is_empty() {
            tokio::time::sleep(SWEEP).await;
            links.sweep();
        }
    }
}
