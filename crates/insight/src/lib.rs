#![doc = include_str!("../README.md")]
#![warn(clippy::unwrap_used, clippy::expect_used)]

mod baseline;
mod detect;
mod explain;
mod robust;

pub use detect::{Finding, Kind, Options, detect, detect_weighted};
pub use explain::{Contribution, contributions};
