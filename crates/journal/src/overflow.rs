//! Records that no file could take: kept in memory up to a limit.

use parking_lot::Mutex;

use crate::frame::{FRAME_HEADER, seal};

/// Frames in memory, as they would stand in a segment.
pub(crate) struct Overflow {
    limit: usize,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    /// Position of the first byte.
    base: u64,
    frames: Vec<u8>,
}

impl Overflow {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            held: Mutex::default(),
        }
    }

    /// Whether there was room.
    pub(crate) fn push(&self, len: usize, write: impl FnOnce(&mut [u8])) -> bool {
        let mut held = self.held.lock();
        let start = held.frames.len();
        let end = start + FRAME_HEADER + len;
        if end > self.limit {
            return false;
        }
        held.frames.resize(end, 0);
        write(&mut held.frames[start + FRAME_HEADER..]);
        let position = held.base + start as u64;
        seal(&mut held.frames[start..], position);
        true
    }

    /// Copies frames from `position` on, as many bytes as fit; how many.
    pub(crate) fn read(&self, position: u64, into: &mut [u8]) -> usize {
        let held = self.held.lock();
        let skip = usize::try_from(position.saturating_sub(held.base)).unwrap_or(usize::MAX);
        let rest = held.frames.get(skip..).unwrap_or_default();
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        count
    }

    /// Forgets what stands before `position`.
    pub(crate) fn forget(&self, position: u64) {
        let mut held = self.held.lock();
        let count = usize::try_from(position.saturating_sub(held.base)).unwrap_or(usize::MAX);
        let count = count.min(held.frames.len());
        held.frames.drain(..count);
        held.base += count as u64;
        if held.frames.is_empty() {
            held.frames.shrink_to(0);
        }
    }

    pub(crate) fn base(&self) -> u64 {
        self.held.lock().base
    }

    pub(crate) fn end(&self) -> u64 {
        let held = self.held.lock();
        held.base + held.frames.len() as u64
    }

    pub(crate) fn len(&self) -> usize {
        self.held.lock().frames.len()
    }
}
