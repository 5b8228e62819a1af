//! How long calls took, as counts by logarithmic bucket.

use apiverse_contract::latency::{bucket_of, value_us};

use crate::bytes::{Reader, put};

/// Counts of few calls: only the buckets that have any, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sketch(Vec<(u16, u64)>);

impl Sketch {
    /// Counts a call.
    pub fn add(&mut self, latency_us: i64) {
        self.add_bucket(bucket(bucket_of(latency_us)), 1);
    }

    fn add_bucket(&mut self, bucket: u16, calls: u64) {
        match self.0.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
            Ok(at) => self.0[at].1 = self.0[at].1.saturating_add(calls),
            Err(at) => self.0.insert(at, (bucket, calls)),
        }
    }

    /// Adds what another counted.
    pub fn merge(&mut self, other: &Self) {
        if other.0.len() <= 4 {
            for (bucket, calls) in &other.0 {
                self.add_bucket(*bucket, *calls);
            }
            return;
        }
        let mut merged = Vec::with_capacity(self.0.len() + other.0.len());
        let (mut ours, mut theirs) = (self.0.iter().peekable(), other.0.iter().peekable());
        while let (Some(our), Some(their)) = (ours.peek(), theirs.peek()) {
            match our.0.cmp(&their.0) {
                std::cmp::Ordering::Less => merged.extend(ours.next()),
                std::cmp::Ordering::Greater => merged.extend(theirs.next()),
                std::cmp::Ordering::Equal => {
                    merged.push((our.0, our.1.saturating_add(their.1)));
                    ours.next();
                    theirs.next();
                }
            }
        }
        merged.extend(ours);
        merged.extend(theirs);
        self.0 = merged;
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let mut before = 0;
        for (bucket, calls) in &self.0 {
            put(out, u64::from(bucket - before));
            put(out, *calls);
            before = *bucket;
        }
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut sketch = Self(Vec::with_capacity(bytes.len() / 2));
        each(bytes, |bucket, calls| sketch.0.push((bucket, calls)))?;
        Some(sketch)
    }
}

/// Calls `found` for each bucket of an encoded sketch; `None` when its bytes are damaged.
fn each(bytes: &[u8], mut found: impl FnMut(u16, u64)) -> Option<()> {
    let mut reader = Reader(bytes);
    let mut bucket = 0u16;
    let mut is_first = true;
    while !reader.0.is_empty() {
        let distance = u16::try_from(reader.number()?).ok()?;
        if distance == 0 && !is_first {
            return None;
        }
        is_first = false;
        bucket = bucket.checked_add(distance).filter(|b| *b < BUCKETS)?;
        found(bucket, reader.number()?);
    }
    Some(())
}

/// No latency of 2^63 microseconds and less has a bucket beyond.
const BUCKETS: u16 = 2400;

fn bucket(bucket: i32) -> u16 {
    u16::try_from(bucket).unwrap_or(0).min(BUCKETS - 1)
}

/// Counts of many calls: a row of buckets without gaps, quick to add to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    first: u16,
    counts: Vec<u64>,
}

impl Histogram {
    fn add_bucket(&mut self, bucket: u16, calls: u64) {
        if self.counts.is_empty() {
            self.first = bucket;
        }
        if bucket < self.first {
            // Some room, as the next may be lower still.
            let first = bucket.saturating_sub(32);
            let more = usize::from(self.first - first);
            self.counts.splice(0..0, std::iter::repeat_n(0, more));
            self.first = first;
        }
        let at = usize::from(bucket - self.first);
        if at >= self.counts.len() {
            self.counts.resize(at + 1, 0);
        }
        self.counts[at] = self.counts[at].saturating_add(calls);
    }

    /// Adds an encoded sketch; `None` when its bytes are damaged.
    pub(crate) fn add_encoded(&mut self, bytes: &[u8]) -> Option<()> {
        each(bytes, |bucket, calls| self.add_bucket(bucket, calls))
    }

    pub fn add_sketch(&mut self, sketch: &Sketch) {
        for (bucket, calls) in &sketch.0 {
            self.add_bucket(*bucket, *calls);
        }
    }

    pub fn merge(&mut self, other: &Self) {
        for (bucket, calls) in other.buckets() {
            self.add_bucket(bucket, calls);
        }
    }

    /// The buckets that have calls, ascending.
    pub fn buckets(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        let counts = self.counts.iter().enumerate();
        counts.filter(|(_, calls)| **calls > 0).map(|(at, calls)| {
            let at = u16::try_from(at).unwrap_or(0);
            (self.first + at, *calls)
        })
    }

    #[must_use]
    pub fn calls(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The `q` quantile (0 to 1) in microseconds, within 1 %; `None` without calls.
    #[must_use]
    pub fn quantile_us(&self, q: f64) -> Option<f64> {
        let counts: Vec<(i32, u64)> = (self.buckets())
            .map(|(bucket, calls)| (i32::from(bucket), calls))
            .collect();
        apiverse_contract::latency::quantile(&counts, q)
    }

    /// Calls by bars of a chart: the upper edge of each in microseconds, and its calls. A bar is
    /// `width` buckets wide: 35 buckets are one doubling.
    #[must_use]
    pub fn bars(&self, width: u16) -> Vec<(f64, u64)> {
        let width = width.max(1);
        let mut bars: Vec<(u16, u64)> = Vec::new();
        for (bucket, calls) in self.buckets() {
            let bar = bucket / width;
            if let Some((before, _)) = bars.last().copied() {
                // Bars without calls between others are there too.
                bars.extend((before + 1..bar).map(|bar| (bar, 0)));
            }
            match bars.last_mut() {
                Some((last, sum)) if *last == bar => *sum += calls,
                _ => bars.push((bar, calls)),
            }
        }
        (bars.into_iter())
            .map(|(bar, calls)| (value_us(i32::from(bar * width + width - 1)) * 1.01, calls))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sketch(all: &[i64]) -> Sketch {
        let mut sketch = Sketch::default();
        for us in all {
            sketch.add(*us);
        }
        sketch
    }

    proptest! {
        #[test]
        fn merged_in_portions_is_the_same(all in prop::collection::vec(-5i64..1 << 50, 0..300), cuts in prop::collection::vec(0usize..300, 0..6)) {
            let whole = sketch(&all);
            let mut merged = Sketch::default();
            let mut rest = all.as_slice();
            for cut in cuts {
                let (portion, others) = rest.split_at(cut.min(rest.len()));
                merged.merge(&sketch(portion));
                rest = others;
            }
            merged.merge(&sketch(rest));
            prop_assert_eq!(&merged, &whole);

            let mut bytes = Vec::new();
            whole.encode(&mut bytes);
            let decoded = Sketch::decode(&bytes);
            prop_assert_eq!(decoded.as_ref(), Some(&whole));
            let mut histogram = Histogram::default();
            histogram.add_encoded(&bytes).expect("is well formed");
            let mut other = Histogram::default();
            other.add_sketch(&whole);
            let same: Vec<_> = other.buckets().collect();
            prop_assert_eq!(histogram.buckets().collect::<Vec<_>>(), same);
            prop_assert_eq!(histogram.calls(), all.len() as u64);
            let bars: u64 = histogram.bars(35).iter().map(|(_, calls)| calls).sum();
            prop_assert_eq!(bars, all.len() as u64);
        }

        #[test]
        fn quantiles_are_within_one_percent(mut all in prop::collection::vec(2i64..50_000_000, 1..400), q in 0.0f64..=1.0) {
            let mut histogram = Histogram::default();
            histogram.add_sketch(&sketch(&all));
            all.sort_unstable();
            let exact = all[(q * (all.len() - 1) as f64).floor() as usize] as f64;
            let read = histogram.quantile_us(q).expect("has calls");
            prop_assert!((read - exact).abs() / exact <= 0.01 + 1e-9, "{exact} read as {read}");
        }

        #[test]
        fn any_bytes_are_safe(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = Sketch::decode(&bytes);
            let _ = Histogram::default().add_encoded(&bytes);
        }
    }

    #[test]
    fn bars_have_no_gaps_and_hold_their_calls() {
        let mut histogram = Histogram::default();
        histogram.add_sketch(&sketch(&[1_000, 1_000, 64_000]));
        let bars = histogram.bars(35);
        assert_eq!(bars.first().map(|bar| bar.1), Some(2));
        assert_eq!(bars.last().map(|bar| bar.1), Some(1));
        assert!((6..=8).contains(&bars.len()), "{bars:?}");
        assert!(bars[0].0 >= 1_000.0 && bars[0].0 <= 2_050.0, "{bars:?}");
        assert!(bars.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
