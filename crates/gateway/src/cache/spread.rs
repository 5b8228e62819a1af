//! Invalidation beyond this node: what is made worthless here is void in Redis too, and other
//! nodes are told.
//!
//! No call waits for it. Until Redis knows, this node asks it for no answer of that API; and other
//! nodes are told once it does, so that they cannot fetch back from Redis what they have forgotten.

use std::collections::HashMap;
use std::time::Duration;

use apiverse_cache::{Purge, What};
use apiverse_cluster::{Answers, Change, Outlet};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Marks of one API that wait at once; more become one for all of its answers.
const MOST_WAITING: usize = 128;
/// Pause between two messages, in which marks are gathered.
const GATHER: Duration = Duration::from_millis(5);

/// By API: marks that wait, and when each was raised last.
type Waiting = HashMap<u128, HashMap<u64, u64>>;

/// The marks of one API, and when each was raised.
type Batch = (u128, Vec<(u64, u64)>);

/// Marks on their way.
pub(crate) struct Spread {
    answers: Option<Answers>,
    outlet: Option<Outlet>,
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Default)]
struct State {
    waiting: Waiting,
    turn: u64,
}

impl State {
    fn add(&mut self, api: u128, sign: u64) {
        self.turn += 1;
        let turn = self.turn;
        let signs = self.waiting.entry(api).or_default();
        if signs.len() < MOST_WAITING || signs.contains_key(&sign) {
            signs.insert(sign, turn);
            return;
        }
        let what = What::All;
        signs.clear();
        signs.insert(Purge { api, what }.sign(), turn);
    }

    /// What waits now.
    fn all(&self) -> Vec<Batch> {
        let batch = |(api, signs): (&u128, &HashMap<u64, u64>)| {
            let marks = signs.iter().map(|(sign, turn)| (*sign, *turn)).collect();
            (*api, marks)
        };
        self.waiting.iter().map(batch).collect()
    }

    /// What was raised again meanwhile stays.
    fn done(&mut self, api: u128, done: &[(u64, u64)]) {
        let Some(signs) = self.waiting.get_mut(&api) else {
            return;
        };
        for (sign, turn) in done {
            if signs.get(sign) == Some(turn) {
                signs.remove(sign);
            }
        }
        if signs.is_empty() {
            self.waiting.remove(&api);
        }
    }
}

impl Spread {
    pub(super) fn new(answers: Option<Answers>, outlet: Option<Outlet>) -> Self {
        Self {
            answers,
            outlet,
            state: Mutex::default(),
            wake: Notify::new(),
        }
    }

    pub(super) fn answers(&self) -> Option<&Answers> {
        self.answers.as_ref()
    }

    /// Lets a purge reach what is not on this node. To be called before it is done here.
    pub(super) fn tell(&self, purge: &Purge) {
        let is_open = self.outlet.as_ref().is_some_and(Outlet::is_open);
        if self.answers.is_none() && !is_open {
            return;
        }
        self.state.lock().add(purge.api, purge.sign());
        self.wake.notify_one();
    }

    /// Whether Redis may still give answers of an API that are void.
    pub(super) fn is_behind(&self, api: u128) -> bool {
        self.state.lock().waiting.contains_key(&api)
    }

    /// Carries marks out; for ever.
    pub(crate) async fn run(&self) {
        loop {
            self.wake.notified().await;
            loop {
                // The lock is not held while Redis is asked.
                let batches = self.state.lock().all();
                if batches.is_empty() {
                    break;
                }
                for batch in &batches {
                    self.carry_out(batch).await;
                }
                let signs = batches.iter().flat_map(|(_, marks)| marks);
                let changes: Vec<Change> = signs.map(|(sign, _)| Change::Purge(*sign)).collect();
                if let Some(outlet) = &self.outlet {
                    outlet.send(&changes);
                }
                tokio::time::sleep(GATHER).await;
            }
        }
    }

    async fn carry_out(&self, (api, marks): &Batch) {
        if let Some(answers) = &self.answers {
            let signs: Vec<u64> = marks.iter().map(|(sign, _)| *sign).collect();
            answers.void(*api, &signs).await;
        }
        self.state.lock().done(*api, marks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signs(state: &State, api: u128) -> Vec<u64> {
        let mut all: Vec<u64> = state.waiting[&api].keys().copied().collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn what_is_raised_again_while_it_is_carried_out_is_carried_out_again() {
        let mut state = State::default();
        state.add(1, 10);
        state.add(1, 11);
        let taken = state.all();
        assert_eq!(taken.len(), 1);
        let (api, taken) = &taken[0];
        state.add(1, 11);
        state.add(1, 12);
        state.done(*api, taken);
        assert_eq!(signs(&state, 1), [11, 12]);
        let taken = state.all();
        assert_eq!(taken.len(), 1);
        let (api, taken) = &taken[0];
        state.done(*api, taken);
        assert!(state.all().is_empty());
    }

    #[test]
    fn too_many_become_one_for_all() {
        let mut state = State::default();
        for sign in 0..MOST_WAITING as u64 {
            state.add(1, sign);
        }
        state.add(1, 0);
        assert_eq!(state.waiting[&1].len(), MOST_WAITING);
        let taken = state.all();
        assert_eq!(taken.len(), 1);
        let (api, taken) = &taken[0];
        state.add(1, 1000);
        let what = What::All;
        let all = Purge { api: 1, what }.sign();
        assert_eq!(signs(&state, 1), [all]);
        state.done(*api, taken);
        assert_eq!(signs(&state, 1), [all], "it is not carried out yet");
    }
}
