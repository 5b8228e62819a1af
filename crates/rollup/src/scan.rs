//! Answers from blocks.

use foldhash::HashMap;
use uuid::Uuid;

use crate::cells::Cell;
use crate::codec::{Corrupt, Entry, RouteRef, entries};
use crate::dims::{Dims, Route};
use crate::question::{Question, Value, class};
use crate::sketch::Histogram;
use crate::templates::{Templates, is_known};

/// Sums over a set of calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    pub calls: u64,
    /// Answers of 400 and above.
    pub errors: u64,
    pub refused: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// All latencies together, microseconds.
    pub latency_us: u64,
    /// Answers by class: 2xx (and below), 3xx, 4xx, 5xx (and above).
    pub classes: [u64; 4],
    /// Calls answered from the cache, and those that could have been.
    pub cache_hits: u64,
    pub cache_lookups: u64,
    /// Of verifications: for how many calls they count.
    pub cost: u64,
    /// Of language models: read and written.
    pub tokens_in: u64,
    pub tokens_out: u64,
    /// Empty unless asked for.
    pub latency: Histogram,
}

impl Sum {
    fn add(&mut self, entry: &Entry<'_>) {
        self.calls = self.calls.saturating_add(entry.calls);
        if entry.status >= 400 {
            self.errors = self.errors.saturating_add(entry.calls);
        }
        if entry.refused {
            self.refused = self.refused.saturating_add(entry.calls);
        }
        self.bytes_in = self.bytes_in.saturating_add(entry.bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(entry.bytes_out);
        self.latency_us = self.latency_us.saturating_add(entry.latency_us);
        self.cost = self.cost.saturating_add(entry.cost);
        self.tokens_in = self.tokens_in.saturating_add(entry.tokens_in);
        self.tokens_out = self.tokens_out.saturating_add(entry.tokens_out);
        let at = usize::try_from(class(entry.status) - 2).unwrap_or(0);
        self.classes[at] = self.classes[at].saturating_add(entry.calls);
        if let Some(cache) = entry.cache {
            if cache.is_hit() {
                self.cache_hits = self.cache_hits.saturating_add(entry.calls);
            }
            if cache.is_lookup() {
                self.cache_lookups = self.cache_lookups.saturating_add(entry.calls);
            }
        }
    }

    /// Adds the sums of other calls.
    pub fn merge(&mut self, other: &Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.errors = self.errors.saturating_add(other.errors);
        self.refused = self.refused.saturating_add(other.refused);
        self.bytes_in = self.bytes_in.saturating_add(other.bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(other.bytes_out);
        self.latency_us = self.latency_us.saturating_add(other.latency_us);
        self.cost = self.cost.saturating_add(other.cost);
        self.tokens_in = self.tokens_in.saturating_add(other.tokens_in);
        self.tokens_out = self.tokens_out.saturating_add(other.tokens_out);
        for (ours, theirs) in self.classes.iter_mut().zip(other.classes) {
            *ours = ours.saturating_add(theirs);
        }
        self.cache_hits = self.cache_hits.saturating_add(other.cache_hits);
        self.cache_lookups = self.cache_lookups.saturating_add(other.cache_lookups);
        self.latency.merge(&other.latency);
    }
}

/// One group of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// One for each dimension that was asked for.
    pub values: Vec<Value>,
    pub total: Sum,
    /// One for each step of the series; empty without a series.
    pub series: Vec<Sum>,
}

/// Reads blocks and sums up what was asked for.
pub struct Scan {
    question: Question,
    templates: Templates,
    /// Learned routes as they are shown, by API, the text in the block, and whether the upstream
    /// knows it.
    shown: HashMap<(Option<Uuid>, Box<str>, bool), Box<str>>,
    groups: Vec<Group>,
    places: HashMap<Vec<Value>, usize>,
    scratch: Vec<Value>,
}

impl Scan {
    #[must_use]
    pub fn new(question: Question) -> Self {
        let mut scan = Self {
            question,
            templates: Templates::default(),
            shown: HashMap::default(),
            groups: Vec::new(),
            places: HashMap::default(),
            scratch: Vec::new(),
        };
        for values in scan.question.only.clone() {
            scan.group(values);
        }
        scan
    }

    /// The place of a group, which is new.
    fn group(&mut self, values: Vec<Value>) -> usize {
        let at = self.groups.len();
        self.groups.push(Group {
            values: values.clone(),
            total: Sum::default(),
            series: vec![Sum::default(); self.question.steps.len()],
        });
        self.places.insert(values, at);
        at
    }

    #[must_use]
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// The templates that learned routes are shown as. Set them before the first block.
    pub fn set_templates(&mut self, templates: Templates) {
        self.templates = templates;
    }

    /// Adds a block of calls that began in the stretch of time at `start_us`, which lies within
    /// one step.
    ///
    /// # Errors
    /// When the block is damaged.
    pub fn block(&mut self, start_us: i64, bytes: &[u8]) -> Result<(), Corrupt> {
        let step = self.step_of(start_us);
        entries(bytes, |entry| self.entry(step, entry))
    }

    /// Adds sums that are not in a block yet.
    ///
    /// # Errors
    /// Never; a block's rows are read the same way.
    pub fn cell(&mut self, start_us: i64, dims: &Dims, cell: &Cell) -> Result<(), Corrupt> {
        let mut sketch = Vec::new();
        cell.sketch.encode(&mut sketch);
        let entry = Entry {
            is_verification: dims.is_verification,
            refused: dims.refused,
            cache: dims.cache,
            api: dims.api,
            version: dims.version,
            route: match &dims.route {
                Route::None => RouteRef::None,
                Route::Configured(id) => RouteRef::Configured(*id),
                Route::Learned(text) => RouteRef::Learned(text),
            },
            key: dims.key,
            method: dims.method,
            status: dims.status,
            error: dims.error.as_deref(),
            calls: cell.calls,
            cost: cell.cost,
            bytes_in: cell.bytes_in,
            bytes_out: cell.bytes_out,
            latency_us: cell.latency_us,
            tokens_in: cell.tokens_in,
            tokens_out: cell.tokens_out,
            sketch: &sketch,
        };
        let step = self.step_of(start_us);
        self.entry(step, entry)
    }

    /// The step that begins last before a moment; what is before all counts for the first.
    fn step_of(&self, at_us: i64) -> usize {
        let steps = &self.question.steps;
        steps
            .partition_point(|start| *start <= at_us)
            .saturating_sub(1)
    }

    fn entry(&mut self, step: usize, entry: Entry<'_>) -> Result<(), Corrupt> {
        let shown;
        let entry = match entry.route {
            RouteRef::Learned(text) if self.question.asks_for_routes() => {
                shown = self.show(entry.api, text, is_known(entry.status, entry.refused));
                Entry {
                    route: RouteRef::Learned(&shown),
                    ..entry
                }
            }
            _ => entry,
        };
        if !self.question.filter.admits(&entry) {
            return Ok(());
        }
        self.scratch.clear();
        for dimension in &self.question.by {
            self.scratch.push(dimension.of(&entry));
        }
        let at = match self.places.get(self.scratch.as_slice()) {
            Some(at) => *at,
            None if self.question.only.is_empty() => self.group(self.scratch.clone()),
            None => return Ok(()),
        };
        let group = &mut self.groups[at];
        // With a series the total is its sum.
        let sum = group.series.get_mut(step).unwrap_or(&mut group.total);
        sum.add(&entry);
        if self.question.latency {
            sum.latency.add_encoded(entry.sketch).ok_or(Corrupt)?;
        }
        Ok(())
    }

    fn show(&mut self, api: Option<Uuid>, text: &str, is_known: bool) -> Box<str> {
        let known = (api, Box::from(text), is_known);
        if let Some(shown) = self.shown.get(&known) {
            return shown.clone();
        }
        let shown: Box<str> = self.templates.show(api, text, is_known).into();
        self.shown.insert(known, shown.clone());
        shown
    }

    /// What came out.
    #[must_use]
    pub fn finish(mut self) -> Answer {
        for group in &mut self.groups {
            for step in &group.series {
                group.total.merge(step);
            }
        }
        Answer {
            steps: self.question.steps,
            groups: self.groups,
        }
    }
}

/// Sums by group, in no order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub steps: Vec<i64>,
    pub groups: Vec<Group>,
}

impl Answer {
    /// All groups together.
    #[must_use]
    pub fn total(&self) -> Sum {
        let mut total = Sum::default();
        for group in &self.groups {
            total.merge(&group.total);
        }
        total
    }

    /// The only group of an answer that was not asked by anything.
    #[must_use]
    pub fn single(mut self) -> Group {
        self.groups.pop().unwrap_or_else(|| Group {
            values: Vec::new(),
            total: Sum::default(),
            series: vec![Sum::default(); self.steps.len()],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::{Call, Cells};
    use crate::question::{Dimension, Filter};

    const API: Option<Uuid> = Some(Uuid::from_u128(1));

    fn cells(calls: &[(&str, i32, i64)]) -> Vec<u8> {
        let mut cells = Cells::default();
        for (path, status, latency_us) in calls {
            cells.add(&Call {
                api: API,
                path,
                status: *status,
                method: "GET",
                latency_us: *latency_us,
                bytes_in: 1,
                bytes_out: 10,
                ..Call::default()
            });
        }
        cells.encode()
    }

    #[test]
    fn steps_groups_and_filters() {
        let blocks = [
            (100, cells(&[("/a", 200, 1_000), ("/b/1", 500, 9_000)])),
            (160, cells(&[("/a", 404, 2_000)])),
            (240, cells(&[("/b/2", 200, 3_000), ("/b/3", 200, 3_000)])),
        ];
        let ask = |question: Question| {
            let mut scan = Scan::new(question);
            for (start, block) in &blocks {
                scan.block(*start, block).expect("is a block");
            }
            scan.finish()
        };
        let series = ask(Question {
            steps: vec![90, 150, 200, 300],
            latency: true,
            ..Question::default()
        })
        .single();
        let calls: Vec<u64> = series.series.iter().map(|sum| sum.calls).collect();
        assert_eq!(calls, [2, 1, 2, 0]);
        assert_eq!((series.total.calls, series.total.errors), (5, 2));
        assert_eq!(series.total.classes, [3, 0, 1, 1]);
        assert_eq!((series.total.bytes_in, series.total.bytes_out), (5, 50));
        assert_eq!(series.total.latency.calls(), 5);

        let mut routes = ask(Question {
            by: vec![Dimension::Route, Dimension::Method],
            ..Question::default()
        });
        routes.groups.sort_by(|a, b| a.values.cmp(&b.values));
        let names: Vec<String> = routes
            .groups
            .iter()
            .map(|group| match &group.values[0] {
                Value::Route(API, Route::Learned(text)) => format!("{text} {}", group.total.calls),
                other => panic!("{other:?}"),
            })
            .collect();
        // A path that only a 404 speaks for is none, as nothing was learned yet.
        assert_eq!(names, ["(not found) 1", "/a 1", "/b/{id} 3"]);

        let filter = |filter: Filter| {
            let question = Question {
                filter,
                ..Question::default()
            };
            ask(question).total().calls
        };
        let none = Filter::default;
        assert_eq!(
            filter(Filter {
                status_class: Some(2),
                ..none()
            }),
            3
        );
        assert_eq!(
            filter(Filter {
                status: Some(404),
                ..none()
            }),
            1
        );
        assert_eq!(
            filter(Filter {
                errors_only: true,
                ..none()
            }),
            2
        );
        assert_eq!(
            filter(Filter {
                api: Some(Uuid::max()),
                ..none()
            }),
            0
        );
        assert_eq!(
            filter(Filter {
                version: Some(None),
                ..none()
            }),
            5
        );
        assert_eq!(
            filter(Filter {
                verifications: true,
                ..none()
            }),
            0
        );
        let route = Some(Route::Learned("/b/{id}".into()));
        assert_eq!(filter(Filter { route, ..none() }), 3);
    }

    #[test]
    fn only_the_groups_that_are_asked_for_are_told() {
        let (wanted, absent) = (vec![Value::Number(404)], vec![Value::Number(503)]);
        let mut scan = Scan::new(Question {
            by: vec![Dimension::Status],
            steps: vec![0, 10],
            only: vec![wanted.clone(), absent.clone()],
            ..Question::default()
        });
        let block = cells(&[("/a", 200, 1), ("/a", 404, 1), ("/a", 500, 1)]);
        scan.block(10, &block).expect("is a block");
        let answer = scan.finish();
        let told: Vec<_> = answer
            .groups
            .iter()
            .map(|group| (&group.values, group.total.calls, group.series[1].calls))
            .collect();
        assert_eq!(told, [(&wanted, 1, 1), (&absent, 0, 0)]);
    }

    #[test]
    fn routes_are_shown_as_they_are_known_by_now() {
        let mut scan = Scan::new(Question {
            by: vec![Dimension::Route],
            ..Question::default()
        });
        let mut templates = Templates::default();
        templates.insert(Uuid::from_u128(1), "/shop/{name}");
        scan.set_templates(templates);
        scan.block(0, &cells(&[("/shop/ada", 200, 1), ("/shop/bob", 200, 1)]))
            .expect("is a block");
        let answer = scan.finish();
        assert_eq!(answer.groups.len(), 1);
        assert_eq!(answer.groups[0].total.calls, 2);
        let damaged = Scan::new(Question::default()).block(0, &[1, 2, 3]);
        assert_eq!(damaged, Err(Corrupt));
    }
}
