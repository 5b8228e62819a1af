//! The other side: connections to upstreams, one pool for each thread.

mod connect;
mod exchange;
mod origin;
mod pool;
mod profile;
mod tunnel;
mod websocket;

pub(crate) use connect::{ConnectError, Purpose, dial, handshake_tls};
pub(crate) use exchange::{Answer, ExchangeError, Failed, Outbound, exchange};
pub(crate) use origin::Origin;
pub(crate) use pool::{Lease, Pool};
pub(crate) use profile::Profile;
pub(crate) use tunnel::{TunnelLimits, tunnel};
