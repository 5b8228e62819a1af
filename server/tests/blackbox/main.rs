//! APIverse from outside: the real binary over real HTTP, on both databases.

mod accounts;
mod alerts;
mod apis;
mod audit;
mod availability;
mod bodies;
mod cache_nodes;
mod cache_suite;
mod clerk;
mod cli;
mod compression;
mod costs;
mod drills;
mod durability;
mod explain;
mod first_run;
mod forwarding;
mod hostile;
mod intruders;
mod keys;
mod limits;
mod limits_exact;
mod limits_nodes;
mod live;
mod live_many;
mod monitoring;
mod nodes;
mod operations;
mod organizations;
mod outbox;
mod permissions;
mod policies;
mod protocols;
mod quotas;
mod real_upstreams;
mod reports;
mod shutdown;
mod sign_in;
mod team;
mod tls;
mod transforms;
mod two_factor;
mod upstreams;
mod usage;
mod views;

use apiverse_testkit::{App, Engine, Options};

const BINARY: &str = env!("CARGO_BIN_EXE_apiverse");

fn options(engine: Engine) -> Options {
    Options::new(BINARY, engine)
}

async fn start(engine: Engine) -> App {
    App::start(options(engine)).await
}
