//! The REST side over a real platform on a SQLite file, called through its router.

mod accounts;
mod app;
mod configuration;
mod hostile;
mod http;
mod limits;
mod openapi;
mod operations;
mod permissions;
mod policies;
mod resources;
mod sessions;
mod verify;
mod versions;
