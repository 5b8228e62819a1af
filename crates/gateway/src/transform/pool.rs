//! Threads for work that takes too long for those that serve calls: few, with a large stack, and a
//! short queue. Work that nobody waits for any more is told to end.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::task::Poll;
use std::time::Duration;

use apiverse_transform::jq::{Cancel, STACK};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::worker::Worker;

/// Pieces of work that wait; more are refused.
const QUEUE: usize = 256;

type Work = Box<dyn FnOnce() + Send>;

/// Why work came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotDone {
    #[error("too much such work is waiting")]
    Busy,
    #[error("it took too long")]
    Late,
    #[error("it failed")]
    Failed,
}

/// The threads, begun when they are first needed.
pub(crate) struct Threads(Mutex<Option<SyncSender<Work>>>);

impl Threads {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Has `work` done, and waits for it no longer than `limit`. The work is told to end when
    /// nobody waits for it.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        worker: &Worker,
        limit: Duration,
        work: impl FnOnce(&Cancel) -> T + Send + 'static,
    ) -> Result<T, NotDone> {
        let cancel = Cancel::default();
        let (tell, told) = oneshot::channel();
        let unwanted = CancelOnDrop(cancel.clone());
        let work: Work = Box::new(move || {
            if !cancel.is_cancelled() {
                // Nobody waits any more when this fails.
                let _ = tell.send(work(&cancel));
            }
        });
        self.sender()
            .ok_or(NotDone::Failed)?
            .try_send(work)
            .map_err(|error| match error {
                TrySendError::Full(_) => NotDone::Busy,
                TrySendError::Disconnected(_) => NotDone::Failed,
            })?;
        let deadline = worker.timer.deadline();
        deadline.set(limit);
        let mut told = pin!(told);
        let done = poll_fn(|cx| {
            if let Poll::Ready(told) = told.as_mut().poll(cx) {
                return Poll::Ready(told.map_err(|_| NotDone::Failed));
            }
            match deadline.poll(cx) {
                Poll::Ready(()) => Poll::Ready(Err(NotDone::Late)),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        drop(unwanted);
        done
    }

    fn sender(&self) -> Option<SyncSender<Work>> {
        let mut started = self.0.lock();
        if let Some(sender) = &*started {
            return Some(sender.clone());
        }
        let (sender, receiver) = sync_channel(QUEUE);
        let receiver = Arc::new(Mutex::new(receiver));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut is_any = false;
        for number in 0..cores.div_ceil(2).clamp(2, 8) {
            let receiver = Arc::clone(&receiver);
            let spawned = std::thread::Builder::new()
                .name(format!("transform-{number}"))
                .stack_size(STACK)
                .spawn(move || serve(&receiver));
            match spawned {
                Ok(_) => is_any = true,
                Err(error) => tracing::warn!(%error, "a thread for transforms cannot be started"),
            }
        }
        if !is_any {
            return None;
        }
        *started = Some(sender.clone());
        Some(sender)
    }
}

/// Until the gateway is gone.
fn serve(receiver: &Mutex<Receiver<Work>>) {
    loop {
        let received = receiver.lock().recv();
        let Ok(work) = received else {
            return;
        };
        // A fault in one piece of work must not take the thread with it; who waits is told by the
        // closed channel.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    }
}

struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
