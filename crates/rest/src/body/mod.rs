//! From the bytes of a body to a value, with an error that helps at every step.

pub mod messages;
pub mod parse;
pub mod read;
pub mod strict;
