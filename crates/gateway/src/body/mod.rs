//! Bodies on their way through: counted, limited, never collected.

mod answer;
mod followed;
mod kept;
mod request;
mod trailers;

pub(crate) use answer::{AnswerError, Clocks, GatewayBody, UpstreamBody};
pub(crate) use request::{RequestBody, RequestProgress, RequestSource};
