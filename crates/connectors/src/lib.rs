#![doc = include_str!("../README.md")]
#![warn(clippy::unwrap_used, clippy::expect_used)]

pub mod clerk;
pub mod egress;
pub mod fetch;
pub mod http;
pub mod messages;
pub mod oauth2;
pub mod objects;
pub mod oidc;
mod refetch;
pub mod secret;
pub mod tls;

pub use egress::{EgressError, EgressPolicy, connect, resolve};
pub use secret::SecretString;
