//! Which calls are traced, and the queue their spans wait in.

use std::sync::Arc;

use metrics::{Counter, counter};
use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::Span;
use crate::context::{Parent, SpanId, TraceContext};

const DROPPED: &str = "apiverse_telemetry_dropped_spans_total";

/// Decides which calls are traced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampler {
    /// Do as the caller's `traceparent` says, if there is one.
    pub parent_based: bool,
    /// Which part of the others: a trace id below it, so that all who use the same part sample the
    /// same traces.
    pub ratio: f64,
}

impl Sampler {
    fn samples(&self, parent: Option<&Parent>, trace_id: &[u8; 16]) -> bool {
        if let (true, Some(parent)) = (self.parent_based, parent) {
            return parent.is_sampled;
        }
        // As OpenTelemetry's own libraries do: the lower eight bytes without their highest bit.
        let [.., a, b, c, d, e, f, g, h] = *trace_id;
        let low = u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1;
        let bound = self.ratio * (1_u64 << 63) as f64;
        self.ratio >= 1.0 || (low as f64) < bound
    }
}

/// Hands out places in traces, and takes spans. Clones share one queue.
#[derive(Clone)]
pub struct Tracer {
    sampler: Sampler,
    queue: Sender<Arc<[Span]>>,
    dropped: Counter,
}

impl std::fmt::Debug for Tracer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tracer")
            .field("sampler", &self.sampler)
            .finish_non_exhaustive()
    }
}

impl Tracer {
    /// The other end gets the spans of a call at a time; `most` calls wait there at most.
    #[must_use]
    pub fn new(sampler: Sampler, most: usize) -> (Self, Receiver<Arc<[Span]>>) {
        metrics::describe_counter!(
            DROPPED,
            "Spans that were not sent: too many waited, or the receiver did not take them"
        );
        let (queue, spans) = mpsc::channel(most.max(1));
        let tracer = Self {
            sampler,
            queue,
            dropped: counter!(DROPPED),
        };
        (tracer, spans)
    }

    /// The place of a call that comes with this `traceparent`.
    #[must_use]
    pub fn begin(&self, traceparent: Option<&[u8]>) -> TraceContext {
        let parent = traceparent.and_then(Parent::parse);
        let [span, client] = [new_id(), new_id()];
        let trace_id = match &parent {
            Some(parent) => parent.trace_id,
            None => {
                let mut id = [0; 16];
                id[..8].copy_from_slice(&new_id());
                id[8..].copy_from_slice(&new_id());
                id
            }
        };
        TraceContext {
            trace_id,
            is_sampled: self.sampler.samples(parent.as_ref(), &trace_id),
            parent: parent.map(|parent| parent.span),
            span,
            client,
        }
    }

    /// Takes the spans of a call, or drops them when too many wait. Never waits.
    pub fn record(&self, spans: Vec<Span>) {
        let count = spans.len() as u64;
        if self.queue.try_send(spans.into()).is_err() {
            self.dropped.increment(count);
        }
    }

    /// Counts spans that were taken from the queue and could not be sent.
    pub fn count_dropped(&self, spans: usize) {
        self.dropped.increment(spans as u64);
    }
}

/// Never all zero (W3C Trace Context, 3.2.2.4).
#[must_use]
pub(crate) fn new_id() -> SpanId {
    loop {
        let id: SpanId = rand::random();
        if id != [0; 8] {
            return id;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, Span};

    const CALLERS: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0";

    fn tracer(parent_based: bool, ratio: f64) -> Tracer {
        let sampler = Sampler {
            parent_based,
            ratio,
        };
        Tracer::new(sampler, 4).0
    }

    fn callers(flags: char) -> String {
        format!("{CALLERS}{flags}")
    }

    #[test]
    fn a_caller_decides_when_asked() {
        for (parent_based, ratio, flags, expected) in [
            (true, 1.0, '0', false),
            (true, 0.0, '1', true),
            (false, 1.0, '0', true),
            (false, 0.0, '1', false),
        ] {
            let context = tracer(parent_based, ratio).begin(Some(callers(flags).as_bytes()));
            assert_eq!(
                context.is_sampled, expected,
                "{parent_based} {ratio} {flags}"
            );
            assert_eq!(context.trace_id[0], 0x4b);
            assert_eq!(context.parent.map(|id| id[1]), Some(0xf0));
        }
    }

    #[test]
    fn a_part_of_new_traces_is_sampled() {
        let tracer = tracer(true, 0.25);
        let sampled = (0..4000).filter(|_| tracer.begin(None).is_sampled).count();
        // Nine standard deviations around 1000.
        assert!((750..1250).contains(&sampled), "{sampled}");
        assert_ne!(tracer.begin(None).trace_id, tracer.begin(None).trace_id);
    }

    #[test]
    fn a_full_queue_drops_and_waits_for_nobody() {
        let sampler = Sampler {
            parent_based: true,
            ratio: 1.0,
        };
        let (tracer, mut spans) = Tracer::new(sampler, 2);
        let context = tracer.begin(None);
        let span = Span {
            trace_id: context.trace_id,
            id: context.span,
            parent: None,
            name: "GET".into(),
            kind: Kind::Server,
            started_us: 1,
            ended_us: 2,
            attributes: Vec::new(),
            has_failed: false,
        };
        for _ in 0..5 {
            tracer.record(vec![span.clone()]);
        }
        let mut kept = 0;
        while spans.try_recv().is_ok() {
            kept += 1;
        }
        assert_eq!(kept, 2);
    }
}
