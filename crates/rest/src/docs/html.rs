//! Small pieces of HTML.

/// Text for an element or a quoted attribute.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

/// The little Markdown that our descriptions use: paragraphs, `- ` lists, backquoted code.
pub fn markdown(text: &str) -> String {
    let mut out = String::new();
    for block in text.split("\n\n").filter(|block| !block.trim().is_empty()) {
        let lines: Vec<&str> = block.trim().lines().collect();
        if lines.iter().all(|line| line.trim_start().starts_with("- ")) {
            out.push_str("<ul>");
            for line in lines {
                out.push_str(&format!(
                    "<li>{}</li>",
                    inline(line.trim_start()[2..].trim())
                ));
            }
            out.push_str("</ul>");
        } else {
            out.push_str(&format!("<p>{}</p>", inline(&lines.join(" "))));
        }
    }
    out
}

/// Backquoted code inside a line.
pub fn inline(text: &str) -> String {
    let mut out = String::new();
    for (n, piece) in text.split('`').enumerate() {
        if n % 2 == 1 {
            out.push_str(&format!("<code>{}</code>", escape(piece)));
        } else {
            out.push_str(&escape(piece));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out() {
        assert_eq!(escape("<a href='x'>&"), "&lt;a href=&#39;x&#39;&gt;&amp;");
        assert_eq!(inline("a `<b>` c"), "a <code>&lt;b&gt;</code> c");
    }

    #[test]
    fn paragraphs_and_lists() {
        assert_eq!(
            markdown("one\ntwo\n\n- a\n- `b`"),
            "<p>one two</p><ul><li>a</li><li><code>b</code></li></ul>"
        );
    }
}
