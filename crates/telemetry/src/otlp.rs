//! OpenTelemetry's protocol: the bodies of `POST /v1/traces` and `POST /v1/metrics`.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum, metric,
};
use opentelemetry_proto::tonic::resource::v1;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{self as trace, ResourceSpans, ScopeSpans, Status};
use prost::Message;

use crate::{Family, FamilyKind, Kind, Sample, Span, Value};

const SCOPE: &str = "apiverse";

/// What the node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource(pub Vec<(String, String)>);

/// The body that brings spans.
#[must_use]
pub fn traces_request<'a>(resource: &Resource, spans: impl Iterator<Item = &'a Span>) -> Vec<u8> {
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(about(resource)),
            scope_spans: vec![ScopeSpans {
                scope: Some(scope()),
                spans: spans.map(span).collect(),
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
    .encode_to_vec()
}

/// The body that brings metrics. Times are microseconds since 1970: when the process began to
/// count, and now.
#[must_use]
pub fn metrics_request(
    resource: &Resource,
    families: &[Family],
    started_us: i64,
    now_us: i64,
) -> Vec<u8> {
    let times = (nanos(started_us), nanos(now_us));
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(about(resource)),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(scope()),
                metrics: families.iter().map(|family| one(family, times)).collect(),
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    }
    .encode_to_vec()
}

fn about(resource: &Resource) -> v1::Resource {
    v1::Resource {
        attributes: (resource.0.iter())
            .map(|(name, value)| text(name, value.clone()))
            .collect(),
        ..v1::Resource::default()
    }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: SCOPE.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    }
}

fn span(span: &Span) -> trace::Span {
    let kind = match span.kind {
        Kind::Server => SpanKind::Server,
        Kind::Client => SpanKind::Client,
        Kind::Internal => SpanKind::Internal,
    };
    let code = if span.has_failed {
        StatusCode::Error
    } else {
        StatusCode::Unset
    };
    trace::Span {
        trace_id: span.trace_id.to_vec(),
        span_id: span.id.to_vec(),
        parent_span_id: span.parent.map_or_else(Vec::new, |id| id.to_vec()),
        name: span.name.clone().into_owned(),
        kind: kind.into(),
        start_time_unix_nano: nanos(span.started_us),
        end_time_unix_nano: nanos(span.ended_us.max(span.started_us)),
        attributes: (span.attributes.iter())
            .map(|(name, value)| match value {
                Value::Text(value) => text(name, value.clone().into_owned()),
                Value::Number(number) => attribute(name, Any::IntValue(*number)),
                Value::Flag(flag) => attribute(name, Any::BoolValue(*flag)),
            })
            .collect(),
        status: Some(Status {
            code: code.into(),
            ..Status::default()
        }),
        ..trace::Span::default()
    }
}

fn one(family: &Family, times: (u64, u64)) -> Metric {
    let numbers = |family: &Family| {
        let number = |sample: &Sample| NumberDataPoint {
            attributes: labels(sample),
            start_time_unix_nano: times.0,
            time_unix_nano: times.1,
            value: Some(Number::AsDouble(sample.value)),
            ..NumberDataPoint::default()
        };
        family.samples.iter().map(number).collect()
    };
    let cumulative = AggregationTemporality::Cumulative.into();
    let data = match family.kind {
        FamilyKind::Counter => metric::Data::Sum(Sum {
            data_points: numbers(family),
            aggregation_temporality: cumulative,
            is_monotonic: true,
        }),
        FamilyKind::Gauge => metric::Data::Gauge(Gauge {
            data_points: numbers(family),
        }),
        FamilyKind::Histogram => metric::Data::Histogram(Histogram {
            data_points: (family.samples.iter())
                .map(|sample| distribution(sample, times))
                .collect(),
            aggregation_temporality: cumulative,
        }),
    };
    let unit = [("_seconds", "s"), ("_bytes", "By")]
        .into_iter()
        .find(|(ending, _)| family.name.trim_end_matches("_total").ends_with(ending));
    Metric {
        name: family.name.clone(),
        description: family.help.clone(),
        unit: unit.map_or("", |(_, unit)| unit).to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

/// Buckets count what is in them alone here, and the last one's bound is not said.
fn distribution(sample: &Sample, times: (u64, u64)) -> HistogramDataPoint {
    let mut before = 0;
    let mut bucket_counts = Vec::with_capacity(sample.buckets.len());
    let mut explicit_bounds = Vec::with_capacity(sample.buckets.len());
    for (bound, count) in &sample.buckets {
        bucket_counts.push(count.saturating_sub(before));
        before = *count;
        if bound.is_finite() {
            explicit_bounds.push(*bound);
        }
    }
    HistogramDataPoint {
        attributes: labels(sample),
        start_time_unix_nano: times.0,
        time_unix_nano: times.1,
        count: sample.count,
        sum: Some(sample.value),
        bucket_counts,
        explicit_bounds,
        ..HistogramDataPoint::default()
    }
}

fn labels(sample: &Sample) -> Vec<KeyValue> {
    (sample.labels.iter())
        .map(|(name, value)| text(name, value.clone()))
        .collect()
}

fn text(name: &str, value: String) -> KeyValue {
    attribute(name, Any::StringValue(value))
}

fn attribute(name: &str, value: Any) -> KeyValue {
    KeyValue {
        key: name.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

fn nanos(us: i64) -> u64 {
    u64::try_from(us).unwrap_or(0).saturating_mul(1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    #[test]
    fn metrics_keep_their_meaning() {
        let text = "# HELP took_seconds Time\n# TYPE took_seconds histogram\n\
            took_seconds_bucket{api=\"a\",le=\"0.5\"} 1\n\
            took_seconds_bucket{api=\"a\",le=\"+Inf\"} 3\n\
            took_seconds_sum{api=\"a\"} 4.5\ntook_seconds_count{api=\"a\"} 3\n\
            # TYPE calls_total counter\ncalls_total{api=\"a\"} 7\n";
        let resource = Resource(vec![("service.name".to_owned(), "x".to_owned())]);
        let body = metrics_request(&resource, &parse(text), 1, 2);
        let request = ExportMetricsServiceRequest::decode(&*body).expect("decodes");
        let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
        assert_eq!(metrics[0].unit, "s");
        let Some(metric::Data::Histogram(histogram)) = &metrics[0].data else {
            panic!("a histogram");
        };
        let point = &histogram.data_points[0];
        assert_eq!(point.bucket_counts, [1, 2]);
        assert_eq!(point.explicit_bounds, [0.5]);
        assert_eq!(point.time_unix_nano, 2000);
        let Some(metric::Data::Sum(sum)) = &metrics[1].data else {
            panic!("a sum");
        };
        assert!(sum.is_monotonic);
    }
}
