//! An answer's body while it comes in: one pump puts it in, any number of readers follow, each at
//! its own pace.
//!
//! As long as the body may still be stored all of it is kept, and whoever comes late reads it from
//! the beginning. A body that grows beyond the limit is only passed on: what every reader has had
//! goes, and the pump waits for the slowest.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;

/// Bytes that the pump may be ahead of the slowest reader, once the body is not kept.
const AHEAD: usize = 256 * 1024;

/// The body ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer broke off")]
pub struct Broken;

/// A body that comes in.
#[derive(Debug)]
pub struct Filling {
    state: Mutex<State>,
    most: usize,
}

#[derive(Debug)]
struct State {
    chunks: VecDeque<Bytes>,
    /// Chunks that are gone from the front.
    gone: usize,
    buffered: usize,
    is_kept: bool,
    end: Option<Result<(), Broken>>,
    readers: Vec<Option<Place>>,
    pump: Option<Waker>,
}

#[derive(Debug)]
struct Place {
    next: usize,
    waker: Option<Waker>,
}

/// Puts the body in. Dropped before the end, it tells the readers that the body broke off.
#[derive(Debug)]
pub struct Pump(Arc<Filling>);

/// Follows the body.
#[derive(Debug)]
pub struct Reader {
    filling: Arc<Filling>,
    place: usize,
}

impl Filling {
    /// A body of which at most `most` bytes are kept.
    #[must_use]
    pub fn begin(most: usize) -> (Pump, Arc<Self>) {
        let filling = Arc::new(Self {
            most,
            state: Mutex::new(State {
                chunks: VecDeque::new(),
                gone: 0,
                buffered: 0,
                is_kept: true,
                end: None,
                readers: Vec::new(),
                pump: None,
            }),
        });
        (Pump(Arc::clone(&filling)), filling)
    }

    /// Follows the body from its beginning; `None` when that is gone or the body broke off.
    #[must_use]
    pub fn read(self: &Arc<Self>) -> Option<Reader> {
        let mut state = self.state.lock();
        if !state.is_kept || matches!(state.end, Some(Err(_))) {
            return None;
        }
        let place = Some(Place {
            next: 0,
            waker: None,
        });
        let free = state.readers.iter().position(Option::is_none);
        let number = match free {
            Some(number) => {
                state.readers[number] = place;
                number
            }
            None => {
                state.readers.push(place);
                state.readers.len() - 1
            }
        };
        Some(Reader {
            filling: Arc::clone(self),
            place: number,
        })
    }
}

impl State {
    fn wake_readers(&mut self) {
        for place in self.readers.iter_mut().flatten() {
            if let Some(waker) = place.waker.take() {
                waker.wake();
            }
        }
    }

    /// Lets go of what every reader has had.
    fn trim(&mut self) {
        if self.is_kept {
            return;
        }
        let slowest = self.readers.iter().flatten().map(|place| place.next).min();
        let slowest = slowest.unwrap_or(usize::MAX);
        while self.gone < slowest
            && let Some(chunk) = self.chunks.pop_front()
        {
            self.gone += 1;
            self.buffered -= chunk.len();
        }
        if self.buffered <= AHEAD
            && let Some(pump) = self.pump.take()
        {
            pump.wake();
        }
    }
}

impl Pump {
    /// Ready when there is room for more. `false`: nobody reads, and nothing is to be kept.
    pub fn poll_room(&self, cx: &mut Context<'_>) -> Poll<bool> {
        let mut state = self.0.state.lock();
        if state.is_kept {
            return Poll::Ready(true);
        }
        if state.readers.iter().flatten().next().is_none() {
            return Poll::Ready(false);
        }
        if state.buffered <= AHEAD {
            return Poll::Ready(true);
        }
        state.pump = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Puts in a part.
    pub fn push(&self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        let mut state = self.0.state.lock();
        state.buffered += bytes.len();
        state.chunks.push_back(bytes);
        if state.buffered > self.0.most {
            state.is_kept = false;
        }
        state.trim();
        state.wake_readers();
    }

    /// All of the body with `last` behind it; `None`: it is more than is kept.
    #[must_use]
    pub fn whole(&self, last: &[u8]) -> Option<Bytes> {
        let state = self.0.state.lock();
        if !state.is_kept || state.buffered + last.len() > self.0.most {
            return None;
        }
        // A copy: the parts may hang on buffers that are larger than they are.
        let mut all = BytesMut::with_capacity(state.buffered + last.len());
        for chunk in &state.chunks {
            all.extend_from_slice(chunk);
        }
        all.extend_from_slice(last);
        Some(all.freeze())
    }

    /// The body is whole.
    pub fn finish(self) {
        self.end(Ok(()));
    }

    fn end(&self, end: Result<(), Broken>) {
        let mut state = self.0.state.lock();
        if state.end.is_none() {
            state.end = Some(end);
            state.wake_readers();
        }
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.end(Err(Broken));
    }
}

impl Reader {
    /// The next part; `None` at the end.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        let mut state = self.filling.state.lock();
        let state = &mut *state;
        let Some(place) = state.readers.get_mut(self.place).and_then(Option::as_mut) else {
            return Poll::Ready(Some(Err(Broken)));
        };
        let at = place.next - state.gone;
        if let Some(chunk) = state.chunks.get(at) {
            let chunk = chunk.clone();
            place.next += 1;
            state.trim();
            return Poll::Ready(Some(Ok(chunk)));
        }
        match state.end {
            Some(Ok(())) => Poll::Ready(None),
            Some(Err(broken)) => Poll::Ready(Some(Err(broken))),
            None => {
                place.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.filling.state.lock();
        if let Some(place) = state.readers.get_mut(self.place) {
            *place = None;
        }
        state.trim();
        if state.readers.iter().flatten().next().is_none()
            && let Some(pump) = state.pump.take()
        {
            pump.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn next(reader: &mut Reader) -> Poll<Option<Result<Bytes, Broken>>> {
        reader.poll_next(&mut Context::from_waker(Waker::noop()))
    }

    fn room(pump: &Pump) -> Poll<bool> {
        pump.poll_room(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn late_readers_get_all() {
        let (pump, filling) = Filling::begin(100);
        let mut early = filling.read().unwrap();
        assert!(next(&mut early).is_pending());
        pump.push(Bytes::from_static(b"ab"));
        let mut late = filling.read().unwrap();
        assert_eq!(pump.whole(b"c").unwrap(), "abc");
        pump.push(Bytes::from_static(b"c"));
        pump.finish();
        for reader in [&mut early, &mut late] {
            let mut all = Vec::new();
            while let Poll::Ready(Some(Ok(chunk))) = next(reader) {
                all.extend_from_slice(&chunk);
            }
            assert_eq!(all, b"abc");
            assert_eq!(next(reader), Poll::Ready(None));
        }
    }

    #[test]
    fn a_pump_that_goes_breaks_the_body() {
        let (pump, filling) = Filling::begin(100);
        let mut reader = filling.read().unwrap();
        pump.push(Bytes::from_static(b"ab"));
        drop(pump);
        assert!(matches!(next(&mut reader), Poll::Ready(Some(Ok(_)))));
        assert_eq!(next(&mut reader), Poll::Ready(Some(Err(Broken))));
        assert!(filling.read().is_none());
    }

    #[test]
    fn what_is_too_large_is_only_passed_on() {
        let (pump, filling) = Filling::begin(10);
        let mut reader = filling.read().unwrap();
        let chunk = Bytes::from(vec![0; AHEAD]);
        pump.push(chunk.clone());
        assert_eq!(room(&pump), Poll::Ready(true));
        assert!(filling.read().is_none() && pump.whole(b"").is_none());
        pump.push(chunk);
        assert!(room(&pump).is_pending(), "the reader is behind");
        assert!(next(&mut reader).is_ready());
        assert_eq!(room(&pump), Poll::Ready(true));
        drop(reader);
        assert_eq!(room(&pump), Poll::Ready(false));
    }

    proptest! {
        #[test]
        fn every_reader_gets_every_byte(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..20),
            most in 0usize..200,
            turns in proptest::collection::vec(0usize..3, 0..100),
        ) {
            let (pump, filling) = Filling::begin(most);
            let mut readers = [filling.read().unwrap(), filling.read().unwrap()];
            let mut got = [Vec::new(), Vec::new()];
            let mut left = chunks.iter();
            for turn in turns {
                match turn {
                    2 => if let Some(chunk) = left.next() { pump.push(Bytes::copy_from_slice(chunk)) },
                    one => if let Poll::Ready(Some(Ok(chunk))) = next(&mut readers[one]) { got[one].extend_from_slice(&chunk) },
                }
            }
            for chunk in left { pump.push(Bytes::copy_from_slice(chunk)) }
            pump.finish();
            let whole: Vec<u8> = chunks.concat();
            for one in 0..2 {
                while let Poll::Ready(Some(Ok(chunk))) = next(&mut readers[one]) { got[one].extend_from_slice(&chunk) }
                prop_assert_eq!(&got[one], &whole);
            }
        }
    }
}
