//! The console: everything behind the sign-in.

pub mod alerts;
pub mod apis;
mod calls;
pub mod costs;
pub mod explain;
mod explorer;
mod first_steps;
mod identities;
pub mod insights;
pub mod keys;
pub mod layout;
mod limits;
pub mod live;
mod overview;
mod passkeys;
pub mod plan;
pub mod policies;
pub mod reports;
mod security;
mod series;
mod settings;
pub mod targets;
pub mod team;
mod time_zone;
pub mod usage;

pub use explorer::explorer;
pub use layout::layout;
pub use limits::limits;
pub use overview::overview;
pub use security::security;
pub use settings::settings;
pub use usage::usage;
