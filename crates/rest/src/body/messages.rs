//! The deserializer's errors in words for people who call the API.
//!
//! Its texts quote what was sent, which may be a secret in the wrong place, and name Rust types.
//! Both are left out.

use apiverse_contract::FieldError;
use serde_path_to_error::{Path, Segment};

/// A field error, and the top-level field to take out to find the next one.
pub struct Complaint {
    pub error: FieldError,
    pub culprit: String,
}

/// Characters of a field's path that are repeated to the caller.
const LONGEST_FIELD: usize = 200;

pub fn explain<E: std::fmt::Display>(error: &serde_path_to_error::Error<E>) -> Complaint {
    let text = error.inner().to_string();
    let mut path = dotted(error.path());
    if let Some(name) = quoted_after(&text, "missing field ") {
        path = join(path, name);
        return complaint(path, "is required".to_owned());
    }
    if let Some(name) = quoted_after(&text, "duplicate field ") {
        // The path of a key that was not taken ends with it or not, depending on the format.
        if path != name && !path.ends_with(&format!(".{name}")) {
            path = join(path, name);
        }
        return complaint(path, "is given twice".to_owned());
    }
    if let Some(name) = quoted_after(&text, "unknown field ") {
        if path != name && !path.ends_with(&format!(".{name}")) {
            path = join(path, name);
        }
        let message = match closest(name, &expected_names(&text)) {
            Some(known) => format!("is not known here; did you mean `{known}`?"),
            None => "is not known here".to_owned(),
        };
        return complaint(path, message);
    }
    if let Some(given) = quoted_after(&text, "unknown variant ") {
        let names = expected_names(&text);
        let list: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let mut message = format!("must be one of {}", list.join(", "));
        if let Some(known) = closest(given, &names) {
            message.push_str(&format!("; did you mean `{known}`?"));
        }
        return complaint(path, message);
    }
    complaint(path, type_message(&text).to_owned())
}

fn complaint(path: String, message: String) -> Complaint {
    let culprit = path.split('.').next().unwrap_or_default().to_owned();
    let field = if path.is_empty() {
        "body".to_owned()
    } else {
        path.chars().take(LONGEST_FIELD).collect()
    };
    Complaint {
        error: FieldError::new(field, message),
        culprit,
    }
}

fn type_message(text: &str) -> &'static str {
    let expected = match text.rsplit_once("expected ") {
        Some((_, expected)) => expected,
        None => text,
    };
    match expected {
        "a string" | "string" | "string or map" | "str" | "a borrowed string" => "must be text",
        "a boolean" => "must be true or false",
        "a sequence" => "must be a list",
        "a map" => "must be an object",
        "u8" | "u16" | "u32" | "u64" | "usize" | "invalid digit found in string" => {
            "must be a whole number, 0 or more"
        }
        "i8" | "i16" | "i32" | "i64" | "isize" => "must be a whole number",
        "f32" | "f64" => "must be a number",
        "number too large to fit in target type" => "is too large",
        other if other.starts_with("struct ") => "must be an object",
        other if other.contains("UUID") => "must be a UUID",
        other if is_about_time(other) => "must be a time such as 2026-01-31T12:00:00Z",
        _ => "is not valid",
    }
}

/// The texts of chrono's parser.
fn is_about_time(text: &str) -> bool {
    text.contains("date and time")
        || text.starts_with("premature end of input")
        || text.starts_with("trailing input")
        || text.starts_with("input contains invalid characters")
        || text.starts_with("input is out of range")
        || text.starts_with("input is not enough")
        || text.starts_with("no possible date and time")
}

/// The name in backquotes right after `start`.
fn quoted_after<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    let rest = text.strip_prefix(start)?.strip_prefix('`')?;
    // A sent name may itself contain backquotes; ours, which follow, do not.
    let end = match rest.find("`, expected") {
        Some(end) => end,
        None => match rest.find("`, there are no") {
            Some(end) => end,
            None => rest.rfind('`')?,
        },
    };
    Some(&rest[..end])
}

/// The names in backquotes after the last `expected`.
fn expected_names(text: &str) -> Vec<&str> {
    let Some((_, expected)) = text.rsplit_once("`, expected ") else {
        return Vec::new();
    };
    expected.split('`').skip(1).step_by(2).collect()
}

/// The known name that a typo was likely meant to be.
fn closest<'a>(typo: &str, known: &[&'a str]) -> Option<&'a str> {
    // Longer names are no typo of ours, and the comparison is quadratic.
    if typo.len() > 64 {
        return None;
    }
    let lower = typo.to_lowercase();
    let best = known
        .iter()
        .map(|name| (distance(&lower, name), *name))
        .min_by_key(|(distance, _)| *distance)?;
    (best.0 <= 1 + typo.len() / 5).then_some(best.1)
}

/// Edits from one word to the other, where two neighbours swapped are one edit.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                let swap = if swapped {
                    rows[i - 2][j - 2] + 1
                } else {
                    change
                };
                change
                    .min(swap)
                    .min(rows[i - 1][j] + 1)
                    .min(rows[i][j - 1] + 1)
            };
        }
    }
    rows[a.len()][b.len()]
}

fn dotted(path: &Path) -> String {
    let mut text = String::new();
    for segment in path {
        let name = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.clone(),
            Segment::Enum { variant } => variant.clone(),
            Segment::Unknown => continue,
        };
        text = join(text, &name);
    }
    text
}

fn join(path: String, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance("email", "email"), 0);
        assert_eq!(distance("emial", "email"), 1);
        assert_eq!(distance("base_ur", "base_url"), 1);
        assert_eq!(distance("", "abc"), 3);
    }

    #[test]
    fn only_close_names_are_suggested() {
        let known = ["name", "base_url", "auth_type"];
        assert_eq!(closest("nmae", &known), Some("name"));
        assert_eq!(closest("baseUrl", &known), Some("base_url"));
        assert_eq!(closest("authtype", &known), Some("auth_type"));
        assert_eq!(closest("colour", &known), None);
        assert_eq!(closest(&"n".repeat(10_000), &known), None);
    }

    #[test]
    fn a_name_with_backquotes_is_read_whole() {
        let text = "unknown field `a`b`, expected `c` or `d`";
        assert_eq!(quoted_after(text, "unknown field "), Some("a`b"));
        assert_eq!(expected_names(text), ["c", "d"]);
    }
}
