//! What handlers take: who calls, and the parts of a request, checked.

pub mod auth;
pub mod caller;
pub mod condition;
pub mod json;
pub mod path;
pub mod policy;
pub mod query;
