#![doc = include_str!("../README.md")]

mod bus;
mod change;
mod hub;
mod redis;

pub use bus::{Bus, BusError, BusHealth, BusKind};
pub use change::{Change, ParseChangeError};
pub use hub::Outbound;
