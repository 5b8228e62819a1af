#![doc = include_str!("../README.md")]
#![warn(clippy::unwrap_used, clippy::expect_used)]

mod change;
mod check;
pub mod coding;
mod cors;
mod facts;
pub mod jq;
mod mock;
mod percent;
mod preview;
mod query;
mod template;
mod validate;
mod vary;

#[cfg(test)]
mod tests;

pub use change::{Body, ChangeError, RequestChange, ResponseChange};
pub use check::check;
pub use cors::{Cors, is_preflight};
pub use facts::Variables;
pub use mock::{Mock, MockAnswer};
pub use preview::preview;
pub use template::{BadTemplate, Facts, Template};
pub use validate::RequestSchema;
pub use vary::add_vary;
