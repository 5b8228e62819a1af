//! Usage events: one for each call, in the journal before its answer ends, then in the database.

mod cache;
mod drain;
mod record;
mod sink;
mod touch;
mod upkeep;

pub(crate) use cache::state as cache_state;
pub(crate) use record::Event;
pub(crate) use sink::{EventWriter, Sink, start};
