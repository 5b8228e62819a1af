//! Reading the text that `/metrics` answers. It is our own exporter's: what it never writes
//! (exponents of other exporters' summaries, timestamps, exemplars) is passed over.

use std::collections::BTreeMap;

/// What a family of series is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FamilyKind {
    Counter,
    Gauge,
    Histogram,
}

/// Series of one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    pub name: String,
    pub help: String,
    pub kind: FamilyKind,
    pub samples: Vec<Sample>,
}

/// One series: its labels, sorted by name, and what it is now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    pub labels: BTreeMap<String, String>,
    /// Of a histogram the sum of all values.
    pub value: f64,
    /// Of a histogram how many values there were.
    pub count: u64,
    /// Of a histogram upper bounds, ascending, with how many values are not above them. The last
    /// is infinite.
    pub buckets: Vec<(f64, u64)>,
}

/// All families in `text`.
#[must_use]
pub fn parse(text: &str) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::new();
    let mut help = (String::new(), String::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, said) = rest.split_once(' ').unwrap_or((rest, ""));
            help = (name.to_owned(), said.to_owned());
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let Some((name, kind)) = rest.split_once(' ') else {
                continue;
            };
            let kind = match kind {
                "counter" => FamilyKind::Counter,
                "gauge" => FamilyKind::Gauge,
                "histogram" => FamilyKind::Histogram,
                _ => continue,
            };
            let is_its = help.0 == name;
            families.push(Family {
                name: name.to_owned(),
                help: if is_its {
                    std::mem::take(&mut help.1)
                } else {
                    String::new()
                },
                kind,
                samples: Vec::new(),
            });
        } else if let Some(family) = families.last_mut() {
            add(family, line);
        }
    }
    families.retain(|family| !family.samples.is_empty());
    families
}

fn add(family: &mut Family, line: &str) {
    let Some((name, mut labels, value)) = series(line) else {
        return;
    };
    let Some(part) = name.strip_prefix(family.name.as_str()) else {
        return;
    };
    let bound = labels.remove("le");
    let is_same = (family.samples.last()).is_some_and(|sample| sample.labels == labels);
    if family.kind != FamilyKind::Histogram || !is_same {
        family.samples.push(Sample {
            labels,
            ..Sample::default()
        });
    }
    let Some(sample) = family.samples.last_mut() else {
        return;
    };
    match (part, bound) {
        ("" | "_sum", None) => sample.value = value,
        ("_count", None) => sample.count = value as u64,
        ("_bucket", Some(bound)) => {
            let bound = match bound.as_str() {
                "+Inf" => Some(f64::INFINITY),
                text => text.parse().ok(),
            };
            if let Some(bound) = bound {
                sample.buckets.push((bound, value as u64));
            }
        }
        _ => {}
    }
}

/// Takes `name{label="value",…} 1.5` apart.
fn series(line: &str) -> Option<(&str, BTreeMap<String, String>, f64)> {
    let mut labels = BTreeMap::new();
    let end = line.find(['{', ' '])?;
    let name = &line[..end];
    let mut rest = &line[end..];
    if let Some(mut inner) = rest.strip_prefix('{') {
        loop {
            inner = inner.trim_start_matches(',');
            if let Some(after) = inner.strip_prefix('}') {
                rest = after;
                break;
            }
            let (label, after) = inner.split_once("=\"")?;
            let mut value = String::new();
            let mut characters = after.char_indices();
            loop {
                match characters.next()? {
                    (_, '\\') => match characters.next()?.1 {
                        'n' => value.push('\n'),
                        other => value.push(other),
                    },
                    (at, '"') => {
                        inner = &after[at + 1..];
                        break;
                    }
                    (_, other) => value.push(other),
                }
            }
            labels.insert(label.to_owned(), value);
        }
    }
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some((name, labels, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# HELP calls_total Calls: \"all\"\n# TYPE calls_total counter\n\
        calls_total{api=\"a\\\"b\\\\c\",kind=\"x,y}\"} 7\ncalls_total 1\n\n\
        # TYPE took_seconds histogram\n\
        took_seconds_bucket{api=\"a\",le=\"0.5\"} 1\ntook_seconds_bucket{api=\"a\",le=\"+Inf\"} 3\n\
        took_seconds_sum{api=\"a\"} 4.5\ntook_seconds_count{api=\"a\"} 3\n\
        took_seconds_bucket{api=\"b\",le=\"+Inf\"} 1\ntook_seconds_sum{api=\"b\"} 9\n\
        took_seconds_count{api=\"b\"} 1\n# TYPE empty gauge\nnonsense\n";

    #[test]
    fn what_is_exposed_is_read() {
        let families = parse(TEXT);
        assert_eq!(families.len(), 2);
        let calls = &families[0];
        assert_eq!(calls.kind, FamilyKind::Counter);
        assert_eq!(calls.help, "Calls: \"all\"");
        assert_eq!(calls.samples[0].labels["api"], "a\"b\\c");
        assert_eq!(calls.samples[0].labels["kind"], "x,y}");
        let values: Vec<f64> = calls.samples.iter().map(|sample| sample.value).collect();
        assert_eq!(values, [7.0, 1.0]);
        let took = &families[1];
        assert_eq!(took.samples.len(), 2);
        assert_eq!((took.samples[0].value, took.samples[0].count), (4.5, 3));
        assert_eq!(took.samples[0].buckets, [(0.5, 1), (f64::INFINITY, 3)]);
        assert_eq!(took.samples[1].labels["api"], "b");
    }

    #[test]
    fn what_is_broken_is_passed_over() {
        for broken in ["a{", "a{b=\"", "a{b=\"c\\", "a", "a{b=\"c\"} x", "{} 1"] {
            let text = format!("# TYPE a counter\n{broken}\n");
            let _ = parse(&text);
        }
        assert_eq!(parse("# TYPE a counter\na{b=\"c\n"), []);
    }
}
