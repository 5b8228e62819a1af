#[path = "../../crates/gateway/src/phases/locate.rs"]
mod locate;

pub(crate) use locate::is_proxied;
