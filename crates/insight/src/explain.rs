//! What a finding is made of.

/// One part's share of a change.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution<T> {
    pub what: T,
    pub before: f64,
    pub now: f64,
    /// 1: it is all of the change.
    pub share: f64,
}

/// The parts (keys, routes) that changed as the whole did, the largest share first. `before` and
/// `now` are sums over times of the same length; parts that are in one only are 0 in the other.
#[must_use]
pub fn contributions<T: Clone + Eq + std::hash::Hash>(
    before: &[(T, f64)],
    now: &[(T, f64)],
) -> Vec<Contribution<T>> {
    let sum = |parts: &[(T, f64)]| parts.iter().map(|(_, value)| value).sum::<f64>();
    let change = sum(now) - sum(before);
    if change == 0.0 || !change.is_finite() {
        return Vec::new();
    }
    let mut parts: Vec<Contribution<T>> = Vec::new();
    let mut places: std::collections::HashMap<T, usize> = std::collections::HashMap::new();
    for (is_now, (what, value)) in before
        .iter()
        .map(|part| (false, part))
        .chain(now.iter().map(|part| (true, part)))
    {
        let at = *places.entry(what.clone()).or_insert_with(|| {
            parts.push(Contribution {
                what: what.clone(),
                before: 0.0,
                now: 0.0,
                share: 0.0,
            });
            parts.len() - 1
        });
        if is_now {
            parts[at].now += value;
        } else {
            parts[at].before += value;
        }
    }
    for part in &mut parts {
        part.share = (part.now - part.before) / change;
    }
    parts.retain(|part| part.share > 0.0);
    parts.sort_by(|a, b| b.share.total_cmp(&a.share));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_that_grew_explains_it() {
        let before = [("ada", 100.0), ("bob", 100.0), ("gone", 10.0)];
        let now = [("ada", 110.0), ("bob", 700.0), ("new", 30.0)];
        let parts = contributions(&before, &now);
        let names: Vec<&str> = parts.iter().map(|part| part.what).collect();
        assert_eq!(names, ["bob", "new", "ada"]);
        assert!((parts[0].share - 600.0 / 630.0).abs() < 1e-9);
        // Of a drop, what fell.
        let parts = contributions(&now, &before);
        assert_eq!(parts[0].what, "bob");
        assert_eq!(contributions(&before, &before), []);
    }
}
