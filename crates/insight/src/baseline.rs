//! What is expected before a value is seen.

use crate::robust::{NORMAL, Window, median};

/// Seasons that are looked back at.
const SEASONS: usize = 7;
/// Seasons after which a larger one repeats itself: days make weeks.
const LARGER: usize = 7;
/// Steps before and after the same time of another season that count as the same time.
const AROUND: usize = 1;
/// Fewer deviations than this say nothing.
const FEW: usize = 12;

/// What is expected, and how far off values usually are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Expected {
    pub(crate) value: f64,
    pub(crate) deviation: f64,
    /// The same at the level of the last season: what is so is not unusual either. The level of
    /// just now may itself be that of something unusual.
    pub(crate) settled: Option<f64>,
}

/// One way to expect a value.
struct Guess {
    kind: Guessing,
    /// Values as multiples of what this way says without regard to the level.
    level: Window,
    /// The same over a season.
    long_level: Window,
    /// How far off it was.
    off: Window,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guessing {
    /// As just before.
    Recent,
    /// As at this time of the seasons before.
    Season,
    /// As at this time of the larger season before.
    Larger,
}

/// Learns from values as they come.
pub(crate) struct Baseline {
    season: usize,
    /// What was seen, with unusual values replaced by what was expected.
    history: Vec<f64>,
    /// The last values, in whose middle the next one is expected.
    recent: Window,
    guesses: [Guess; 3],
    scratch: Vec<f64>,
}

impl Baseline {
    /// `season`: steps after which things repeat themselves; 0: they do not. `recent`: values that
    /// are "just before".
    pub(crate) fn new(season: usize, recent: usize) -> Self {
        let remembered = season.max(recent * 4);
        let guess = |kind| Guess {
            kind,
            level: Window::new(recent),
            long_level: Window::new(remembered),
            off: Window::new(remembered),
        };
        Self {
            season,
            history: Vec::new(),
            recent: Window::new(recent),
            guesses: [
                guess(Guessing::Recent),
                guess(Guessing::Season),
                guess(Guessing::Larger),
            ],
            scratch: Vec::new(),
        }
    }

    /// What a way says, without regard to the level.
    fn shape(&mut self, kind: Guessing) -> Option<f64> {
        let now = self.history.len();
        let backs = match kind {
            Guessing::Recent => return self.recent.median(&mut self.scratch),
            Guessing::Season => 1..=SEASONS,
            Guessing::Larger => LARGER..=LARGER,
        };
        if self.season == 0 || now < backs.start() * self.season + AROUND {
            return None;
        }
        self.scratch.clear();
        for back in backs {
            let Some(same) = now.checked_sub(back * self.season) else {
                break;
            };
            let from = same.saturating_sub(AROUND);
            let to = (same + AROUND + 1).min(now);
            self.scratch.extend_from_slice(&self.history[from..to]);
        }
        median(&mut self.scratch)
    }

    /// What way `at` says, at the level of now.
    fn guess(&mut self, at: usize) -> Option<f64> {
        let kind = self.guesses[at].kind;
        let shape = self.shape(kind)?;
        if kind == Guessing::Recent {
            return Some(shape);
        }
        let level = self.guesses[at].level.median(&mut self.scratch);
        Some(shape * level.unwrap_or(1.0).clamp(0.2, 5.0))
    }

    /// What is expected next; `None` while there is too little to go by.
    pub(crate) fn expected(&mut self) -> Option<Expected> {
        if self.recent.len() < 6 {
            return None;
        }
        let mut best: Option<Expected> = None;
        for at in 0..self.guesses.len() {
            let Some(value) = self.guess(at) else {
                continue;
            };
            let off = &self.guesses[at].off;
            if off.len() < FEW {
                continue;
            }
            let deviation = off.median(&mut self.scratch).unwrap_or(0.0) * NORMAL;
            if best.is_none_or(|best| deviation < best.deviation) {
                best = Some(Expected {
                    value,
                    deviation,
                    settled: None,
                });
            }
        }
        let settled = self.settled();
        best.map(|best| Expected { settled, ..best })
    }

    fn settled(&mut self) -> Option<f64> {
        let at = self
            .guesses
            .iter()
            .position(|guess| guess.kind == Guessing::Season)?;
        let shape = self.shape(Guessing::Season)?;
        let level = self.guesses[at].long_level.median(&mut self.scratch)?;
        Some(shape * level)
    }

    /// Takes in a value as it was.
    pub(crate) fn learn(&mut self, value: f64) {
        for at in 0..self.guesses.len() {
            if let Some(guess) = self.guess(at) {
                self.guesses[at].off.push((value - guess).abs());
            }
            self.learn_level(at, value);
        }
        self.recent.push(value);
        self.history.push(value);
    }

    fn learn_level(&mut self, at: usize, value: f64) {
        let kind = self.guesses[at].kind;
        if let Some(shape) = self.shape(kind).filter(|shape| *shape > 0.0) {
            self.guesses[at].level.push(value / shape);
            self.guesses[at].long_level.push(value / shape);
        }
    }

    /// Takes the last values for the new level.
    pub(crate) fn settle(&mut self, values: &[f64]) {
        self.recent.clear();
        for guess in &mut self.guesses {
            guess.level.clear();
            guess.long_level.clear();
        }
        let from = self.history.len().saturating_sub(values.len());
        self.history.truncate(from);
        // The seasons of before are of use again at the new level.
        for value in values {
            for at in 0..self.guesses.len() {
                self.learn_level(at, *value);
            }
            self.recent.push(*value);
            self.history.push(*value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_season_is_learned_after_two() {
        let mut baseline = Baseline::new(24, 6);
        let wave = |n: usize| 100.0 + 80.0 * (n as f64 / 24.0 * std::f64::consts::TAU).sin();
        for n in 0..24 * 4 {
            baseline.learn(wave(n));
        }
        for n in 24 * 4..24 * 5 {
            let expected = baseline.expected().expect("there is enough");
            let off = (expected.value - wave(n)).abs();
            assert!(off < 25.0, "{n}: {off} {expected:?}");
            baseline.learn(wave(n));
        }
    }

    #[test]
    fn what_has_no_season_is_expected_as_just_before() {
        let mut baseline = Baseline::new(0, 6);
        assert_eq!(baseline.expected(), None);
        for n in 0..40 {
            baseline.learn(f64::from(50 + n % 3));
        }
        let expected = baseline.expected().expect("there is enough");
        assert!((expected.value - 51.0).abs() <= 1.0);
        assert!(expected.deviation <= 3.0);
    }
}
