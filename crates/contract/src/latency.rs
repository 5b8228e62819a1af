//! Latency in logarithmic buckets: mergeable counts that give any percentile within 1 %.
//!
//! The mapping is that of DDSketch (Masson, Rim, Lee, VLDB 2019) with relative accuracy 0.01. A
//! bucket is stored with each usage event, so that a database needs only `GROUP BY` to answer a
//! percentile over any set of calls.

/// Relative accuracy of a value read back from its bucket.
pub const ACCURACY: f64 = 0.01;
const GAMMA: f64 = (1.0 + ACCURACY) / (1.0 - ACCURACY);

/// The bucket of a latency in microseconds. Zero and below share bucket 0 with one microsecond.
#[must_use]
pub fn bucket_of(us: i64) -> i32 {
    if us <= 1 {
        return 0;
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "latencies are far below 2^52 µs"
    )]
    let value = us as f64;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "ln(2^63)/ln(gamma) is about 2200"
    )]
    let bucket = (value.ln() / GAMMA.ln()).ceil() as i32;
    bucket
}

/// A latency in microseconds that is within 1 % of every latency in the bucket.
#[must_use]
pub fn value_us(bucket: i32) -> f64 {
    if bucket <= 0 {
        1.0
    } else {
        2.0 * GAMMA.powi(bucket) / (GAMMA + 1.0)
    }
}

/// The `q` quantile (0 to 1) in microseconds of counts sorted by bucket; `None` without calls.
#[must_use]
pub fn quantile(counts: &[(i32, u64)], q: f64) -> Option<f64> {
    let total: u64 = counts.iter().map(|&(_, count)| count).sum();
    if total == 0 {
        return None;
    }
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank among counts"
    )]
    let rank = (q.clamp(0.0, 1.0) * (total - 1) as f64).floor() as u64;
    let mut seen = 0;
    for &(bucket, count) in counts {
        seen += count;
        if seen > rank {
            return Some(value_us(bucket));
        }
    }
    counts.last().map(|&(bucket, _)| value_us(bucket))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn a_bucket_is_within_one_percent(us in 2i64..10_000_000_000) {
            let read = value_us(bucket_of(us));
            let error = (read - us as f64).abs() / us as f64;
            prop_assert!(error <= ACCURACY + 1e-9, "{us} read as {read}");
        }

        #[test]
        fn quantiles_are_within_one_percent(mut all in prop::collection::vec(2i64..50_000_000, 1..400), q in 0.0f64..=1.0) {
            let mut counts: BTreeMap<i32, u64> = BTreeMap::new();
            for &us in &all {
                *counts.entry(bucket_of(us)).or_default() += 1;
            }
            let counts: Vec<(i32, u64)> = counts.into_iter().collect();
            all.sort_unstable();
            let exact = all[(q * (all.len() - 1) as f64).floor() as usize] as f64;
            let read = quantile(&counts, q).expect("has calls");
            prop_assert!((read - exact).abs() / exact <= ACCURACY + 1e-9, "{exact} read as {read}");
        }
    }

    #[test]
    fn no_calls_no_percentile() {
        assert_eq!(quantile(&[], 0.5), None);
    }
}
