//! Statistics that a few wild values do not move.

/// What the median absolute deviation of normally distributed values is multiplied with to be
/// their standard deviation.
pub(crate) const NORMAL: f64 = 1.4826;

/// The middle value; of an even number the lower of the two. `None` of nothing. The order of
/// `values` is lost; those that are no numbers are passed over.
pub(crate) fn median(values: &mut Vec<f64>) -> Option<f64> {
    values.retain(|value| value.is_finite());
    if values.is_empty() {
        return None;
    }
    let middle = (values.len() - 1) / 2;
    let (_, median, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    Some(*median)
}

/// The last values, the oldest giving way.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    values: Vec<f64>,
    next: usize,
    size: usize,
}

impl Window {
    pub(crate) fn new(size: usize) -> Self {
        Self {
            values: Vec::with_capacity(size.max(1)),
            next: 0,
            size: size.max(1),
        }
    }

    pub(crate) fn push(&mut self, value: f64) {
        if self.values.len() < self.size {
            self.values.push(value);
        } else {
            self.values[self.next] = value;
        }
        self.next = (self.next + 1) % self.size;
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn clear(&mut self) {
        self.values.clear();
        self.next = 0;
    }

    pub(crate) fn median(&self, scratch: &mut Vec<f64>) -> Option<f64> {
        scratch.clear();
        scratch.extend_from_slice(&self.values);
        median(scratch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&mut vec![]), None);
        assert_eq!(median(&mut vec![f64::NAN]), None);
        assert_eq!(median(&mut vec![3.0, 1.0, f64::NAN, 2.0]), Some(2.0));
        assert_eq!(median(&mut vec![4.0, 1.0, 2.0, 3.0]), Some(2.0));
    }

    #[test]
    fn a_window_forgets_the_oldest() {
        let mut window = Window::new(3);
        for value in [100.0, 1.0, 2.0, 3.0] {
            window.push(value);
        }
        assert_eq!(window.len(), 3);
        assert_eq!(window.median(&mut Vec::new()), Some(2.0));
        window.clear();
        assert_eq!(window.median(&mut Vec::new()), None);
    }
}
