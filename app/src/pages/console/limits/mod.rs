//! Limits: a panel on the pages of what they are attached to, and the organization's own page.

mod edit;
mod page;
mod panel;
mod rows;

pub use page::limits;
pub use panel::panel;
