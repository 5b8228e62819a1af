//! The part of the bus that is the same for every transport: handlers here, messages there.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::{Mutex, RwLock};
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::Change;
use crate::meters::{OVERFLOWS, RECEIVED, SEND_FAILURES};

/// Messages that wait for a transport that is away. More become one `Resync`.
const OUTBOUND_CAPACITY: usize = 1024;

type Handler = Arc<dyn Fn(Change) -> BoxFuture<'static, ()> + Send + Sync>;

pub(crate) struct Hub {
    /// Tells our own messages from others'. Random, so that a restarted node is a new one.
    node: u64,
    handlers: RwLock<Vec<Handler>>,
    /// One change at a time. Handlers read the database and then replace what they keep; if two
    /// ran at once, the one that read earlier could replace last.
    in_turn: tokio::sync::Mutex<()>,
    outbound: Mutex<Option<mpsc::Sender<String>>>,
    /// The queue was full: what did not fit is told as one `Resync`.
    overflowed: Arc<AtomicBool>,
}

impl Hub {
    pub(crate) fn new(node: u64) -> Self {
        Self {
            node,
            handlers: RwLock::default(),
            in_turn: tokio::sync::Mutex::default(),
            outbound: Mutex::default(),
            overflowed: Arc::default(),
        }
    }

    pub(crate) fn add_handler(&self, handler: Handler) {
        self.handlers.write().push(handler);
    }

    /// Runs all handlers, in the order they were added.
    pub(crate) async fn dispatch(&self, change: Change) {
        let _turn = self.in_turn.lock().await;
        let handlers = self.handlers.read().clone();
        for handler in handlers {
            let run = AssertUnwindSafe(async { handler(change).await });
            // A fault in one handler must keep the change neither from the others nor from
            // other nodes.
            if run.catch_unwind().await.is_err() {
                tracing::error!(%change, "a change handler panicked");
            }
        }
    }

    /// The other half of the queue that `send` fills; an earlier one ends.
    pub(crate) fn open_outbound(&self) -> Outbound {
        let (sender, receiver) = mpsc::channel(OUTBOUND_CAPACITY);
        *self.outbound.lock() = Some(sender);
        let overflowed = Arc::clone(&self.overflowed);
        Outbound {
            receiver,
            overflowed,
            resync: self.line(&[Change::Resync]),
        }
    }

    pub(crate) fn has_outbound(&self) -> bool {
        self.outbound
            .lock()
            .as_ref()
            .is_some_and(|sender| !sender.is_closed())
    }

    /// Lets the reader of the queue come to its end.
    pub(crate) fn close_outbound(&self) {
        *self.outbound.lock() = None;
    }

    /// Queues changes, as one message, for the other nodes, if there is a way to them.
    pub(crate) fn send(&self, changes: &[Change]) {
        let outbound = self.outbound.lock();
        let Some(sender) = &*outbound else {
            return;
        };
        match sender.try_send(self.line(changes)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                metrics::counter!(OVERFLOWS).increment(1);
                if !self.overflowed.swap(true, Ordering::SeqCst) {
                    tracing::warn!("too many changes wait for other nodes; they will be resynced");
                }
            }
            Err(TrySendError::Closed(_)) => {
                metrics::counter!(SEND_FAILURES).increment(1);
                tracing::warn!(count = changes.len(), "nobody sends changes to other nodes");
            }
        }
    }

    /// Takes in a message from the transport.
    pub(crate) async fn receive(&self, text: &str) {
        let (from, text) = match text.split_once(' ') {
            Some((node, text)) => (Some(node), text),
            None => (None, text),
        };
        if from == Some(self.name().as_str()) {
            return;
        }
        metrics::counter!(RECEIVED).increment(1);
        for text in text.split(' ') {
            let change = text.parse().unwrap_or_else(|_| {
                // A newer version may say things this one does not know, about anything.
                let text = excerpt(text);
                tracing::warn!(%text, "unknown change from another node; resyncing");
                Change::Resync
            });
            self.dispatch(change).await;
        }
    }

    fn line(&self, changes: &[Change]) -> String {
        let mut line = self.name();
        for change in changes {
            line.push(' ');
            line.push_str(&change.to_string());
        }
        line
    }

    fn name(&self) -> String {
        format!("{:016x}", self.node)
    }
}

/// The first characters, without those that would garble a log.
fn excerpt(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}

/// What this node has to say to the others, for whoever carries it there.
pub struct Outbound {
    receiver: mpsc::Receiver<String>,
    overflowed: Arc<AtomicBool>,
    resync: String,
}

impl Outbound {
    /// The next message, under 4 KiB; `None` when the bus is gone. Nothing is lost when the
    /// future is dropped.
    pub async fn recv(&mut self) -> Option<String> {
        if self.overflowed.swap(false, Ordering::SeqCst) {
            // What is still queued is part of what the resync tells.
            while self.receiver.try_recv().is_ok() {}
            return Some(self.resync.clone());
        }
        self.receiver.recv().await
    }
}

#[cfg(test)]
mod tests {
    use apiverse_contract::ApiId;
    use uuid::Uuid;

    use super::*;

    fn api(number: usize) -> Change {
        Change::Api(ApiId(Uuid::from_u128(number as u128)))
    }

    fn recorder(hub: &Hub) -> Arc<Mutex<Vec<Change>>> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&seen);
        hub.add_handler(Arc::new(move |change| {
            record.lock().push(change);
            Box::pin(async {})
        }));
        seen
    }

    #[tokio::test]
    async fn own_messages_are_ignored_and_others_are_not() {
        let (here, there) = (Hub::new(1), Hub::new(2));
        let (seen_here, seen_there) = (recorder(&here), recorder(&there));
        let mut outbound = here.open_outbound();
        here.send(&[api(7), Change::Purge(8)]);
        let text = outbound.recv().await.unwrap();
        here.receive(&text).await;
        there.receive(&text).await;
        assert_eq!(*seen_here.lock(), []);
        assert_eq!(*seen_there.lock(), [api(7), Change::Purge(8)]);
    }

    #[tokio::test]
    async fn what_is_not_understood_is_a_resync() {
        let hub = Hub::new(1);
        let seen = recorder(&hub);
        for text in [
            "resync",
            "0000000000000002 plan:7",
            "",
            " ",
            "\u{0}\n",
            "api:x",
        ] {
            hub.receive(text).await;
        }
        assert_eq!(*seen.lock(), [Change::Resync; 6]);
        hub.receive("0000000000000001 plan:7").await;
        assert_eq!(seen.lock().len(), 6);
    }

    #[tokio::test]
    async fn what_does_not_fit_the_queue_becomes_one_resync() {
        let hub = Hub::new(1);
        let mut outbound = hub.open_outbound();
        for number in 0..OUTBOUND_CAPACITY {
            hub.send(&[api(number)]);
        }
        assert_eq!(
            outbound.recv().await.unwrap(),
            format!("0000000000000001 {}", api(0))
        );
        hub.send(&[api(0)]);
        hub.send(&[api(1)]);
        assert_eq!(outbound.recv().await.unwrap(), "0000000000000001 resync");
        hub.send(&[api(2)]);
        assert_eq!(
            outbound.recv().await.unwrap(),
            format!("0000000000000001 {}", api(2))
        );
        hub.close_outbound();
        assert_eq!(outbound.recv().await, None);
    }

    #[tokio::test]
    async fn changes_are_handled_one_at_a_time() {
        let hub = Arc::new(Hub::new(1));
        let steps = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&steps);
        hub.add_handler(Arc::new(move |change| {
            let log = Arc::clone(&log);
            Box::pin(async move {
                log.lock().push(("begin", change));
                tokio::task::yield_now().await;
                log.lock().push(("end", change));
            })
        }));
        tokio::join!(hub.dispatch(api(1)), hub.dispatch(api(2)));
        let expected = [
            ("begin", api(1)),
            ("end", api(1)),
            ("begin", api(2)),
            ("end", api(2)),
        ];
        assert_eq!(*steps.lock(), expected);
    }

    #[tokio::test]
    async fn a_handler_that_panics_does_not_keep_the_change_from_others() {
        let hub = Hub::new(1);
        hub.add_handler(Arc::new(|_| panic!("on purpose")));
        hub.add_handler(Arc::new(|_| {
            Box::pin(async { panic!("on purpose, later") })
        }));
        let seen = recorder(&hub);
        hub.dispatch(api(1)).await;
        assert_eq!(*seen.lock(), [api(1)]);
    }
}
