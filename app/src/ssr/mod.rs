//! What only the server has: who asks, drawing pages, plain forms, static files.

pub mod alerts;
pub mod assets;
pub mod audit;
pub mod call;
pub mod explain;
mod forms;
mod gate;
pub mod limits;
mod messages;
pub mod openapi;
pub mod plan;
pub mod policies;
mod render;
pub mod reports;
pub mod routes;
pub mod same_origin;
mod shell;
mod state;
pub mod targets;
pub mod team;
pub mod usage;
pub mod versions;
pub mod views;

pub use openapi::{ServerFunction, schemas, server_functions};
pub use render::routes;
pub use state::{ConsoleState, Explain, Targets};
