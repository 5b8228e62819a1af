//! Whose turn it is to ask about usage.
//!
//! A question over months reads and adds up many blocks. Everybody's at once would make all of them
//! slow, and the node's other work with them. So a few are worked on at a time, at most half of
//! them for one organization, and the others wait, in their order; those that would wait for too
//! long are told to come again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use apiverse_contract::OrganizationId;
use metrics::Gauge;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::fault::AskedTooMuch;
use crate::meters::Meters;

/// How long a question waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);
/// Questions of an organization that wait, for each that may be worked on. A page of the console
/// asks half a dozen at once.
const WAITING: usize = 16;

/// The turns of one node.
pub(crate) struct Turns {
    node: Arc<Semaphore>,
    of_organization: usize,
    patience: Duration,
    queues: Mutex<HashMap<OrganizationId, Weak<Queue>>>,
}

/// One organization's.
struct Queue {
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// A question's turn, until it is dropped.
pub(crate) struct Turn {
    _of_organization: OwnedSemaphorePermit,
    _of_node: OwnedSemaphorePermit,
    /// Keeps the organization's other questions in the same queue.
    _queue: Arc<Queue>,
    _asked: Counted,
}

/// One more while it lives.
struct Counted(Gauge);

impl Counted {
    fn new(gauge: &Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// A place in a queue.
struct Waiting(Arc<Queue>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Turns {
    /// `questions` at once, at least one.
    pub(crate) fn new(questions: usize) -> Self {
        Self::with_patience(questions, PATIENCE)
    }

    fn with_patience(questions: usize, patience: Duration) -> Self {
        let questions = questions.max(1);
        Self {
            node: Arc::new(Semaphore::new(questions)),
            of_organization: questions.div_ceil(2),
            patience,
            queues: Mutex::default(),
        }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// When that takes too long, or too many wait already.
    pub(crate) async fn take(
        &self,
        organization_id: OrganizationId,
        meters: &Meters,
    ) -> Result<Turn, AskedTooMuch> {
        let queue = self.queue(organization_id);
        let turn = self.wait(queue, meters).await;
        if turn.is_err() {
            meters.questions_refused.increment(1);
        }
        turn
    }

    async fn wait(&self, queue: Arc<Queue>, meters: &Meters) -> Result<Turn, AskedTooMuch> {
        let before = queue.waiting.fetch_add(1, Ordering::Relaxed);
        let place = Waiting(Arc::clone(&queue));
        if before >= self.of_organization * WAITING {
            return Err(AskedTooMuch);
        }
        let waiting = Counted::new(&meters.questions_waiting);
        // The organization's first: who waits for others of its own takes nobody else's place.
        let turns = async {
            let of_organization = Arc::clone(&queue.turns).acquire_owned().await;
            let of_node = Arc::clone(&self.node).acquire_owned().await;
            (of_organization, of_node)
        };
        // Neither is ever closed.
        let Ok((Ok(of_organization), Ok(of_node))) = timeout(self.patience, turns).await else {
            return Err(AskedTooMuch);
        };
        drop((place, waiting));
        Ok(Turn {
            _of_organization: of_organization,
            _of_node: of_node,
            _queue: queue,
            _asked: Counted::new(&meters.questions_asked),
        })
    }

    fn queue(&self, organization_id: OrganizationId) -> Arc<Queue> {
        let mut queues = self.queues.lock();
        if let Some(queue) = queues.get(&organization_id).and_then(Weak::upgrade) {
            return queue;
        }
        queues.retain(|_, queue| queue.strong_count() > 0);
        let queue = Arc::new(Queue {
            turns: Arc::new(Semaphore::new(self.of_organization)),
            waiting: AtomicUsize::new(0),
        });
        queues.insert(organization_id, Arc::downgrade(&queue));
        queue
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    /// To be refused after.
    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(86_400);

    fn organization(n: u128) -> OrganizationId {
        OrganizationId(Uuid::from_u128(n))
    }

    #[tokio::test]
    async fn one_organization_leaves_room_for_others() {
        let (turns, meters) = (Turns::with_patience(4, SHORT), Meters::new());
        let take = |n| turns.take(organization(n), &meters);
        let first = take(1).await.expect("a turn");
        let _second = take(1).await.expect("a turn");
        assert!(take(1).await.is_err(), "both turns of it are taken");
        let _third = take(2).await.expect("a turn of another");
        drop(first);
        take(1).await.expect("the turn that was given back");
    }

    #[tokio::test]
    async fn the_node_has_so_many_turns() {
        let (turns, meters) = (Turns::with_patience(2, SHORT), Meters::new());
        let mut held = Vec::new();
        for n in 0..2 {
            held.push(turns.take(organization(n), &meters).await.expect("a turn"));
        }
        assert!(turns.take(organization(9), &meters).await.is_err());
        held.clear();
        turns.take(organization(9), &meters).await.expect("a turn");
        assert!(
            turns
                .queues
                .lock()
                .values()
                .all(|queue| queue.strong_count() == 0)
        );
    }

    #[tokio::test]
    async fn queues_are_no_longer_than_they_may_be() {
        let (turns, meters) = (
            Arc::new(Turns::with_patience(1, LONG)),
            Arc::new(Meters::new()),
        );
        let held = turns.take(organization(1), &meters).await.expect("a turn");
        let waiting: Vec<_> = (0..WAITING)
            .map(|_| {
                let (turns, meters) = (Arc::clone(&turns), Arc::clone(&meters));
                tokio::spawn(async move { turns.take(organization(1), &meters).await.is_ok() })
            })
            .collect();
        let queue = turns.queue(organization(1));
        while queue.waiting.load(Ordering::Relaxed) < WAITING {
            tokio::task::yield_now().await;
        }
        // Without waiting: the patience is longer than any test.
        assert!(turns.take(organization(1), &meters).await.is_err());
        drop(held);
        for one in waiting {
            assert!(one.await.expect("ends"), "each has its turn");
        }
    }
}
