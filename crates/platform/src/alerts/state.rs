//! What a rule does next, by what was measured: no clock, no database.

use apiverse_contract::alerts::AlertState;

/// Where a rule stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) state: AlertState,
    /// Since when, microseconds since 1970.
    pub(super) since_us: Option<i64>,
    /// While it fires: since when what was wrong is not any more.
    pub(super) calm_us: Option<i64>,
}

/// What was measured, as far as the state goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Judged {
    /// The condition holds.
    pub(super) holds: bool,
    /// It is well again: between the two, a rule stays as it is.
    pub(super) is_clear: bool,
}

/// How long things must last, microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Before it fires.
    pub(super) for_us: i64,
    /// Before that is resolved.
    pub(super) calm_us: i64,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    None,
    Fires {
        /// When the condition began to hold.
        began_us: i64,
    },
    Resolves,
}

impl Standing {
    pub(super) fn next(self, at_us: i64, judged: Judged, patience: Patience) -> (Self, Change) {
        let fine = Self::default();
        let since = self.since_us.unwrap_or(at_us);
        let began_us = match self.state {
            AlertState::Firing => {
                if judged.holds || !judged.is_clear {
                    return (
                        Self {
                            calm_us: None,
                            ..self
                        },
                        Change::None,
                    );
                }
                let calm = self.calm_us.unwrap_or(at_us);
                if at_us - calm >= patience.calm_us {
                    return (fine, Change::Resolves);
                }
                return (
                    Self {
                        calm_us: Some(calm),
                        ..self
                    },
                    Change::None,
                );
            }
            AlertState::Pending => since,
            AlertState::Ok => at_us,
        };
        if !judged.holds {
            return (fine, Change::None);
        }
        if at_us - began_us < patience.for_us {
            let pending = Self {
                state: AlertState::Pending,
                since_us: Some(began_us),
                calm_us: None,
            };
            return (pending, Change::None);
        }
        let firing = Self {
            state: AlertState::Firing,
            since_us: Some(at_us),
            calm_us: None,
        };
        (firing, Change::Fires { began_us })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLDS: Judged = Judged {
        holds: true,
        is_clear: false,
    };
    const BETWEEN: Judged = Judged {
        holds: false,
        is_clear: false,
    };
    const CLEAR: Judged = Judged {
        holds: false,
        is_clear: true,
    };

    /// What happened when, minute by minute.
    fn run(patience: (i64, i64), judged: &[Judged]) -> Vec<(i64, Change)> {
        let patience = Patience {
            for_us: patience.0,
            calm_us: patience.1,
        };
        let mut standing = Standing::default();
        let mut changes = Vec::new();
        for (at, judged) in (0..).zip(judged) {
            let (next, change) = standing.next(at, *judged, patience);
            standing = next;
            if change != Change::None {
                changes.push((at, change));
            }
        }
        changes
    }

    #[test]
    fn it_fires_once_and_resolves_once() {
        let changes = run((0, 0), &[CLEAR, HOLDS, HOLDS, HOLDS, CLEAR, CLEAR]);
        let fired = (1, Change::Fires { began_us: 1 });
        assert_eq!(changes, [fired, (4, Change::Resolves)]);
    }

    #[test]
    fn what_does_not_last_does_not_fire() {
        assert_eq!(run((2, 0), &[HOLDS, HOLDS, CLEAR, HOLDS, HOLDS]), []);
        let lasting = run((2, 0), &[HOLDS, HOLDS, HOLDS]);
        assert_eq!(lasting, [(2, Change::Fires { began_us: 0 })]);
    }

    #[test]
    fn what_flaps_stays_one_incident() {
        let flapping = [HOLDS, CLEAR, HOLDS, CLEAR, BETWEEN, CLEAR, CLEAR, CLEAR];
        let changes = run((0, 2), &flapping);
        let fired = (0, Change::Fires { began_us: 0 });
        assert_eq!(changes, [fired, (7, Change::Resolves)]);
    }

    #[test]
    fn between_the_two_thresholds_it_stays_as_it_is() {
        assert_eq!(run((0, 0), &[BETWEEN, BETWEEN]), []);
        let changes = run((0, 0), &[HOLDS, BETWEEN, BETWEEN]);
        assert_eq!(changes, [(0, Change::Fires { began_us: 0 })]);
    }
}
