//! What handlers take: who calls, and the parts of a request, checked.

pub mod auth;
pub mod caller;
pub mod json;
pub mod path;
pub mod query;
