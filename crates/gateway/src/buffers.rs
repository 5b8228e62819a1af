//! Read buffers that a thread's connections take turns with.

use std::cell::RefCell;

/// What a buffer holds at least.
const SIZE: usize = 16 * 1024;
/// A buffer that has grown beyond this is given back to the system.
const LARGEST: usize = 64 * 1024;
/// Buffers that are kept.
const KEPT: usize = 64;

/// Unused buffers. A connection takes one when there is something to read.
#[derive(Default)]
pub(crate) struct Buffers(RefCell<Vec<Vec<u8>>>);

impl Buffers {
    /// An empty one.
    pub(crate) fn take(&self) -> Vec<u8> {
        let kept = self.0.borrow_mut().pop();
        kept.unwrap_or_else(|| Vec::with_capacity(SIZE))
    }

    pub(crate) fn put(&self, mut buffer: Vec<u8>) {
        let mut kept = self.0.borrow_mut();
        if (SIZE..=LARGEST).contains(&buffer.capacity()) && kept.len() < KEPT {
            buffer.clear();
            kept.push(buffer);
        }
    }
}
