//! The other side: connections to upstreams, one pool for each thread.

mod connect;
mod exchange;
mod origin;
mod pool;
mod tunnel;
mod websocket;

pub(crate) use connect::{ConnectError, dial};
pub(crate) use exchange::{Answer, ExchangeError, Outbound, exchange};
pub(crate) use origin::Origin;
pub(crate) use pool::{Lease, Pool};
pub(crate) use tunnel::{TunnelLimits, tunnel};
