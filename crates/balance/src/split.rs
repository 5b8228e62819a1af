//! Hashes that mean the same on every node, and shares by hash.

/// Shares are counted in ten thousandths.
pub const SHARES: u32 = 10_000;

/// A hash that is the same in every process and version: FNV-1a, then mixed (its upper bits alone
/// are not evenly spread).
#[must_use]
pub fn hash(bytes: &[u8]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in bytes {
        hash ^= u64::from(*byte);
        hash = hash.wrapping_mul(0x0000_0100_0000_01b3);
    }
    mix(hash)
}

/// Spreads every bit over all (the last step of SplitMix64).
pub(crate) const fn mix(mut value: u64) -> u64 {
    value ^= value >> 30;
    value = value.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value ^= value >> 27;
    value = value.wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Where a caller stands among all, in 0..[`SHARES`]: it belongs to a share of `n` ten
/// thousandths when this is below `n`. The same caller stands at the same place for ever, so a
/// share that grows keeps whom it had.
#[must_use]
pub fn share_of(hash: u64) -> u32 {
    let scaled = (u128::from(hash) * u128::from(SHARES)) >> 64;
    u32::try_from(scaled).unwrap_or(SHARES - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hashes_stay_what_they_are() {
        // Callers would move between canary and main if these changed.
        assert_eq!(hash(b""), mix(0xcbf2_9ce4_8422_2325));
        assert_eq!(share_of(0), 0);
        assert_eq!(share_of(u64::MAX), SHARES - 1);
        assert_eq!(share_of(hash(b"key-1")), share_of(hash(b"key-1")));
    }

    #[test]
    fn shares_are_even() {
        let callers = 100_000_u32;
        let below = |share: u32| {
            (0..callers)
                .filter(|number| share_of(hash(&number.to_le_bytes())) < share)
                .count()
        };
        for (share, expected) in [(100, 1_000.0), (1_000, 10_000.0), (5_000, 50_000.0)] {
            let found = below(share) as f64;
            assert!(
                (found - expected).abs() < expected * 0.1,
                "{share}: {found}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_share_is_in_range(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert!(share_of(hash(&bytes)) < SHARES);
        }
    }
}
