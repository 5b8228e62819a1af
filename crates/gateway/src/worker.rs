//! What one thread of the data plane has for itself: nothing here is shared, nothing is locked.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::Gateway;
use crate::activity::Activities;
use crate::buffers::Buffers;
use crate::call::unix_micros;
use crate::edge::Links;
use crate::keys::VerifiedKeys;
use crate::limits::ReadySets;
use crate::timer::Timer;
use crate::upstream::Pool;
use crate::usage::{Batch, Event};

/// Events that are handed over at once.
const BATCH: usize = 1024;
/// Longest time an event stays with its thread.
const HAND_OVER: Duration = Duration::from_millis(150);
/// Events a thread holds when the writer is behind; beyond that they are dropped and counted.
const MAX_HELD: usize = 16 * BATCH;
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
    pub(crate) verified: RefCell<VerifiedKeys>,
    pub(crate) limits: ReadySets,
    /// Connections and tunnels.
    pub(crate) activities: Activities,
    /// `Via` for requests received in HTTP/1.0, 1.1 and 2.
    pub(crate) via: [HeaderValue; 3],
    batch: RefCell<Batch>,
    /// The batch has got its first event.
    batch_begun: Notify,
}

/// The text of `Date` and the second since 1970 it is for.
#[derive(Default)]
struct Date {
    second: i64,
    text: Rc<[u8]>,
}

/// A request to hand over now; answered when it is done.
pub(crate) type FlushRequest = oneshot::Sender<()>;

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
            timer,
            pool,
            activities: Activities::default(),
            via,
            batch: RefCell::default(),
            batch_begun: Notify::new(),
            gateway,
        })
    }

    /// Runs what the thread does beside serving, on its own tasks.
    pub(crate) fn start(self: &Rc<Self>) {
        tokio::task::spawn_local(self.timer.clone().run());
        let requests = self.gateway.register_worker();
        tokio::task::spawn_local(hand_over(Rc::clone(self), requests));
        tokio::task::spawn_local(sweep(self.pool.clone()));
        tokio::task::spawn_local(sweep_links(self.links.clone()));
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

    /// Takes an event down.
    pub(crate) fn record(&self, event: Event<'_>) {
        let mut batch = self.batch.borrow_mut();
        batch.push(event);
        let held = batch.len();
        if held == 1 {
            self.batch_begun.notify_one();
        }
        if held.is_multiple_of(BATCH) {
            let full = std::mem::take(&mut *batch);
            drop(batch);
            self.offer(full);
        }
    }

    /// Hands all events over.
    pub(crate) fn flush(&self) {
        let batch = std::mem::take(&mut *self.batch.borrow_mut());
        if !batch.is_empty() {
            self.offer(batch);
        }
    }

    fn offer(&self, batch: Batch) {
        if let Err(batch) = self.gateway.usage.offer(batch) {
            if batch.len() >= MAX_HELD {
                self.gateway.usage.drop_batch(&batch);
            } else {
                *self.batch.borrow_mut() = batch;
                self.batch_begun.notify_one();
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Hands events over soon after the first of them, and when asked to.
async fn hand_over(worker: Rc<Worker>, mut requests: mpsc::UnboundedReceiver<FlushRequest>) {
    loop {
        let request = tokio::select! {
            () = worker.batch_begun.notified() => {
                let pause = tokio::time::sleep(HAND_OVER);
                tokio::select! {
                    () = pause => None,
                    request = requests.recv() => request,
                }
            }
            request = requests.recv() => request,
        };
        worker.flush();
        if let Some(done) = request {
            // Whoever asked may have given up.
            let _ = done.send(());
        }
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
