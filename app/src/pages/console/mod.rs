//! The console: everything behind the sign-in.

pub mod apis;
mod calls;
pub mod costs;
pub mod explain;
mod explorer;
pub mod insights;
pub mod keys;
mod layout;
mod limits;
pub mod live;
mod overview;
pub mod plan;
pub mod policies;
mod security;
mod series;
mod settings;
pub mod targets;
mod usage;

pub use explorer::explorer;
pub use layout::layout;
pub use limits::limits;
pub use overview::overview;
pub use security::security;
pub use settings::settings;
pub use usage::usage;
