#![doc = include_str!("../README.md")]

mod adopt;
mod frame;
mod header;
mod journal;
mod map;
mod overflow;
mod reader;
mod stream;
mod writer;

pub use frame::{Frame, MAX_RECORD, parse};
pub use journal::{Journal, OpenError, Options, Status, open};
pub use reader::{Batch, Mark, Reader};
pub use writer::{Kept, Writer};
