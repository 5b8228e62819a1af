//! Policies: what happens to calls beside forwarding them.

mod edit;
mod fields;
mod history;
mod page;
mod panel;
mod trial;

pub use edit::policy;
pub use page::policies;
pub use panel::panel;
