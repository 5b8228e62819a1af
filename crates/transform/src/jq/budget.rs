//! What one run may use: steps, memory, stack, and whether it is still wanted.
//!
//! jaq's values are ours ([`super::value::Value`]), so every copy, comparison and construction
//! passes here, whichever filter makes it. What is over its budget must not be caught by the
//! expression itself (`try`, `?`, `//`), and a copy has no way to fail; so a run is ended by
//! unwinding, which [`within`] catches. Nothing is broken by that: jaq has no `unsafe`, and the
//! values of a run live on its thread only.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

/// What a run of an expression may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Copies, comparisons, constructions and calls of definitions, about 50 ns each.
    pub steps: u64,
    /// Bytes of all values that live at a time, and of any one of them as text.
    pub memory: usize,
    /// Bytes of the thread's stack below the run's beginning. The thread needs more for what happens
    /// between two steps.
    pub stack: usize,
}

impl Budget {
    /// For a thread with [`super::STACK`] bytes of stack.
    pub const FULL: Self = Self {
        steps: 2_000_000,
        memory: 64 << 20,
        stack: super::STACK / 8,
    };
    /// What can be done in passing, on a thread that others wait for.
    pub const SHORT: Self = Self {
        steps: 2_000,
        memory: 1 << 20,
        stack: 128 << 10,
    };
}

/// Why a run was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Spent {
    /// More steps than the budget has.
    #[error("the expression takes too many steps")]
    Steps,
    /// Values larger than the budget.
    #[error("the expression's values take too much memory")]
    Memory,
    /// Values, or calls, nested too deep.
    #[error("the expression nests too deep")]
    Depth,
    /// Its time is over, or nobody waits for it any more.
    #[error("the expression took too long")]
    Cancelled,
}

/// Steps between two looks at whether the run is still wanted.
const LOOK: u64 = 256;

struct State {
    steps: Cell<u64>,
    look_at: Cell<u64>,
    live: Cell<usize>,
    memory: Cell<usize>,
    /// The lowest address the stack may reach; 0: no run is under way.
    floor: Cell<usize>,
}

thread_local! {
    static STATE: State = const { State {
        steps: Cell::new(u64::MAX),
        look_at: Cell::new(0),
        live: Cell::new(0),
        memory: Cell::new(usize::MAX),
        floor: Cell::new(0),
    } };
}

/// Set from another thread to end a run soon.
#[derive(Clone, Debug, Default)]
pub struct Cancel(std::sync::Arc<AtomicBool>);

impl Cancel {
    /// The run ends within some hundred steps.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the run is not wanted any more.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

thread_local! {
    static CANCEL: std::cell::RefCell<Option<Cancel>> = const { std::cell::RefCell::new(None) };
}

/// Runs `work` within the budget. Values of the run may be returned: they stay counted until
/// dropped, and cost nothing then.
///
/// # Errors
/// What it had too little of.
pub(super) fn within<T>(
    budget: Budget,
    cancel: &Cancel,
    work: impl FnOnce() -> T,
) -> Result<T, Spent> {
    let here = here();
    STATE.with(|state| {
        state.steps.set(budget.steps);
        state.look_at.set(budget.steps);
        state.live.set(0);
        state.memory.set(budget.memory);
        state.floor.set(here.saturating_sub(budget.stack).max(1));
    });
    CANCEL.with(|slot| *slot.borrow_mut() = Some(cancel.clone()));
    let ended = catch_unwind(AssertUnwindSafe(work));
    STATE.with(|state| {
        state.steps.set(u64::MAX);
        state.memory.set(usize::MAX);
        state.floor.set(0);
    });
    CANCEL.with(|slot| *slot.borrow_mut() = None);
    ended.map_err(|payload| match payload.downcast::<Spent>() {
        Ok(spent) => *spent,
        Err(other) => resume_unwind(other),
    })
}

/// Ends the run.
pub(super) fn stop(why: Spent) -> ! {
    resume_unwind(Box::new(why))
}

/// One step.
pub(super) fn step() {
    charge(1);
}

/// As many steps as handling `bytes` is worth.
pub(super) fn charge_bytes(bytes: usize) {
    charge(1 + bytes as u64 / 64);
}

pub(super) fn charge(cost: u64) {
    STATE.with(|state| {
        let left = state.steps.get();
        if left < cost {
            stop(Spent::Steps);
        }
        let left = left - cost;
        state.steps.set(left);
        if here() < state.floor.get() {
            stop(Spent::Depth);
        }
        if left <= state.look_at.get() {
            state.look_at.set(left.saturating_sub(LOOK));
            let is_cancelled =
                CANCEL.with(|slot| slot.borrow().as_ref().is_some_and(Cancel::is_cancelled));
            if is_cancelled {
                stop(Spent::Cancelled);
            }
        }
    });
}

/// Counts memory that a value takes. Ends the run before it is over the budget.
pub(super) fn take(bytes: usize) {
    STATE.with(|state| {
        let live = state.live.get().saturating_add(bytes);
        if live > state.memory.get() {
            stop(Spent::Memory);
        }
        state.live.set(live);
    });
}

/// Ends the run when `bytes` more are over the budget; counts nothing.
pub(super) fn room_for(bytes: usize) {
    STATE.with(|state| {
        if state.live.get().saturating_add(bytes) > state.memory.get() {
            stop(Spent::Memory);
        }
    });
}

pub(super) fn give_back(bytes: usize) {
    // A value may outlive its thread's state, when the thread ends with it.
    let _ = STATE.try_with(|state| state.live.set(state.live.get().saturating_sub(bytes)));
}

/// An address on the stack, about where it is now.
#[inline(never)]
fn here() -> usize {
    let mark = 0_u8;
    std::ptr::from_ref(std::hint::black_box(&mark)).addr()
}
