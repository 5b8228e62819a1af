//! The gateway's parsers, from their own files.
#![expect(dead_code, reason = "the gateway uses more of these files than the targets do")]

pub mod edge;
mod limits;
mod phases;

#[path = "../../crates/gateway/src/tests/forwarded.rs"]
pub mod forwarded;
#[path = "../../crates/gateway/src/peer.rs"]
mod peer;
