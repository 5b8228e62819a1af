//! JSON laid out for reading. Only the white space changes: numbers keep their digits and members
//! their order, which a parser would not promise.

use crate::ambient;

/// `None` when the text is not JSON.
pub fn json(text: &str) -> Option<String> {
    let text = text.trim();
    if !text.starts_with(['{', '[']) {
        return None;
    }
    ambient::is_json(text).then(|| layout(text))
}

fn layout(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if in_string {
            out.push(c);
            if escaped {
                escaped = false;
            } else if c == '\\' {
                escaped = true;
            } else if c == '"' {
                in_string = false;
            }
            continue;
        }
        match c {
            '"' => {
                in_string = true;
                out.push(c);
            }
            '{' | '[' => {
                out.push(c);
                while chars.peek().is_some_and(|next| next.is_ascii_whitespace()) {
                    chars.next();
                }
                // What is empty stays on its line.
                if let Some(close @ ('}' | ']')) = chars.peek().copied() {
                    out.push(close);
                    chars.next();
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            c if c.is_ascii_whitespace() => {}
            c => out.push(c),
        }
    }
    out
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    for _ in 0..depth {
        out.push_str("  ");
    }
}

#[cfg(test)]
mod tests {
    use super::json;

    #[test]
    fn layout_changes_white_space_only() {
        let text = r#"{"b":1.10,"a":[ ],"c":{"d":"x,\"{y}\"","e":[1,2]}}"#;
        let pretty = json(text).expect("it is JSON");
        assert_eq!(
            pretty,
            "{\n  \"b\": 1.10,\n  \"a\": [],\n  \"c\": {\n    \"d\": \"x,\\\"{y}\\\"\",\n    \"e\": [\n      1,\n      2\n    ]\n  }\n}"
        );
    }

    #[test]
    fn other_text_is_left_alone() {
        assert_eq!(json("<html>"), None);
        assert_eq!(json("{not json}"), None);
        assert_eq!(json(""), None);
    }
}
