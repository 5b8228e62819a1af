//! What the policies of `apiverse_transform` do to a call: the IO around that crate.
//!
//! Bodies are read whole only where a policy asks for it, up to its limit. Expressions and schemas
//! run in passing when they are short, else on threads of their own, with a limit of time.

mod compress;
mod cors;
mod message;
mod pool;
mod ready;
mod request;
mod response;

pub(crate) use compress::{CodedBody, compress};
pub(crate) use cors::{answer_cors, preflight, refusal_cors, verdict};
pub(crate) use message::Subject;
pub(crate) use pool::Threads;
pub(crate) use ready::{
    Ready, compression, cors, mock, request_change, response_change, schema, tokens,
};
pub(crate) use request::{ask_for_plain, ask_for_whole, change_request, mocked, validate};
pub(crate) use response::change_response;
