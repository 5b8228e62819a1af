//! Bodies on their way through: counted, limited, never collected.

mod answer;
mod request;

pub(crate) use answer::{GatewayBody, UpstreamBody};
pub(crate) use request::{RequestBody, RequestProgress, RequestSource};
