//! CloudWatch's embedded metric format: JSON lines out of which CloudWatch makes metrics.
//!
//! CloudWatch is paid for by metric and set of dimensions, so labels of which there are many are
//! summed over. Counters are told as what was added since the lines before.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{Family, FamilyKind, Sample};

/// Labels that are summed over.
const LEFT_OUT: [&str; 5] = ["method", "route", "target", "version", "revision"];
/// Metrics of one line at most, as the format has it.
const METRICS: usize = 100;

type Labels = BTreeMap<String, String>;

/// What was told before.
#[derive(Clone, Debug, Default)]
pub struct Emf {
    told: BTreeMap<(String, Labels), f64>,
}

/// A value of one metric.
struct Told {
    name: String,
    unit: &'static str,
    value: f64,
}

impl Emf {
    /// The lines for `families` at `now_ms` (since 1970), and what is told with them: to be kept
    /// once they have arrived, so that what did not arrive is told with the next.
    #[must_use]
    pub fn lines(&self, namespace: &str, families: &[Family], now_ms: i64) -> (String, Self) {
        let mut now = Self::default();
        let mut by_labels: BTreeMap<Labels, Vec<Told>> = BTreeMap::new();
        for family in families {
            for (labels, sample) in summed(family) {
                let told = by_labels.entry(labels.clone()).or_default();
                match family.kind {
                    FamilyKind::Gauge => told.push(Told {
                        name: family.name.clone(),
                        unit: unit(&family.name),
                        value: sample.value,
                    }),
                    FamilyKind::Counter => {
                        let series = (family.name.clone(), labels);
                        told.extend(self.added(&mut now, series, sample.value));
                    }
                    FamilyKind::Histogram => {
                        let sum = (format!("{}_sum", family.name), labels.clone());
                        told.extend(self.added(&mut now, sum, sample.value));
                        let count = (format!("{}_count", family.name), labels);
                        told.extend(self.added(&mut now, count, sample.count as f64));
                    }
                }
            }
        }
        let mut lines = String::new();
        for (labels, told) in &by_labels {
            for some in told.chunks(METRICS) {
                lines.push_str(&line(namespace, labels, some, now_ms).to_string());
                lines.push('\n');
            }
        }
        (lines, now)
    }

    /// What a counter has more than before; `None` when that is nothing.
    fn added(&self, now: &mut Self, series: (String, Labels), value: f64) -> Option<Told> {
        let before = self.told.get(&series).copied().unwrap_or(0.0);
        let name = series.0.clone();
        now.told.insert(series, value);
        // One that became smaller began anew.
        let added = if value < before {
            value
        } else {
            value - before
        };
        (added > 0.0).then(|| Told {
            unit: unit(&name),
            name,
            value: added,
        })
    }
}

fn line(namespace: &str, labels: &Labels, told: &[Told], now_ms: i64) -> Value {
    let mut members: Map<String, Value> = (labels.iter())
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    for one in told {
        members.insert(one.name.clone(), json!(one.value));
    }
    let names: Vec<&String> = labels.keys().collect();
    let metrics: Vec<Value> = told
        .iter()
        .map(|one| json!({ "Name": one.name, "Unit": one.unit }))
        .collect();
    members.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": now_ms,
            "CloudWatchMetrics": [{
                "Namespace": namespace,
                "Dimensions": [names],
                "Metrics": metrics,
            }],
        }),
    );
    Value::Object(members)
}

/// The series without the labels of which there are many.
fn summed(family: &Family) -> BTreeMap<Labels, Sample> {
    let mut all: BTreeMap<Labels, Sample> = BTreeMap::new();
    for sample in &family.samples {
        let mut labels = sample.labels.clone();
        labels.retain(|name, value| !LEFT_OUT.contains(&name.as_str()) && !value.is_empty());
        let sum = all.entry(labels).or_default();
        sum.value += sample.value;
        sum.count += sample.count;
    }
    all
}

fn unit(name: &str) -> &'static str {
    let name = name.trim_end_matches("_total").trim_end_matches("_sum");
    if name.ends_with("_seconds") {
        "Seconds"
    } else if name.ends_with("_bytes") {
        "Bytes"
    } else {
        "Count"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    /// As AWS publishes it ("Embedded metric format specification", with the limits of its text).
    const SCHEMA: &str = include_str!("emf_schema.json");

    const FIRST: &str = "# TYPE calls_total counter\n\
        calls_total{api=\"a\",method=\"GET\"} 7\ncalls_total{api=\"a\",method=\"POST\"} 1\n\
        # TYPE took_seconds histogram\ntook_seconds_bucket{api=\"a\",le=\"+Inf\"} 8\n\
        took_seconds_sum{api=\"a\"} 2.5\ntook_seconds_count{api=\"a\"} 8\n\
        # TYPE open_bytes gauge\nopen_bytes 5\n";

    fn read(lines: &str) -> Vec<Value> {
        let schema: Value = serde_json::from_str(SCHEMA).expect("a schema");
        let schema = jsonschema::validator_for(&schema).expect("a schema");
        lines
            .lines()
            .map(|line| {
                let line: Value = serde_json::from_str(line).expect("JSON");
                assert!(schema.is_valid(&line), "{line}");
                // What is declared is there.
                let directive = &line["_aws"]["CloudWatchMetrics"][0];
                for metric in directive["Metrics"].as_array().expect("metrics") {
                    assert!(line[metric["Name"].as_str().expect("a name")].is_number());
                }
                for name in directive["Dimensions"][0].as_array().expect("a set") {
                    assert!(line[name.as_str().expect("a name")].is_string());
                }
                line
            })
            .collect()
    }

    #[test]
    fn counters_tell_what_was_added() {
        let (lines, told) = Emf::default().lines("APIverse", &parse(FIRST), 1000);
        let lines = read(&lines);
        let of_a = lines
            .iter()
            .find(|line| line["api"] == "a")
            .expect("a line");
        assert_eq!(of_a["calls_total"], 8.0);
        assert_eq!(of_a["took_seconds_sum"], 2.5);
        assert_eq!(of_a["took_seconds_count"], 8.0);
        assert_eq!(of_a["_aws"]["Timestamp"], 1000);
        let plain = lines
            .iter()
            .find(|line| line["api"].is_null())
            .expect("a line");
        assert_eq!(plain["open_bytes"], 5.0);

        let second = FIRST.replace("} 7", "} 10");
        let (lines, _) = told.lines("APIverse", &parse(&second), 2000);
        let lines = read(&lines);
        let of_a = lines
            .iter()
            .find(|line| line["api"] == "a")
            .expect("a line");
        assert_eq!(of_a["calls_total"], 3.0);
        assert!(of_a.get("took_seconds_sum").is_none(), "nothing was added");
    }

    #[test]
    fn a_line_has_no_more_than_a_hundred_metrics() {
        let mut text = String::new();
        for n in 0..250 {
            text.push_str(&format!("# TYPE m{n} gauge\nm{n} {n}\n"));
        }
        let (lines, _) = Emf::default().lines("APIverse", &parse(&text), 1);
        let lines = read(&lines);
        assert_eq!(lines.len(), 3);
    }
}
