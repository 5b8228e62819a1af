//! Which sums a range of time is read from.

use crate::step::Step;

/// What a part of a range is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The calls themselves.
    Calls,
    Blocks(Step),
}

/// A part of a range, microseconds since 1970: `from` inclusive, `to` exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    pub source: Source,
    pub from_us: i64,
    pub to_us: i64,
}

/// Since when things are kept, microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The calls themselves.
    pub calls_us: i64,
    /// Sums by minute; those by hour and day are kept for longer than any question goes back.
    pub minutes_us: i64,
    /// From when to when there are sums of 28 days; empty: nowhere.
    pub long_us: (i64, i64),
}

/// The parts of a range, ascending and without gaps: blocks as long as may be, at most `coarsest`;
/// shorter ones at the edges, and calls where the range begins or ends within a minute. Where
/// neither is kept any more the range is widened to whole hours.
#[must_use]
pub fn plan(from_us: i64, to_us: i64, coarsest: Step, kept: Kept) -> Vec<Piece> {
    let mut head = None;
    let mut tail = None;
    let (mut from, mut to) = (from_us, to_us);
    // The finest blocks there are at either end, and calls up to where they begin.
    let finest = |at: i64| {
        if at >= kept.minutes_us {
            Step::Minute
        } else {
            Step::Hour
        }
    };
    let step = finest(Step::Hour.floor(from));
    if from != step.floor(from) {
        let inner = step.ceil(from).min(to);
        if from >= kept.calls_us {
            head = Some((from, inner));
            from = inner;
        } else {
            from = step.floor(from);
        }
    }
    let step = finest(Step::Hour.floor(to));
    if to != step.floor(to) && from < to {
        let inner = step.floor(to).max(from);
        if inner >= kept.calls_us {
            tail = Some((inner, to));
            to = inner;
        } else {
            to = step.ceil(to);
        }
    }
    let mut pieces = Vec::new();
    let mut push = |source, from_us: i64, to_us: i64| {
        if from_us < to_us {
            pieces.push(Piece {
                source,
                from_us,
                to_us,
            });
        }
    };
    if let Some((from, to)) = head {
        push(Source::Calls, from, to);
    }
    // Within: minutes, hours, days, long stretches, days, hours, minutes.
    let inner = |step: Step, from: i64, to: i64| {
        let (first, last) = (step.ceil(from), step.floor(to));
        if first < last {
            (first, last)
        } else {
            (to, to)
        }
    };
    let hours = match coarsest {
        // Minutes that are not kept any more are hours.
        Step::Minute => (from, Step::Hour.ceil(kept.minutes_us).clamp(from, to)),
        Step::Hour | Step::Day | Step::Long => inner(Step::Hour, from, to),
    };
    let days = match coarsest {
        Step::Day | Step::Long => inner(Step::Day, hours.0, hours.1),
        Step::Minute | Step::Hour => (hours.1, hours.1),
    };
    let long = match coarsest {
        Step::Long => {
            let (first, last) = kept.long_us;
            let (first, last) = (first.max(days.0), last.min(days.1));
            if first < last {
                inner(Step::Long, first, last)
            } else {
                (days.1, days.1)
            }
        }
        Step::Minute | Step::Hour | Step::Day => (days.1, days.1),
    };
    // Where there is none, all days come before it.
    let long = if long.0 < long.1 {
        long
    } else {
        (days.1, days.1)
    };
    push(Source::Blocks(Step::Minute), from, hours.0);
    push(Source::Blocks(Step::Hour), hours.0, days.0);
    push(Source::Blocks(Step::Day), days.0, long.0);
    push(Source::Blocks(Step::Long), long.0, long.1);
    push(Source::Blocks(Step::Day), long.1, days.1);
    push(Source::Blocks(Step::Hour), days.1, hours.1);
    push(Source::Blocks(Step::Minute), hours.1, to);
    if let Some((from, to)) = tail {
        push(Source::Calls, from, to);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: i64 = Step::Hour.width_us();
    const DAY: i64 = Step::Day.width_us();
    const MINUTE: i64 = Step::Minute.width_us();

    proptest! {
        #[test]
        fn parts_are_the_range(from in 0i64..40 * DAY, length in 1i64..140 * DAY, minutes in 0i64..60 * DAY, aligned in any::<bool>(), coarsest in prop::sample::select(&Step::ALL[..]), long in (0i64..7, 0i64..7)) {
            let align = |at: i64| if aligned { Step::Minute.floor(at) } else { at };
            let (from, to) = (align(from), align(from + length));
            prop_assume!(from < to);
            let long_us = (long.0 * Step::Long.width_us(), long.1 * Step::Long.width_us());
            let kept = Kept { calls_us: 0, minutes_us: Step::Hour.floor(minutes), long_us };
            let pieces = plan(from, to, coarsest, kept);
            let mut at = from;
            for piece in &pieces {
                prop_assert_eq!(piece.from_us, at);
                prop_assert!(piece.from_us < piece.to_us);
                at = piece.to_us;
                if let Source::Blocks(step) = piece.source {
                    prop_assert_eq!(step.floor(piece.from_us), piece.from_us);
                    prop_assert_eq!(step.floor(piece.to_us), piece.to_us);
                    prop_assert!(step <= coarsest || piece.from_us < kept.minutes_us);
                    if step == Step::Long {
                        prop_assert!(long_us.0 <= piece.from_us && piece.to_us <= long_us.1);
                    }
                    if step == Step::Minute {
                        prop_assert!(piece.from_us >= kept.minutes_us);
                    }
                } else {
                    prop_assert!(piece.to_us - piece.from_us < 2 * HOUR);
                }
            }
            prop_assert_eq!(at, to);
            prop_assert!(pieces.len() <= 9);
        }

        #[test]
        fn what_is_not_kept_widens_the_range(from in 0i64..40 * DAY, length in 1i64..40 * DAY) {
            let to = from + length;
            let kept = Kept { calls_us: 90 * DAY, minutes_us: 80 * DAY, long_us: (0, 0) };
            let pieces = plan(from, to, Step::Day, kept);
            prop_assert_eq!(pieces.first().map(|piece| piece.from_us), Some(Step::Hour.floor(from)));
            prop_assert_eq!(pieces.last().map(|piece| piece.to_us), Some(Step::Hour.ceil(to)));
            prop_assert!(pieces.iter().all(|piece| piece.source != Source::Calls));
        }
    }

    #[test]
    fn a_month_is_read_in_days() {
        let kept = Kept {
            calls_us: 0,
            minutes_us: 0,
            long_us: (0, 0),
        };
        let from = 3 * DAY + 22 * HOUR + 58 * MINUTE + 5;
        let to = 33 * DAY + HOUR + MINUTE;
        let sources: Vec<(Source, i64)> = plan(from, to, Step::Day, kept)
            .iter()
            .map(|piece| (piece.source, piece.to_us - piece.from_us))
            .collect();
        assert_eq!(
            sources,
            [
                (Source::Calls, MINUTE - 5),
                (Source::Blocks(Step::Minute), MINUTE),
                (Source::Blocks(Step::Hour), HOUR),
                (Source::Blocks(Step::Day), 29 * DAY),
                (Source::Blocks(Step::Hour), HOUR),
                (Source::Blocks(Step::Minute), MINUTE),
            ]
        );
    }

    #[test]
    fn a_year_is_read_in_long_stretches_where_there_are_any() {
        let long = Step::Long.width_us();
        let kept = Kept {
            calls_us: 0,
            minutes_us: 0,
            long_us: (2 * long, 13 * long),
        };
        let parts = |from: i64, to: i64, coarsest: Step| -> Vec<(Source, i64)> {
            let pieces = plan(from, to, coarsest, kept);
            let parts = pieces.iter();
            parts
                .map(|piece| (piece.source, (piece.to_us - piece.from_us) / DAY))
                .collect()
        };
        let (days, longs) = (Source::Blocks(Step::Day), Source::Blocks(Step::Long));
        assert_eq!(
            parts(long - DAY, 14 * long + DAY, Step::Long),
            [(days, 29), (longs, 11 * 28), (days, 29)]
        );
        assert_eq!(parts(3 * long, 5 * long, Step::Long), [(longs, 2 * 28)]);
        assert_eq!(
            parts(3 * long + DAY, 5 * long - DAY, Step::Long),
            [(days, 54)]
        );
        assert_eq!(parts(3 * long, 5 * long, Step::Day), [(days, 56)]);
    }
}
