//! When something that others publish, and change, is fetched anew.

use chrono::{DateTime, TimeDelta, Utc};

/// How long what was fetched is good without asking again.
const GOOD_FOR: TimeDelta = TimeDelta::hours(1);
/// Fetches within a minute, whoever asks for how many unknown keys.
const MOST_IN_A_MINUTE: usize = 5;

/// Keeps strangers from making us ask a provider as often as they like.
#[derive(Debug, Default)]
pub(crate) struct Refetch {
    /// The latest fetches, oldest first.
    times: Vec<DateTime<Utc>>,
}

impl Refetch {
    /// Whether what was fetched last is to be fetched again by now.
    pub fn is_stale(&self, now: DateTime<Utc>) -> bool {
        self.times.last().is_none_or(|last| now - *last >= GOOD_FOR)
    }

    /// Takes note of a fetch; false when there were too many, and none is to be made.
    pub fn begin(&mut self, now: DateTime<Utc>) -> bool {
        self.times.retain(|time| now - *time < GOOD_FOR);
        let recent = |time: &&DateTime<Utc>| now - **time < TimeDelta::minutes(1);
        if self.times.iter().filter(recent).count() >= MOST_IN_A_MINUTE {
            return false;
        }
        self.times.push(now);
        // More than a minute's worth is never looked at.
        if self.times.len() > MOST_IN_A_MINUTE {
            self.times.remove(0);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn a_minute_has_few_fetches() {
        let mut refetch = Refetch::default();
        assert!(refetch.is_stale(at(0)));
        for second in 0..5 {
            assert!(refetch.begin(at(second)), "{second}");
        }
        assert!(!refetch.is_stale(at(5)));
        assert!(!refetch.begin(at(5)));
        assert!(!refetch.begin(at(59)));
        assert!(refetch.begin(at(60)), "the first is a minute ago");
        assert!(!refetch.begin(at(60)));
        assert!(!refetch.is_stale(at(60 + 3599)));
        assert!(refetch.is_stale(at(60 + 3600)));
    }
}
