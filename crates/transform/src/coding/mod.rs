//! Content codings: which one an answer is sent in, and the streams that write and read them.

mod negotiate;
mod read;
mod write;

#[cfg(test)]
mod tests;

pub use negotiate::{Choice, Compression, weaken_etag};
pub use read::{DecodeError, Decoder, Stored};
pub use write::Encoder;
