#![doc = include_str!("../README.md")]
#![warn(clippy::unwrap_used, clippy::expect_used)]

mod bytes;
mod cells;
mod codec;
mod delta;
mod dims;
mod plan;
mod question;
mod scan;
mod shape;
mod sketch;
mod step;
mod templates;
mod view;

pub use cells::{Call, Cell, Cells};
pub use codec::{Corrupt, Entry, RouteRef, entries};
pub use delta::{Delta, minutes};
pub use dims::{Dims, Method, Route};
pub use plan::{Kept, Piece, Source, plan};
pub use question::{Dimension, Filter, Question, Value};
pub use scan::{Answer, Group, Scan, Sum};
pub use shape::shape;
pub use sketch::{Histogram, Sketch};
pub use step::Step;
pub use templates::{Learned, OTHER, Templates, UNMATCHED, is_known};
pub use view::View;
