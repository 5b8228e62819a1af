#![doc = include_str!("../README.md")]
#![warn(clippy::unwrap_used, clippy::expect_used)]

mod codec;
mod conditional;
mod date;
mod directives;
mod entry;
mod fields;
mod filling;
mod flights;
mod freshness;
mod invalidate;
mod key;
mod memory;
mod parts;
mod purge;
mod range;
mod rules;
mod selection;
mod status;
mod storable;
mod targeted;
mod update;

pub use codec::{DecodeError, decode, encode};
pub use conditional::{Condition, Conditions};
pub use directives::{MaxStale, RequestDirectives, ResponseDirectives};
pub use entry::{Asked, Entry, Use};
pub use fields::RequestFields;
pub use filling::{Broken, Filling, Pump, Reader};
pub use flights::{Flight, Flights, Landing, Ticket};
pub use freshness::{Freshness, Times};
pub use invalidate::{invalidated_by, is_unsafe};
pub use key::{Audience, KeyWriter, Visitor};
pub use memory::{Found, Memory, Resource, Stored};
pub use parts::{KeyParts, QueryParts};
pub use purge::{Purge, Purges, What};
pub use range::{Piece, Ranged};
pub use rules::Rules;
pub use selection::{Selecting, variant_of};
pub use status::{Forwarded, StatusLine};
pub use storable::{Answered, Candidate, NotStored};
pub use targeted::{CAPABILITY, Targeted};
