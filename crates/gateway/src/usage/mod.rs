//! Usage events: one for each call, in the journal before its answer ends, then in the database.

mod drain;
mod record;
mod sink;
mod touch;
mod upkeep;

pub(crate) use record::Event;
pub(crate) use sink::{EventWriter, Sink, start};
