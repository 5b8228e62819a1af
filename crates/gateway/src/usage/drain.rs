//! From the journal into the database.
//!
//! A thread of its own: SQLite works on the calling thread, and while it waits for its disk nothing
//! else shall. It sleeps between batches, so the more calls there are the larger batches become.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use apiverse_journal::{Batch, Journal, Reader};
use apiverse_store::{Ingested, Store, StoreError, UsageEvent, UsageMark};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::record::decode;
use super::touch::Touches;
use crate::call::unix_micros;
use crate::meters::Meters;

/// Pause between batches, when the database keeps up.
const INTERVAL: Duration = Duration::from_millis(500);
/// Events of one transaction.
const EVENTS: usize = 8192;
/// How long a transaction may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// An outage that is longer is told to whoever asks for the node's health.
const BEHIND_AFTER: Duration = Duration::from_secs(5);
/// How often the folder is looked through for what other processes left.
const ADOPT_EVERY: Duration = Duration::from_secs(30);

pub(super) enum Command {
    /// Answered once everything recorded before is stored.
    Flush(oneshot::Sender<()>),
    /// Answered once the thread has ended.
    Stop(oneshot::Sender<()>),
}

pub(super) struct Drain {
    reader: Reader,
    journal: Journal,
    store: Store,
    meters: Arc<Meters>,
    runtime: Handle,
    commands: Receiver<Command>,
    flushes: Vec<oneshot::Sender<()>>,
    batch: Batch,
    /// Events of the next transaction at most; fewer while the database refuses some.
    limit: usize,
    touches: Touches,
    sync_interval: Duration,
    /// When everything that was recorded was stored or on the disk.
    safe_at: Instant,
    adopted_at: Option<Instant>,
    failing_since: Option<Instant>,
    is_behind: Arc<AtomicBool>,
    dropped: u64,
}

impl Drain {
    #[expect(clippy::too_many_arguments, reason = "all that the thread works with")]
    pub(super) fn start(
        reader: Reader,
        journal: Journal,
        store: Store,
        meters: Arc<Meters>,
        runtime: Handle,
        commands: Receiver<Command>,
        sync_interval: Duration,
        is_behind: Arc<AtomicBool>,
    ) {
        let drain = Self {
            reader,
            journal,
            store,
            meters,
            runtime,
            commands,
            flushes: Vec::new(),
            batch: Batch::default(),
            limit: EVENTS,
            touches: Touches::default(),
            sync_interval,
            safe_at: Instant::now(),
            adopted_at: None,
            failing_since: None,
            is_behind,
            dropped: 0,
        };
        let started = thread::Builder::new()
            .name("usage".to_owned())
            .spawn(move || drain.run());
        if let Err(error) = started {
            // The journal keeps the events; they are stored by the next start.
            tracing::error!(%error, "no thread for usage events: they stay in the journal");
        }
    }

    fn run(mut self) {
        let mut pause = Duration::ZERO;
        let mut retry = FIRST_PAUSE;
        loop {
            match self.commands.recv_timeout(pause) {
                Ok(Command::Flush(done)) => self.flushes.push(done),
                Ok(Command::Stop(done)) => return self.end(done),
                Err(RecvTimeoutError::Timeout) => {}
                // The gateway is gone. What is not stored is found by the next process.
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.adopt();
            match self.store_all() {
                Ok(()) => {
                    self.recovered();
                    self.meters.usage_stored_at.set(unix_micros() as f64 / 1e6);
                    retry = FIRST_PAUSE;
                    pause = INTERVAL;
                    for done in self.flushes.drain(..) {
                        // Whoever asked may have given up.
                        let _ = done.send(());
                    }
                }
                Err(error) => {
                    self.failed(&error);
                    pause = retry;
                    retry = (retry * 2).min(LONGEST_PAUSE);
                }
            }
            self.report();
        }
    }

    fn adopt(&mut self) {
        if self.adopted_at.is_some_and(|at| at.elapsed() < ADOPT_EVERY) {
            return;
        }
        self.adopted_at = Some(Instant::now());
        if let Err(error) = self.reader.adopt() {
            tracing::error!(%error, "journals that were left cannot be taken over");
        }
    }

    /// Stores until nothing is left that was recorded before.
    fn store_all(&mut self) -> Result<(), StoreError> {
        let begun = Instant::now();
        let unknown = self.reader.unpositioned();
        if !unknown.is_empty() {
            let asked = self.store.usage_positions(&unknown);
            for (journal, position) in self.wait(asked)? {
                self.reader.set_position(journal, position);
            }
        }
        loop {
            if self.safe_at.elapsed() >= self.sync_interval {
                self.sync();
            }
            self.reader.fill(&mut self.batch, self.limit);
            if self.batch.is_empty() {
                break;
            }
            let is_full = self.batch.is_full();
            let is_stored = self.store_batch()?;
            if is_stored && !is_full {
                break;
            }
        }
        self.safe_at = self.safe_at.max(begun);
        self.touch_keys();
        self.forget_finished();
        Ok(())
    }

    /// Whether the batch is done with. Not when it has to be tried again.
    fn store_batch(&mut self) -> Result<bool, StoreError> {
        let marks: Vec<UsageMark> = (self.batch.marks().iter())
            .map(|mark| UsageMark {
                journal: mark.journal,
                from: mark.from,
                to: mark.to,
            })
            .collect();
        let events: Vec<UsageEvent<'_>> = self.batch.records().filter_map(decode).collect();
        let unreadable = self.batch.len() - events.len();
        let now_us = unix_micros();
        let stored = self.wait(self.store.usage_ingest(&events, &marks, now_us));
        match stored {
            Ok(Ingested::Stored) => {
                self.meters.usage_written.increment(events.len() as u64);
                self.touches.note(&events);
                if unreadable > 0 {
                    self.meters.usage_dropped.increment(unreadable as u64);
                    tracing::error!(unreadable, "usage events were lost: they cannot be read");
                }
                self.reader.acknowledge(self.batch.marks());
                self.limit = (self.limit * 2).min(EVENTS);
                Ok(true)
            }
            Ok(Ingested::Elsewhere(positions)) => {
                for (journal, position) in positions {
                    self.reader.set_position(journal, position);
                }
                Ok(false)
            }
            Err(error) if error.is_transient() => Err(error),
            // One event that the database will never take must not hold up the others: the batch
            // becomes smaller until it is alone.
            Err(_) if self.batch.len() > 1 => {
                self.limit = self.batch.len() / 2;
                Ok(false)
            }
            Err(error) => {
                let request_id = events.first().map(|event| event.request_id);
                tracing::error!(
                    request_id, error = %error.cause(),
                    "a usage event was lost: the database does not take it"
                );
                let passed_over = self.wait(self.store.usage_ingest(&[], &marks, now_us))?;
                if passed_over == Ingested::Stored {
                    self.meters.usage_dropped.increment(1);
                    self.reader.acknowledge(self.batch.marks());
                }
                Ok(false)
            }
        }
    }

    fn wait<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        self.runtime
            .block_on(async { tokio::time::timeout(PATIENCE, work).await })
            .unwrap_or_else(|_| Err(StoreError::timed_out()))
    }

    /// While the database is away, the disk takes what was recorded.
    fn sync(&mut self) {
        match self.reader.sync() {
            Ok(()) => self.safe_at = Instant::now(),
            Err(error) => tracing::error!(%error, "the journal cannot be brought to the disk"),
        }
    }

    /// Notes when keys were last used.
    fn touch_keys(&mut self) {
        let now = Instant::now();
        let due = self.touches.take_due(now);
        if due.is_empty() {
            return;
        }
        match self.wait(self.store.keys_touch(&due)) {
            Ok(_) => self.touches.were_written(&due, now),
            Err(error) => {
                tracing::debug!(error = %error.cause(), "the keys' last use was not written");
            }
        }
    }

    fn forget_finished(&mut self) {
        let finished = self.reader.take_finished();
        if finished.is_empty() {
            return;
        }
        // Their files are gone: a row that stays is of no harm, and goes after a year.
        if let Err(error) = self.wait(self.store.usage_forget_journals(&finished)) {
            tracing::debug!(error = %error.cause(), "the positions of finished journals stay");
        }
    }

    fn recovered(&mut self) {
        if let Some(since) = self.failing_since.take() {
            let seconds = since.elapsed().as_secs();
            tracing::info!(seconds, "usage events are stored again");
        }
        self.is_behind.store(false, Ordering::Relaxed);
    }

    fn failed(&mut self, error: &StoreError) {
        self.meters.usage_failures.increment(1);
        match self.failing_since {
            None => {
                tracing::warn!(error = %error.cause(), "usage events wait for the database");
                self.failing_since = Some(Instant::now());
            }
            Some(since) if since.elapsed() >= BEHIND_AFTER => {
                self.is_behind.store(true, Ordering::Relaxed);
            }
            Some(_) => {}
        }
        if self.safe_at.elapsed() >= self.sync_interval {
            self.sync();
        }
    }

    fn report(&mut self) {
        let status = self.journal.status();
        self.meters
            .usage_waiting
            .set(self.reader.waiting_bytes() as f64);
        self.meters.usage_journal.set(status.file_bytes as f64);
        let dropped = status.dropped - self.dropped;
        if dropped > 0 {
            self.meters.usage_dropped.increment(dropped);
            tracing::error!(
                dropped,
                "usage events were lost: there was no room for them"
            );
            self.dropped = status.dropped;
        }
    }

    fn end(mut self, done: oneshot::Sender<()>) {
        if let Err(error) = self.store_all() {
            tracing::error!(error = %error.cause(), "usage events stay in the journal for the next start");
        }
        self.report();
        let finished = self.reader.close();
        let forgotten = self.runtime.block_on(async {
            tokio::time::timeout(PATIENCE, self.store.usage_forget_journals(&finished)).await
        });
        if !matches!(forgotten, Ok(Ok(()))) {
            tracing::debug!("the positions of finished journals stay");
        }
        // Whoever asked may have given up.
        let _ = done.send(());
    }
}
