//! Where events go.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use apiverse_journal::{Journal, OpenError, Writer};
use apiverse_store::Store;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::drain::{Command, Drain};
use super::record::{Event, Record};
use super::upkeep;
use crate::config::UsageConfig;
use crate::meters::Meters;

/// Share of the journal's limit from which on it counts as nearly full, in percent.
const NEARLY_FULL: u64 = 80;

/// The journal, and the thread that empties it into the database.
pub(crate) struct Sink {
    journal: Journal,
    max_bytes: u64,
    commands: mpsc::Sender<Command>,
    /// The database takes no events.
    is_behind: Arc<AtomicBool>,
}

/// Opens the journal and begins to store what is in it.
///
/// # Errors
/// When the journal's folder cannot be used.
pub(crate) fn start(
    config: &UsageConfig,
    store: Store,
    meters: Arc<Meters>,
    runtime: Handle,
) -> Result<Sink, OpenError> {
    let (journal, reader) = apiverse_journal::open(config.journal.clone())?;
    let (commands, received) = mpsc::channel();
    let is_behind = Arc::new(AtomicBool::new(false));
    let kept = upkeep::Kept {
        calls: config.retention,
        sums: config.sums,
        minutes: config.minutes,
    };
    runtime.spawn(upkeep::run(store.clone(), kept));
    runtime.spawn(upkeep::roll(store.clone(), kept));
    Drain::start(
        reader,
        journal.clone(),
        store,
        meters,
        runtime,
        received,
        config.sync_interval,
        Arc::clone(&is_behind),
    );
    Ok(Sink {
        max_bytes: config.journal.max_bytes,
        journal,
        commands,
        is_behind,
    })
}

impl Sink {
    /// Where one thread records its events.
    pub(crate) fn writer(&self) -> EventWriter {
        EventWriter(RefCell::new(self.journal.writer()))
    }

    /// Waits until every event so far is in the database.
    pub(crate) async fn flush(&self) {
        self.ask(Command::Flush).await;
    }

    /// Ends storing. Call it when no thread records any more.
    pub(crate) async fn stop(&self) {
        self.ask(Command::Stop).await;
    }

    async fn ask(&self, command: impl FnOnce(oneshot::Sender<()>) -> Command) {
        let (done, wait) = oneshot::channel();
        if self.commands.send(command(done)).is_ok() {
            // An error means that the thread is gone, and there is nothing to wait for.
            let _ = wait.await;
        }
    }

    /// What is wrong with recording, if anything is.
    pub(crate) fn trouble(&self) -> Option<&'static str> {
        let status = self.journal.status();
        if status.dropped > 0 && status.is_failing {
            Some("usage events are lost: neither the disk nor memory has room for them")
        } else if status.is_failing {
            Some("usage events are kept in memory: the journal gets no files")
        } else if status.file_bytes >= self.max_bytes / 100 * NEARLY_FULL {
            Some("the journal of usage events is nearly full")
        } else if self.is_behind.load(Ordering::Relaxed) {
            Some("usage events wait for the database")
        } else {
            None
        }
    }
}

/// Records the events of one thread.
pub(crate) struct EventWriter(RefCell<Writer>);

impl EventWriter {
    /// When this returns, the event outlives the process.
    pub(crate) fn record(&self, event: &Event<'_>) {
        let record = Record::new(event);
        // What cannot be kept is counted by the journal.
        let _ = self
            .0
            .borrow_mut()
            .append(record.len(), |bytes| record.write(bytes));
    }
}
