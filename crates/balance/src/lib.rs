#![doc = include_str!("../README.md")]
#![warn(clippy::unwrap_used, clippy::expect_used)]

mod breaker;
mod group;
mod retry;
mod split;
mod target;
mod window;

pub use breaker::{Admission, Breaker, BreakerRules, BreakerState};
pub use group::{Group, GroupRules, MAX_TARGETS, Member, NoPick, Picked, TargetView, Way};
pub use retry::{Attempt, Backoff, Budget, Failure, NoRetry, parse_retry_after, permit};
pub use split::{SHARES, hash, share_of};
pub use target::{Change, CheckRules, EjectionRules, Health, Outcome};
pub use window::Window;
