//! Requests for the same answer that come while it is being fetched wait for it instead of
//! fetching it again.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use foldhash::quality::RandomState;
use parking_lot::Mutex;

use crate::entry::Entry;
use crate::filling::Filling;

/// What came of the exchange that others wait for.
#[derive(Clone, Debug)]
pub enum Landing {
    /// The answer is coming in. Whether it is theirs too, those who wait decide by its head.
    Filling {
        head: Arc<Entry>,
        filling: Arc<Filling>,
    },
    /// It is stored.
    Stored(Arc<Entry>),
    /// It is not for others: each asks for itself.
    Apart,
}

/// One exchange that others may wait for.
#[derive(Debug, Default)]
pub struct Flight(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    landing: Option<Landing>,
    /// The one who fetches has given up.
    is_lost: bool,
    waiting: Vec<Waker>,
}

impl Flight {
    /// Ready when it is known what came of it. `None`: nothing, whoever waits may try.
    pub fn poll_landing(&self, cx: &mut Context<'_>) -> Poll<Option<Landing>> {
        let mut state = self.0.lock();
        if let Some(landing) = &state.landing {
            return Poll::Ready(Some(landing.clone()));
        }
        if state.is_lost {
            return Poll::Ready(None);
        }
        if !state
            .waiting
            .iter()
            .any(|known| known.will_wake(cx.waker()))
        {
            state.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    fn settle(&self, landing: Option<Landing>) {
        let mut state = self.0.lock();
        match landing {
            Some(landing) => state.landing = Some(landing),
            None => state.is_lost = true,
        }
        for waker in state.waiting.drain(..) {
            waker.wake();
        }
    }
}

/// All exchanges that others may wait for.
#[derive(Debug, Default)]
pub struct Flights(Mutex<HashMap<Box<[u8]>, Arc<Flight>, RandomState>>);

/// The right to fetch an answer for all who wait. Given up when it is dropped.
#[derive(Debug)]
pub struct Ticket {
    flights: Arc<Flights>,
    keys: Vec<Box<[u8]>>,
    flight: Arc<Flight>,
}

impl Flights {
    /// Takes the lead for a key, or finds who has it.
    ///
    /// # Errors
    /// The exchange to wait for.
    pub fn board(self: &Arc<Self>, key: &[u8]) -> Result<Ticket, Arc<Flight>> {
        let mut all = self.0.lock();
        if let Some(flight) = all.get(key) {
            return Err(Arc::clone(flight));
        }
        let flight = Arc::new(Flight::default());
        all.insert(key.into(), Arc::clone(&flight));
        Ok(Ticket {
            flights: Arc::clone(self),
            keys: vec![key.into()],
            flight,
        })
    }

    /// Exchanges under way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.lock().len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Ticket {
    /// Tells those who wait. Those who come until the ticket is dropped are told the same.
    pub fn land(&self, landing: Landing) {
        self.flight.settle(Some(landing));
    }

    /// Lets itself be found under a further key, which those who come later look under. Nothing
    /// changes when another exchange is there already.
    pub fn also(&mut self, key: &[u8]) {
        let mut all = self.flights.0.lock();
        if !all.contains_key(key) {
            all.insert(key.into(), Arc::clone(&self.flight));
            self.keys.push(key.into());
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        {
            let mut all = self.flights.0.lock();
            for key in &self.keys {
                all.remove(key);
            }
        }
        self.flight.settle(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(flight: &Flight) -> Poll<Option<Landing>> {
        flight.poll_landing(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn one_fetches_and_the_others_wait() {
        let flights = Arc::new(Flights::default());
        let ticket = flights.board(b"a").unwrap();
        let _other = flights.board(b"b").unwrap();
        let flight = flights.board(b"a").unwrap_err();
        assert!(poll(&flight).is_pending());
        ticket.land(Landing::Apart);
        assert!(matches!(poll(&flight), Poll::Ready(Some(Landing::Apart))));
        drop(ticket);
        assert!(matches!(poll(&flight), Poll::Ready(Some(Landing::Apart))));
        assert_eq!(flights.len(), 1);
    }

    #[test]
    fn who_gives_up_leaves_the_lead() {
        let flights = Arc::new(Flights::default());
        let ticket = flights.board(b"a").unwrap();
        let flight = flights.board(b"a").unwrap_err();
        drop(ticket);
        assert!(matches!(poll(&flight), Poll::Ready(None)));
        assert!(flights.board(b"a").is_ok());
        assert!(flights.is_empty());
    }

    #[test]
    fn an_exchange_is_found_under_each_of_its_keys() {
        let flights = Arc::new(Flights::default());
        let mut ticket = flights.board(b"anyone").unwrap();
        let _other = flights.board(b"taken").unwrap();
        ticket.also(b"own");
        ticket.also(b"taken");
        ticket.land(Landing::Apart);
        let flight = flights.board(b"own").unwrap_err();
        assert!(matches!(poll(&flight), Poll::Ready(Some(Landing::Apart))));
        assert!(poll(&flights.board(b"taken").unwrap_err()).is_pending());
        drop(ticket);
        assert_eq!(flights.len(), 1);
    }
}
