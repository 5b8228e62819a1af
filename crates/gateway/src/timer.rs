//! Time limits without a timer for each request.
//!
//! A thread's requests and connections share one ticking task; a limit is a number in a slot that
//! the tick compares. Setting one costs a few nanoseconds where a runtime timer costs a hundred,
//! and nearly all of them are cleared unused. Limits are therefore late by up to two ticks, never
//! early.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

const TICK: Duration = Duration::from_millis(25);
const TICK_MS: u64 = 25;
/// Ticks without any limit set after which the task sleeps until there is one.
const IDLE_TICKS: u32 = 40;
const NEVER: u64 = u64::MAX;

/// The clock of one thread.
#[derive(Clone)]
pub(crate) struct Timer(Rc<Inner>);

struct Inner {
    started: Instant,
    /// Milliseconds since `started`, as of the last tick.
    now_ms: Cell<u64>,
    slots: RefCell<Slots>,
    armed: Cell<usize>,
    asleep: Cell<bool>,
    wake: Notify,
}

#[derive(Default)]
struct Slots {
    all: Vec<Slot>,
    free: Vec<usize>,
}

struct Slot {
    deadline_ms: u64,
    waker: Option<Waker>,
}

impl Timer {
    pub(crate) fn new() -> Self {
        Self(Rc::new(Inner {
            started: Instant::now(),
            now_ms: Cell::new(0),
            slots: RefCell::default(),
            armed: Cell::new(0),
            asleep: Cell::new(true),
            wake: Notify::new(),
        }))
    }

    /// Ticks for ever; one task for each thread runs it.
    pub(crate) async fn run(self) {
        let inner = &*self.0;
        loop {
            if inner.armed.get() == 0 {
                inner.asleep.set(true);
                inner.wake.notified().await;
            }
            inner.asleep.set(false);
            let mut idle_ticks = 0;
            while idle_ticks < IDLE_TICKS {
                tokio::time::sleep(TICK).await;
                inner.tick();
                idle_ticks = if inner.armed.get() == 0 {
                    idle_ticks + 1
                } else {
                    0
                };
            }
        }
    }

    /// Milliseconds on this thread's clock, exact to a tick.
    pub(crate) fn now_ms(&self) -> u64 {
        self.0.current_ms()
    }

    /// A slot without a limit.
    pub(crate) fn deadline(&self) -> Deadline {
        let mut slots = self.0.slots.borrow_mut();
        let empty = Slot {
            deadline_ms: NEVER,
            waker: None,
        };
        let index = match slots.free.pop() {
            Some(index) => {
                slots.all[index] = empty;
                index
            }
            None => {
                slots.all.push(empty);
                slots.all.len() - 1
            }
        };
        Deadline {
            timer: self.clone(),
            index,
        }
    }

    /// Wakes whoever waits at a deadline, so that all look around: the edge is shutting down.
    pub(crate) fn wake_all(&self) {
        let wakers: Vec<Waker> = {
            let mut slots = self.0.slots.borrow_mut();
            slots
                .all
                .iter_mut()
                .filter_map(|slot| slot.waker.take())
                .collect()
        };
        for waker in wakers {
            waker.wake();
        }
    }
}

impl Inner {
    fn current_ms(&self) -> u64 {
        if self.asleep.get() {
            self.refresh();
        }
        self.now_ms.get()
    }

    fn refresh(&self) {
        let elapsed = self.started.elapsed().as_millis();
        self.now_ms.set(u64::try_from(elapsed).unwrap_or(NEVER - 1));
    }

    fn tick(&self) {
        self.refresh();
        let now = self.now_ms.get();
        // Woken once the slots are free again: a waker may run whatever its task drops.
        let mut due: Vec<Waker> = Vec::new();
        for slot in &mut self.slots.borrow_mut().all {
            if slot.deadline_ms <= now {
                due.extend(slot.waker.take());
            }
        }
        for waker in due {
            waker.wake();
        }
    }
}

/// One limit. Dropping it frees its slot.
pub(crate) struct Deadline {
    timer: Timer,
    index: usize,
}

impl Deadline {
    /// The limit is over `after` from now.
    pub(crate) fn set(&self, after: Duration) {
        let inner = &*self.timer.0;
        let after = u64::try_from(after.as_millis()).unwrap_or(NEVER / 2);
        // The clock may be a tick behind: without the addition the limit could be early.
        self.set_at(
            inner
                .current_ms()
                .saturating_add(after)
                .saturating_add(TICK_MS),
        );
    }

    /// The limit is over at a reading of [`Timer::now_ms`].
    pub(crate) fn set_at(&self, deadline_ms: u64) {
        let inner = &*self.timer.0;
        let before = std::mem::replace(
            &mut inner.slots.borrow_mut().all[self.index].deadline_ms,
            deadline_ms,
        );
        if before == NEVER {
            inner.armed.set(inner.armed.get() + 1);
            if inner.asleep.get() {
                inner.wake.notify_one();
            }
        }
    }

    /// There is no limit for now.
    pub(crate) fn clear(&self) {
        let inner = &*self.timer.0;
        let before = std::mem::replace(
            &mut inner.slots.borrow_mut().all[self.index].deadline_ms,
            NEVER,
        );
        if before != NEVER {
            inner.armed.set(inner.armed.get() - 1);
        }
    }

    /// Whether a limit is set.
    pub(crate) fn is_set(&self) -> bool {
        self.timer.0.slots.borrow().all[self.index].deadline_ms != NEVER
    }

    /// Ready once the limit is over. The task is woken then, and by [`Timer::wake_all`].
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        let inner = &*self.timer.0;
        // Dropped last, when the slots are free again.
        let _replaced;
        let mut slots = inner.slots.borrow_mut();
        let slot = &mut slots.all[self.index];
        if slot.deadline_ms <= inner.now_ms.get() {
            return Poll::Ready(());
        }
        match &mut slot.waker {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            waker => _replaced = waker.replace(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.clear();
        let mut slots = self.timer.0.slots.borrow_mut();
        let waker = slots.all[self.index].waker.take();
        slots.free.push(self.index);
        drop(slots);
        drop(waker);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    async fn with_timer<T>(body: impl AsyncFnOnce(Timer) -> T) -> T {
        let timer = Timer::new();
        let local = tokio::task::LocalSet::new();
        local.spawn_local(timer.clone().run());
        local.run_until(body(timer)).await
    }

    #[tokio::test]
    async fn a_limit_is_over_in_time_and_never_early() {
        with_timer(async |timer| {
            for after in [1u64, 30, 80] {
                let after = Duration::from_millis(after);
                let started = Instant::now();
                let deadline = timer.deadline();
                deadline.set(after);
                poll_fn(|cx| deadline.poll(cx)).await;
                let took = started.elapsed();
                assert!(took >= after, "{took:?} is early for {after:?}");
                assert!(took < after + Duration::from_secs(2), "{took:?}");
            }
        })
        .await;
    }

    #[tokio::test]
    async fn a_cleared_limit_is_never_over_and_slots_are_reused() {
        with_timer(async |timer| {
            let cleared = timer.deadline();
            cleared.set(Duration::from_millis(1));
            cleared.clear();
            let other = timer.deadline();
            other.set(Duration::from_millis(60));
            poll_fn(|cx| other.poll(cx)).await;
            assert!(
                poll_fn(|cx| Poll::Ready(cleared.poll(cx)))
                    .await
                    .is_pending()
            );
            drop(other);
            drop(cleared);
            assert_eq!(timer.0.armed.get(), 0);
            let _again = (timer.deadline(), timer.deadline());
            assert_eq!(timer.0.slots.borrow().all.len(), 2);
        })
        .await;
    }

    #[tokio::test]
    async fn a_sleeping_clock_wakes_for_a_new_limit() {
        with_timer(async |timer| {
            tokio::task::yield_now().await;
            assert!(timer.0.asleep.get());
            let deadline = timer.deadline();
            deadline.set(Duration::from_millis(1));
            poll_fn(|cx| deadline.poll(cx)).await;
            assert!(!timer.0.asleep.get());
        })
        .await;
    }
}
