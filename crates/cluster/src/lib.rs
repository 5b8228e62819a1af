#![doc = include_str!("../README.md")]
#![warn(clippy::unwrap_used, clippy::expect_used)]

mod bus;
mod change;
mod hub;
mod leases;
mod redis;

pub use bus::{Bus, BusError, BusHealth, BusKind};
pub use change::{Change, ParseChangeError};
pub use hub::Outbound;
pub use leases::Leases;
