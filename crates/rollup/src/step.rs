//! The stretches of time that sums are kept for.

use uuid::Uuid;

use crate::view::View;

const MINUTE_US: i64 = 60_000_000;

/// How long a stretch is. They begin at whole minutes, hours and days in UTC, and every 28 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    Minute,
    Hour,
    Day,
    /// 28 days. There are such sums only of stretches that are over, and some time after they are:
    /// [`Kept::long_us`](crate::Kept::long_us) says of which.
    Long,
}

impl Step {
    pub const ALL: [Self; 4] = [Self::Minute, Self::Hour, Self::Day, Self::Long];

    /// As it is stored.
    #[must_use]
    pub const fn code(self) -> i16 {
        match self {
            Self::Minute => 0,
            Self::Hour => 1,
            Self::Day => 2,
            Self::Long => 3,
        }
    }

    /// Microseconds.
    #[must_use]
    pub const fn width_us(self) -> i64 {
        match self {
            Self::Minute => MINUTE_US,
            Self::Hour => 60 * MINUTE_US,
            Self::Day => 1440 * MINUTE_US,
            Self::Long => 28 * 1440 * MINUTE_US,
        }
    }

    /// The beginning of the stretch that a moment is in.
    #[must_use]
    pub const fn floor(self, at_us: i64) -> i64 {
        at_us
            .div_euclid(self.width_us())
            .saturating_mul(self.width_us())
    }

    /// The beginning of the first stretch that begins at a moment or after it.
    #[must_use]
    pub const fn ceil(self, at_us: i64) -> i64 {
        let floor = self.floor(at_us);
        if floor == at_us {
            floor
        } else {
            floor.saturating_add(self.width_us())
        }
    }

    /// Which of a stretch's blocks has a key's calls: long stretches are split, so that a question
    /// about one key reads a part only.
    #[must_use]
    pub fn shard(self, view: View, key: Option<Uuid>) -> i16 {
        // The last byte of an id is random.
        let byte = key.map_or(0, |key| key.as_bytes()[15]);
        i16::from(byte) % self.shards(view)
    }

    /// How many blocks a stretch has.
    #[must_use]
    pub const fn shards(self, view: View) -> i16 {
        match self {
            _ if !view.has_keys() => 1,
            Self::Minute => 1,
            Self::Hour => 4,
            // The same, so that those of a long stretch are those of its days together.
            Self::Day | Self::Long => 16,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floors_and_ceilings() {
        for step in Step::ALL {
            let width = step.width_us();
            for at in [-1, 0, 1, width - 1, width, 1_790_000_000_123_456] {
                assert!(step.floor(at) <= at && at - step.floor(at) < width);
                assert!(step.ceil(at) >= at && step.ceil(at) - at < width);
                assert_eq!(step.floor(at) % width, 0);
                assert_eq!(step.ceil(at) % width, 0);
            }
        }
    }

    #[test]
    fn a_key_has_one_shard_of_each_step() {
        let key = Some(Uuid::from_u128(0xff));
        assert_eq!(Step::Day.shard(View::Routes, key), 0);
        assert_eq!(Step::Day.shard(View::Full, key), 15);
        assert_eq!(Step::Hour.shard(View::Keys, key), 3);
        assert_eq!(Step::Minute.shard(View::Keys, key), 0);
        assert_eq!(Step::Hour.shard(View::Apis, key), 0);
        assert_eq!(Step::Day.shard(View::Full, None), 0);
    }
}
