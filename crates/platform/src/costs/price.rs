//! What units cost: exact arithmetic over tiers.

use apiverse_contract::costs::PriceTier;

/// Units are counted in millionths, so that bytes are exact megabytes.
pub(super) const SCALE: i128 = 1_000_000;

/// What `units` (millionths) cost when `before` were used in the month already: millionths of
/// micros.
pub(super) fn cost(tiers: &[PriceTier], before: i128, units: i128) -> i128 {
    let end = before + units;
    let mut at = before;
    let mut cost = 0;
    for tier in tiers {
        let up_to = tier
            .up_to
            .map_or(end, |up_to| i128::from(up_to) * SCALE)
            .min(end);
        if up_to > at {
            cost += (up_to - at) * i128::from(tier.price_micros);
            at = up_to;
        }
    }
    cost
}

/// `part` of `whole` units' share of a cost.
pub(super) fn share(cost: i128, part: i128, whole: i128) -> i128 {
    if whole == 0 {
        return 0;
    }
    // In two steps, as the product of all three may be too large for 128 bits.
    cost / whole * part + cost % whole * part / whole
}

/// Micros, halves up.
pub(super) fn micros(cost: i128) -> i64 {
    i64::try_from((cost + SCALE / 2).div_euclid(SCALE)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn tier(up_to: Option<u64>, price_micros: i64) -> PriceTier {
        PriceTier {
            up_to,
            price_micros,
        }
    }

    #[test]
    fn tiers_hold_from_where_the_month_is() {
        let tiers = [tier(Some(10), 0), tier(Some(100), 500), tier(None, 200)];
        let cost = |before: i128, units: i128| micros(cost(&tiers, before * SCALE, units * SCALE));
        assert_eq!(cost(0, 10), 0);
        assert_eq!(cost(0, 11), 500);
        assert_eq!(cost(0, 100), 90 * 500);
        assert_eq!(cost(0, 150), 90 * 500 + 50 * 200);
        assert_eq!(cost(95, 10), 5 * 500 + 5 * 200);
        assert_eq!(cost(1_000, 0), 0);
        // Day by day is the same as at once.
        let days: i64 = (0..15).map(|day| cost(day * 10, 10)).sum();
        assert_eq!(days, cost(0, 150));
    }

    #[test]
    fn bytes_are_exact() {
        let tiers = [tier(None, 3)];
        // 0.5 MB at 3 micros: one and a half, rounded up.
        assert_eq!(micros(cost(&tiers, 0, 500_000)), 2);
        assert_eq!(share(90, 1, 3), 30);
        assert_eq!(share(90, 1, 0), 0);
        // A thousand million calls at the dearest price.
        let calls = 1_000_000_000 * SCALE;
        let dear = cost(&[tier(None, 1_000_000_000)], 0, calls);
        assert_eq!(share(dear, calls, calls), dear);
    }
}
