//! Numbers that leave as they came: an integer beyond 64 bits, or `1.10`, is only made a floating
//! point number when the expression calculates with it.

use std::cmp::Ordering;
use std::fmt;
use std::rc::Rc;

/// A JSON number.
#[derive(Clone, Debug)]
pub(crate) enum Number {
    Int(i64),
    Float(f64),
    /// As it was written, and what it comes to.
    Written(Rc<str>, f64),
}

impl Number {
    /// Reads what JSON's grammar, or Rust's, takes for a number.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Ok(int) = text.parse::<i64>()
            && text != "-0"
            && !text.starts_with('+')
        {
            return Some(Self::Int(int));
        }
        let float: f64 = text.parse().ok()?;
        if Self::Float(float).to_string() == text {
            return Some(Self::Float(float));
        }
        Some(Self::Written(text.into(), float))
    }

    pub(crate) const fn as_f64(&self) -> f64 {
        match self {
            Self::Int(int) => *int as f64,
            Self::Float(float) | Self::Written(_, float) => *float,
        }
    }

    pub(crate) fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(int) => Some(*int),
            // Positions in arrays may come from a division.
            Self::Float(float) | Self::Written(_, float)
                if float.fract() == 0.0 && float.abs() < 9e15 =>
            {
                Some(*float as i64)
            }
            Self::Float(_) | Self::Written(..) => None,
        }
    }

    pub(crate) const fn is_int(&self) -> bool {
        matches!(self, Self::Int(_))
    }

    fn with(
        &self,
        other: &Self,
        ints: impl Fn(i64, i64) -> Option<i64>,
        floats: impl Fn(f64, f64) -> f64,
    ) -> Self {
        if let (Self::Int(a), Self::Int(b)) = (self, other)
            && let Some(int) = ints(*a, *b)
        {
            return Self::Int(int);
        }
        Self::Float(floats(self.as_f64(), other.as_f64()))
    }

    pub(crate) fn plus(&self, other: &Self) -> Self {
        self.with(other, i64::checked_add, |a, b| a + b)
    }

    pub(crate) fn minus(&self, other: &Self) -> Self {
        self.with(other, i64::checked_sub, |a, b| a - b)
    }

    pub(crate) fn times(&self, other: &Self) -> Self {
        self.with(other, i64::checked_mul, |a, b| a * b)
    }

    pub(crate) fn over(&self, other: &Self) -> Self {
        let whole = |a: i64, b: i64| match a.checked_rem(b) {
            Some(0) => a.checked_div(b),
            _ => None,
        };
        self.with(other, whole, |a, b| a / b)
    }

    /// `None` for a divisor of zero.
    pub(crate) fn modulo(&self, other: &Self) -> Option<Self> {
        if other.as_f64() == 0.0 {
            return None;
        }
        Some(self.with(other, i64::checked_rem, |a, b| a % b))
    }

    pub(crate) fn negated(&self) -> Self {
        match self {
            Self::Int(int) => int
                .checked_neg()
                .map_or(Self::Float(-(*int as f64)), Self::Int),
            Self::Float(float) | Self::Written(_, float) => Self::Float(-float),
        }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A total order, so that sorting is sound: not-a-number is less than every other number, and
/// equal to itself; the zeroes are equal.
impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        if let (Self::Int(a), Self::Int(b)) = (self, other) {
            return a.cmp(b);
        }
        let (a, b) = (self.as_f64(), other.as_f64());
        match (a.is_nan(), b.is_nan()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => (a + 0.0).total_cmp(&(b + 0.0)),
        }
    }
}

/// As JSON: what is no finite number is `null`.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(int) => int.fmt(f),
            Self::Written(text, _) => f.write_str(text),
            Self::Float(float) if !float.is_finite() => f.write_str("null"),
            Self::Float(float) if float.abs() >= 1e17 || (*float != 0.0 && float.abs() < 1e-5) => {
                write!(f, "{float:e}")
            }
            Self::Float(float) => float.fmt(f),
        }
    }
}
