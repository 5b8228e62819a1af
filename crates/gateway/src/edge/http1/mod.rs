//! The gateway's own HTTP/1.1: plain calls from a caller's socket to an upstream's, on bytes.
//!
//! A head is read once, strictly ([`request`]), judged by the same phases as every call
//! ([`prepare`]), and written for the upstream without a map of headers between; the answer comes
//! back the same way ([`answer`], [`exchange`]). What a plain call is not (other protocols,
//! `Expect`, HTTP/1.0, upstreams over TLS, the control plane) is handed to hyper with the bytes
//! read so far, and the connection stays there.
//!
//! Where the length of a request could be read in two ways, it is refused: see [`request::BadHead`]
//! (RFC 9112, 6.3 and 11.2).

mod answer;
#[cfg(test)]
mod checks;
mod chunked;
mod connection;
mod exchange;
mod field;
mod lines;
mod link;
mod prepare;
mod request;
mod scan;
mod through;
mod upload;

pub(super) use chunked::{BadChunk, Decoder, Step};
pub(super) use connection::{Ended, refusal, serve};
pub(crate) use link::Links;
pub(super) use request::{BadHead, Framing, Read, read, slots};
pub(super) use scan::{Scanned, Scanner, leading_lines};
