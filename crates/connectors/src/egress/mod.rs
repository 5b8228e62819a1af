//! Where this process may connect to, decided on addresses after name resolution.
//!
//! A security invariant: a name is never judged by how it is written. Whatever it resolves to is
//! checked, at every connect, so a name that changes its address between two calls (DNS
//! rebinding) gains nothing.

mod connect;
mod policy;

pub use connect::{EgressError, connect, connect_to, resolve};
pub use policy::EgressPolicy;
