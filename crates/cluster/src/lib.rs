#![doc = include_str!("../README.md")]
#![warn(clippy::unwrap_used, clippy::expect_used)]

mod answers;
mod bus;
mod change;
mod hub;
mod leases;
mod meters;
mod redis;

pub use answers::{Answers, AnswersOptions, Count, FoundAnswer, New, Place};
pub use bus::{Bus, BusError, BusHealth, BusKind, Outlet};
pub use change::{Change, ParseChangeError};
pub use hub::Outbound;
pub use leases::Leases;
