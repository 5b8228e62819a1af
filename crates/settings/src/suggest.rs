//! "Did you mean": the known name closest to a mistyped one.

/// The candidate fewest edits away from `word`, unless even that is another word altogether.
pub(crate) fn closest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    let limit = (word.chars().count() / 4).clamp(1, 5);
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance, one row at a time.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn suggests_the_nearest_and_nothing_far() {
        let names = ["APIVERSE_ADDR", "APIVERSE_ADMIN_EMAIL", "APIVERSE_DATA_DIR"];
        assert_eq!(closest("APIVERSE_ADR", names), Some("APIVERSE_ADDR"));
        assert_eq!(
            closest("APIVERSE_DATADIR", names),
            Some("APIVERSE_DATA_DIR")
        );
        assert_eq!(closest("COMPLETELY_ELSE", names), None);
    }
}
