//! What the gateway did with a call, and what it would do with one.

mod ask;
mod one;
mod timeline;

pub use ask::ask;
pub use one::one;
