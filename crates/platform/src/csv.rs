//! Tables as CSV (RFC 4180).

/// A table that is written row by row.
pub struct Csv {
    text: String,
    is_row_start: bool,
}

impl Csv {
    /// With the names of the columns.
    #[must_use]
    pub fn new(columns: &[&str]) -> Self {
        let mut csv = Self {
            text: String::new(),
            is_row_start: true,
        };
        for column in columns {
            csv.plain(column);
        }
        csv.end_row();
        csv
    }

    /// A text that others may have chosen. Spreadsheets take one that begins like a formula for
    /// one: it gets an apostrophe.
    pub fn text(&mut self, value: &str) {
        if value.starts_with(['=', '+', '-', '@', '\t', '\r']) {
            self.plain(&format!("'{value}"));
        } else {
            self.plain(value);
        }
    }

    /// The same; nothing for `None`.
    pub fn optional_text(&mut self, value: Option<&str>) {
        self.text(value.unwrap_or_default());
    }

    /// A number, time or id of ours; nothing for `None`.
    pub fn value(&mut self, value: Option<impl ToString>) {
        self.plain(&value.map(|value| value.to_string()).unwrap_or_default());
    }

    fn plain(&mut self, value: &str) {
        if !self.is_row_start {
            self.text.push(',');
        }
        self.is_row_start = false;
        if value.contains([',', '"', '\n', '\r']) {
            self.text.push('"');
            self.text.push_str(&value.replace('"', "\"\""));
            self.text.push('"');
        } else {
            self.text.push_str(value);
        }
    }

    /// The row is whole.
    pub fn end_row(&mut self) {
        self.text.push_str("\r\n");
        self.is_row_start = true;
    }

    /// The table as it is written.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_formulas_are_not_run() {
        let mut csv = Csv::new(&["a", "b"]);
        csv.text("x, \"y\"");
        csv.text("=cmd|' /C calc'!A0");
        csv.end_row();
        csv.value(Some(-1.5));
        csv.value(None::<u64>);
        csv.end_row();
        assert_eq!(
            csv.text,
            "a,b\r\n\"x, \"\"y\"\"\",'=cmd|' /C calc'!A0\r\n-1.5,\r\n"
        );
    }
}
