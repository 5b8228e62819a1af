//! What is seen, a module for each area.

pub mod console;
pub mod not_found;
pub mod public;
