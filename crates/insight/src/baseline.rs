//! What is expected before a value is seen.

use crate::robust::{NORMAL, Window, median};

/// Seasons that are looked back at.
const SEASONS: usize = 7;
/// Steps before and after the same time of another season that count as the same time.
const AROUND: usize = 1;

/// What is expected, and how far off values usually are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Expected {
    pub(crate) value: f64,
    pub(crate) deviation: f64,
}

/// Learns from values as they come.
pub(crate) struct Baseline {
    season: usize,
    /// What was seen, with unusual values replaced by what was expected.
    history: Vec<f64>,
    /// The last values, in whose middle the next one is expected.
    recent: Window,
    /// Values as multiples of what the season says.
    level: Window,
    seasonal: Window,
    local: Window,
    scratch: Vec<f64>,
}

/// The two ways to expect a value.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Guesses {
    /// Of the season alone, without its level.
    shape: Option<f64>,
    seasonal: Option<f64>,
    local: Option<f64>,
}

impl Baseline {
    /// `season`: steps after which things repeat themselves; 0: they do not. `recent`: values that
    /// are "just before".
    pub(crate) fn new(season: usize, recent: usize) -> Self {
        let remembered = season.max(recent * 4);
        Self {
            season,
            history: Vec::new(),
            recent: Window::new(recent),
            level: Window::new(recent),
            seasonal: Window::new(remembered),
            local: Window::new(remembered),
            scratch: Vec::new(),
        }
    }

    fn guesses(&mut self) -> Guesses {
        let local = self.recent.median(&mut self.scratch);
        let shape = self.shape();
        let level = self.level.median(&mut self.scratch).unwrap_or(1.0);
        let seasonal = shape.map(|shape| shape * level.clamp(0.2, 5.0));
        Guesses {
            shape,
            seasonal,
            local,
        }
    }

    /// The median of this time of the seasons before.
    fn shape(&mut self) -> Option<f64> {
        let now = self.history.len();
        if self.season == 0 || now < self.season + AROUND {
            return None;
        }
        self.scratch.clear();
        for back in 1..=SEASONS {
            let Some(same) = now.checked_sub(back * self.season) else {
                break;
            };
            let from = same.saturating_sub(AROUND);
            let to = (same + AROUND + 1).min(now);
            self.scratch.extend_from_slice(&self.history[from..to]);
        }
        median(&mut self.scratch)
    }

    /// What is expected next; `None` while there is too little to go by.
    pub(crate) fn expected(&mut self) -> Option<Expected> {
        if self.recent.len() < 6 {
            return None;
        }
        let guesses = self.guesses();
        let off = |window: &Window, scratch: &mut Vec<f64>| {
            // Of a few deviations nothing can be said.
            let few = window.len() < 12;
            window
                .median(scratch)
                .filter(|_| !few)
                .map(|median| median * NORMAL)
        };
        let seasonal_off = off(&self.seasonal, &mut self.scratch);
        let local_off = off(&self.local, &mut self.scratch);
        match (guesses.seasonal, seasonal_off, guesses.local, local_off) {
            (Some(value), Some(deviation), _, Some(local)) if deviation <= local * 1.05 => {
                Some(Expected { value, deviation })
            }
            (_, _, Some(value), Some(deviation)) => Some(Expected { value, deviation }),
            _ => None,
        }
    }

    /// Takes in a value as it was.
    pub(crate) fn learn(&mut self, value: f64) {
        let guesses = self.guesses();
        if let Some(guess) = guesses.seasonal {
            self.seasonal.push((value - guess).abs());
        }
        if let Some(guess) = guesses.local {
            self.local.push((value - guess).abs());
        }
        if let Some(shape) = guesses.shape.filter(|shape| *shape > 0.0) {
            self.level.push(value / shape);
        }
        self.recent.push(value);
        self.history.push(value);
    }

    /// Takes the last values for the new level.
    pub(crate) fn settle(&mut self, values: &[f64]) {
        self.recent.clear();
        self.level.clear();
        let from = self.history.len().saturating_sub(values.len());
        for (at, value) in values.iter().enumerate() {
            if let Some(slot) = self.history.get_mut(from + at) {
                *slot = *value;
            }
            self.recent.push(*value);
        }
        // The seasons of before are of use again at the new level.
        let before: Vec<f64> = self.history.drain(from..).collect();
        for value in before {
            if let Some(shape) = self.shape().filter(|shape| *shape > 0.0) {
                self.level.push(value / shape);
            }
            self.history.push(value);
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
