#![doc = include_str!("../README.md")]

mod app;
mod client;
mod database;
mod events;
mod faults;
mod held;
mod load;
mod postgres;
mod raw;
mod redis;
mod tunnel;
mod upstream;
mod wait;

pub use app::{ADMIN_EMAIL, ADMIN_PASSWORD, App, Options, Running};
pub use client::{Answer, Client};
pub use database::{Database, Engine, postgres_address};
pub use events::{Event, Events};
pub use faults::Faults;
pub use held::Held;
pub use load::{Tally, hammer};
pub use postgres::Postgres;
pub use raw::Raw;
pub use redis::{Redis, free_port};
pub use reqwest::{Body, RequestBuilder};
pub use tunnel::Tunnels;
pub use upstream::{Seen, Upstream};
pub use wait::{WAIT, eventually, rfc3339};

/// Runs an async test body on SQLite and on PostgreSQL: `both!(name, |engine| async { … })`.
#[macro_export]
macro_rules! both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name($crate::Engine::Sqlite).await; })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name($crate::Engine::Postgres).await; })*
        }
    };
}
