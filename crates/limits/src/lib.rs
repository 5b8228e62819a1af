#![doc = include_str!("../README.md")]

mod concurrency;
mod counter;
mod gcra;
pub mod header;
mod keyed;
mod lease;
mod quota;
mod time;
mod window;

pub use concurrency::{Gate, Permit};
pub use counter::{Counter, Spec, Verdict, check};
pub use gcra::{Gcra, GcraState};
pub use keyed::Keyed;
pub use lease::{Answer, Ask, Hub, Lease, LeaseTake, Rule};
pub use quota::{Period, Quota, QuotaState, Span};
pub use time::{Level, Moment};
pub use window::{EXACT, Window, WindowState};
