//! Every request on a connection that hyper serves, looked at before hyper sees it.
//!
//! hyper reads more than RFC 9112 has: of two lengths it takes one, lines may end in LF alone. What
//! our own path would refuse must not get through by following a request that went to hyper, so
//! heads and chunks are read here by the same parsers first, and bytes go on only when they are
//! found good. A head that is not is replaced by one that asks for nothing; the answer to it says
//! what was wrong, and is the connection's last.

use std::io;
use std::sync::Arc;
use std::task::Context;

use super::http1::{
    BadChunk, BadHead, Decoder, Framing, Read, Scanned, Scanner, Step, leading_lines, read, slots,
};
use super::stream::{Answer, Signals};

/// Bytes read ahead of an answer.
const AHEAD: usize = 16 * 1024;
/// What hyper gets instead of a bad head.
const SUBSTITUTE: &[u8] = b"GET / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";

/// Where in the conversation the next byte stands.
enum State {
    Head(Scanner),
    Counted(u64),
    Chunked(Decoder),
    /// A request is being answered. What follows may be the next one or, if the answer says so,
    /// another protocol; and hyper, which reads on, would drop the answer for a fault in it.
    Answering,
    /// Another protocol, which is none of ours.
    Raw,
    /// A body's chunks are malformed.
    Broken,
    /// Nothing that comes can be trusted.
    Refused,
}

/// Reads along.
pub(super) struct Guard {
    signals: Arc<Signals>,
    max_head: usize,
    max_fields: usize,
    state: State,
    /// What was read; up to `good` it may go on, and up to `given` it has.
    input: Vec<u8>,
    good: usize,
    given: usize,
    /// Heads that went on.
    heads: u64,
}

/// What to do next.
pub(super) enum Guarded<'g> {
    /// These may go on; see [`Guard::gave`].
    Give(&'g [u8]),
    /// Up to this many bytes may go straight from the socket; see [`Guard::passed`].
    Pass(u64),
    /// More has to be read; see [`Guard::add`].
    Read,
    /// Nothing may be read now.
    Wait,
}

impl Guard {
    /// `input`: bytes that were read already.
    pub(super) fn new(
        signals: Arc<Signals>,
        max_head: usize,
        max_fields: usize,
        input: Vec<u8>,
    ) -> Self {
        Self {
            signals,
            max_head,
            max_fields,
            state: State::Head(Scanner::default()),
            input,
            good: 0,
            given: 0,
            heads: 0,
        }
    }

    /// # Errors
    /// A body's chunks are malformed; what came before them has gone on.
    pub(super) fn next(&mut self) -> io::Result<Guarded<'_>> {
        if self.given == self.good {
            self.examine();
        }
        if self.given < self.good {
            return Ok(Guarded::Give(&self.input[self.given..self.good]));
        }
        Ok(match self.state {
            State::Counted(left) => Guarded::Pass(left),
            State::Raw => Guarded::Pass(u64::MAX),
            State::Refused => Guarded::Wait,
            State::Broken => return Err(io::ErrorKind::InvalidData.into()),
            State::Answering if self.input.len() - self.good >= AHEAD => Guarded::Wait,
            State::Answering | State::Head(_) | State::Chunked(_) => Guarded::Read,
        })
    }

    /// So many of the bytes to be given were.
    pub(super) fn gave(&mut self, count: usize) {
        self.given += count;
        if self.given == self.input.len() {
            // An idle connection holds no memory.
            self.input = Vec::new();
            self.good = 0;
            self.given = 0;
        }
    }

    /// So many bytes went straight on.
    pub(super) fn passed(&mut self, count: u64) {
        if let State::Counted(left) = self.state {
            self.state = match left - count.min(left) {
                0 => State::Answering,
                left => State::Counted(left),
            };
        }
    }

    /// These were read.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// Finds out how much of the input may go on.
    fn examine(&mut self) {
        loop {
            let there = self.input.len() - self.good;
            if there == 0 && !matches!(self.state, State::Answering) {
                return;
            }
            match &mut self.state {
                State::Head(_) => {
                    if self.given < self.good {
                        return;
                    }
                    // The scanner counts from the head's beginning.
                    self.input.drain(..self.good);
                    self.good = 0;
                    self.given = 0;
                    if !self.head() {
                        return;
                    }
                }
                State::Counted(left) => {
                    let take = usize::try_from(*left).map_or(there, |left| left.min(there));
                    *left -= take as u64;
                    self.good += take;
                    if *left == 0 {
                        self.state = State::Answering;
                    }
                }
                State::Chunked(decoder) => match chunks(decoder, &self.input, self.good) {
                    Ok(Some(end)) => {
                        self.good = end;
                        self.state = State::Answering;
                    }
                    Ok(None) => {
                        self.good = self.input.len();
                        return;
                    }
                    Err(_) => self.state = State::Broken,
                },
                State::Answering => match self.signals.answer() {
                    Answer::Open => return,
                    Answer::Switched => self.state = State::Raw,
                    Answer::Over => self.state = State::Head(Scanner::default()),
                },
                State::Raw => {
                    self.good = self.input.len();
                    return;
                }
                State::Broken | State::Refused => return,
            }
        }
    }

    /// Looks at the head at the input's beginning; whether it went on.
    fn head(&mut self) -> bool {
        let State::Head(scanner) = &mut self.state else {
            return false;
        };
        // Before a head's first line has begun the scanner has seen nothing.
        match leading_lines(&self.input) {
            Some(0) => {}
            Some(lines) => {
                self.input.drain(..lines);
                *scanner = Scanner::default();
            }
            None => return self.refuse(BadHead::Malformed),
        }
        match scanner.scan(&self.input) {
            Scanned::Ambiguous => self.refuse(BadHead::Malformed),
            Scanned::End(end) if end > self.max_head => self.refuse(BadHead::TooLarge),
            Scanned::More if self.input.len() > self.max_head => self.refuse(BadHead::TooLarge),
            Scanned::More => false,
            Scanned::End(end) => {
                let mut slots = slots();
                let framing = match read(&self.input[..end], &mut slots, self.max_fields) {
                    Ok(Read::Call(head)) => head.framing,
                    Ok(Read::Other { framing }) => framing,
                    Err(bad) => return self.refuse(bad),
                };
                self.signals.set_answer(Answer::Open);
                self.heads += 1;
                self.good = end;
                self.state = match framing {
                    Framing::None => State::Answering,
                    Framing::Length(left) => State::Counted(left),
                    Framing::Chunked => State::Chunked(Decoder::default()),
                };
                true
            }
        }
    }

    fn refuse(&mut self, bad: BadHead) -> bool {
        self.signals.refuse(self.heads, bad);
        self.input = SUBSTITUTE.to_vec();
        self.given = 0;
        self.good = SUBSTITUTE.len();
        self.state = State::Refused;
        false
    }

    /// Remembers who waits for the answer to be over.
    pub(super) fn wait(&self, cx: &Context<'_>) {
        if matches!(self.state, State::Answering) {
            self.signals.wait_for_answer(cx.waker());
        }
    }
}

/// Goes through the chunks from `at`; where the body ends, if it does.
fn chunks(decoder: &mut Decoder, input: &[u8], mut at: usize) -> Result<Option<usize>, BadChunk> {
    loop {
        match decoder.step(input, at)? {
            Step::Data { to, .. } => at = to,
            Step::More => return Ok(None),
            Step::End(end) => return Ok(Some(end)),
        }
    }
}
