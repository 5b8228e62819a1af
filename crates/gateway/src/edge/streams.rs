//! The tasks of HTTP/2's streams, each with a limit on how long its reader may take nothing.
//!
//! A client that gives no window leaves the connection itself free, so nothing there shows that an
//! answer stands still; hyper does not even ask the answer's body for more. That is what is seen
//! here: a body that has data, or may have, and is not asked. Dropping the task resets the stream.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use crate::timer::{Deadline, Timer};

/// What the answer's body tells the task that sends it.
#[derive(Default)]
pub(super) struct StreamState {
    /// There is a body, and it is not over.
    is_open: Cell<bool>,
    /// It was asked, and had nothing.
    is_waiting: Cell<bool>,
    /// It gave some since this was last cleared.
    gave: Cell<bool>,
}

impl StreamState {
    pub(super) fn begin(&self) {
        self.is_open.set(true);
    }

    /// The body was asked; whether it had something to give.
    pub(super) fn asked(&self, gave: bool) {
        self.is_waiting.set(!gave);
        self.gave.set(self.gave.get() | gave);
    }

    pub(super) fn end(&self) {
        self.is_open.set(false);
    }
}

/// The stream whose task is running on this thread's connection.
#[derive(Default)]
pub(super) struct Current(Cell<Option<Rc<StreamState>>>);

impl Current {
    pub(super) fn take(&self) -> Option<Rc<StreamState>> {
        self.0.take()
    }
}

/// Spawns the tasks.
#[derive(Clone)]
pub(super) struct StreamExecutor {
    pub(super) timer: Timer,
    pub(super) limit: Duration,
    pub(super) current: Rc<Current>,
}

impl<F: Future + 'static> hyper::rt::Executor<F> for StreamExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(run(self.clone(), future));
    }
}

async fn run<F: Future>(executor: StreamExecutor, future: F) {
    let state = Rc::new(StreamState::default());
    let mut future = pin!(future);
    // Most answers are never in its need.
    let mut deadline: Option<Deadline> = None;
    std::future::poll_fn(|cx| {
        executor.current.0.set(Some(Rc::clone(&state)));
        let polled = future.as_mut().poll(cx);
        executor.current.0.set(None);
        if polled.is_ready() {
            return Poll::Ready(());
        }
        if !state.is_open.get() || state.is_waiting.get() {
            deadline = None;
            return Poll::Pending;
        }
        let deadline = deadline.get_or_insert_with(|| executor.timer.deadline());
        if state.gave.take() || !deadline.is_set() {
            deadline.set(executor.limit);
        }
        deadline.poll(cx)
    })
    .await;
}
