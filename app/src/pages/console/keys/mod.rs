//! API keys: the list, a new one, and one with what it may do.

mod create;
mod detail;
mod fields;
mod list;
mod reveal;
mod revoke;
mod rotate;

pub use create::create;
pub use detail::detail;
pub use list::list;
