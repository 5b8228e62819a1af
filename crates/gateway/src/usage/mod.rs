//! Usage events: one for each call, collected by thread, written by one task.

mod batch;
mod writer;

pub(crate) use batch::{Batch, Event};
pub(crate) use writer::{Sink, start};
