#![doc = include_str!("../README.md")]
#![warn(clippy::unwrap_used, clippy::expect_used)]

mod context;
mod emf;
mod exposition;
mod otlp;
mod span;
mod tracer;

pub use context::{SpanId, TraceContext, TraceId};
pub use emf::Emf;
pub use exposition::{Family, FamilyKind, Sample, parse};
pub use otlp::{Resource, metrics_request, traces_request};
pub use span::{Kind, Span, Value};
pub use tracer::{Sampler, Tracer};
