//! Writes usage events to the database.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use apiverse_contract::KeyId;
use apiverse_store::{Store, StoreError, UsageRow};
use chrono::{DateTime, Utc};
use tokio::sync::{mpsc, oneshot};

use super::Batch;
use crate::meters::Meters;

/// Rows of one statement.
const ROWS: usize = 5000;
/// Batches on their way from the threads to the writer.
const CHANNEL: usize = 256;
/// A key's last use is written this often at most.
const TOUCH_EVERY: Duration = Duration::from_secs(60);
/// Keys whose last write is remembered.
const TOUCHED_KEYS: usize = 100_000;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

enum Message {
    Batch(Batch),
    /// Answered once everything that came before is written.
    Flush(oneshot::Sender<()>),
}

/// Where threads hand their events over.
#[derive(Clone)]
pub(crate) struct Sink {
    messages: mpsc::Sender<Message>,
    meters: Arc<Meters>,
}

impl Sink {
    /// Hands a batch over without waiting. It comes back when the writer is far behind.
    pub(crate) fn offer(&self, batch: Batch) -> Result<(), Batch> {
        match self.messages.try_send(Message::Batch(batch)) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Full(Message::Batch(batch))) => Err(batch),
            // The writer ends with the process only; nobody is left to write.
            Err(_) => Ok(()),
        }
    }

    /// Counts events that could not be kept.
    pub(crate) fn drop_batch(&self, batch: &Batch) {
        self.meters.usage_dropped.increment(batch.len() as u64);
    }

    /// Waits until all that was handed over before is in the database.
    pub(crate) async fn flush(&self) {
        let (done, written) = oneshot::channel();
        if self.messages.send(Message::Flush(done)).await.is_ok() {
            // An error means that the writer is gone, and there is nothing to wait for.
            let _ = written.await;
        }
    }
}

/// Starts the writer on the current runtime. It holds at most `capacity` events in memory.
pub(crate) fn start(store: Store, meters: Arc<Meters>, capacity: usize) -> Sink {
    let (messages, received) = mpsc::channel(CHANNEL);
    let writer = Writer {
        store,
        meters: Arc::clone(&meters),
        received,
        waiting: VecDeque::new(),
        flushes: Vec::new(),
        accepted: 0,
        settled: 0,
        capacity,
        touched: HashMap::new(),
    };
    tokio::spawn(writer.run());
    Sink { messages, meters }
}

struct Writer {
    store: Store,
    meters: Arc<Meters>,
    received: mpsc::Receiver<Message>,
    waiting: VecDeque<UsageRow>,
    /// Whom to tell, and how many events must be settled by then.
    flushes: Vec<(u64, oneshot::Sender<()>)>,
    /// Events taken in, and events written or given up, since the start.
    accepted: u64,
    settled: u64,
    capacity: usize,
    touched: HashMap<KeyId, Instant>,
}

/// How a write ended.
enum Outcome {
    Settled,
    /// Try the same again later.
    Later,
}

impl Writer {
    async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            if self.waiting.is_empty() {
                match self.received.recv().await {
                    Some(message) => self.take(message),
                    None => return,
                }
            }
            while let Ok(message) = self.received.try_recv() {
                self.take(message);
            }
            self.answer_flushes();
            let count = self.waiting.len().min(ROWS);
            if count == 0 {
                continue;
            }
            let rows: Vec<UsageRow> = self.waiting.drain(..count).collect();
            match self.write(&rows).await {
                Outcome::Settled => {
                    pause = FIRST_PAUSE;
                    self.settled += count as u64;
                    self.touch_keys(&rows).await;
                }
                Outcome::Later => {
                    for row in rows.into_iter().rev() {
                        self.waiting.push_front(row);
                    }
                    self.wait_taking(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
            self.answer_flushes();
            self.meters.usage_queue.set(self.waiting.len() as f64);
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Flush(done) => self.flushes.push((self.accepted, done)),
            Message::Batch(batch) => {
                let mut lost: u64 = 0;
                for row in batch.into_rows() {
                    if self.waiting.len() < self.capacity {
                        self.waiting.push_back(row);
                        self.accepted += 1;
                    } else {
                        lost += 1;
                    }
                }
                if lost > 0 {
                    self.meters.usage_dropped.increment(lost);
                    tracing::error!(lost, "usage events were lost: the buffer is full");
                }
                self.meters.usage_queue.set(self.waiting.len() as f64);
            }
        }
    }

    fn answer_flushes(&mut self) {
        let settled = self.settled;
        for (_, done) in self
            .flushes
            .extract_if(.., |(needed, _)| *needed <= settled)
        {
            // Whoever asked may have given up.
            let _ = done.send(());
        }
    }

    /// Goes on taking events in while the database is away, so that threads never wait.
    async fn wait_taking(&mut self, pause: Duration) {
        let sleep = tokio::time::sleep(pause);
        tokio::pin!(sleep);
        loop {
            tokio::select! {
                () = &mut sleep => return,
                message = self.received.recv() => match message {
                    Some(message) => self.take(message),
                    None => return sleep.await,
                },
            }
        }
    }

    async fn write(&self, rows: &[UsageRow]) -> Outcome {
        let error = match self.store.usage_insert(rows).await {
            Ok(_) => {
                self.meters.usage_written.increment(rows.len() as u64);
                return Outcome::Settled;
            }
            Err(error) => error,
        };
        if error.is_transient() {
            tracing::warn!(error = %error.cause(), "usage events wait for the database");
            return Outcome::Later;
        }
        tracing::error!(error = %error.cause(), "the database refused usage events");
        self.write_one_by_one(rows).await
    }

    /// One event that the database will never take must not hold up the others.
    async fn write_one_by_one(&self, rows: &[UsageRow]) -> Outcome {
        for row in rows {
            match self.store.usage_insert(std::slice::from_ref(row)).await {
                Ok(_) => self.meters.usage_written.increment(1),
                // Rows written so far are passed over when the batch is tried again.
                Err(error) if error.is_transient() => return Outcome::Later,
                Err(error) => self.give_up(row, &error),
            }
        }
        Outcome::Settled
    }

    fn give_up(&self, row: &UsageRow, error: &StoreError) {
        self.meters.usage_dropped.increment(1);
        tracing::error!(
            request_id = row.request_id, error = %error.cause(),
            "a usage event was lost: the database does not take it"
        );
    }

    /// Notes when keys were last used.
    async fn touch_keys(&mut self, rows: &[UsageRow]) {
        let mut latest: HashMap<KeyId, i64> = HashMap::new();
        for row in rows {
            // 401: the text was no good, so the key was not used.
            if let (Some(key), true) = (row.key_id, row.status != 401 || !row.refused) {
                let at = latest.entry(key).or_insert(row.started_at_us);
                *at = row.started_at_us.max(*at);
            }
        }
        let now = Instant::now();
        let touched = &self.touched;
        latest.retain(|key, _| {
            touched
                .get(key)
                .is_none_or(|at| now.duration_since(*at) >= TOUCH_EVERY)
        });
        let due: Vec<(KeyId, DateTime<Utc>)> = latest
            .into_iter()
            .filter_map(|(key, at)| Some((key, DateTime::from_timestamp_micros(at)?)))
            .collect();
        if due.is_empty() {
            return;
        }
        if let Err(error) = self.store.keys_touch(&due).await {
            tracing::debug!(error = %error.cause(), "the keys' last use was not written");
            return;
        }
        if self.touched.len() + due.len() > TOUCHED_KEYS {
            self.touched.clear();
        }
        self.touched
            .extend(due.into_iter().map(|(key, _)| (key, now)));
    }
}
