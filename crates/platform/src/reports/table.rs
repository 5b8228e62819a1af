//! What a report says, before it is a page or a table.

use serde::Serialize;

use super::figures::Number;

/// All of a report.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Content {
    pub(super) title: String,
    pub(super) organization: String,
    /// The API it is about, or all.
    pub(super) scope: String,
    pub(super) range: String,
    pub(super) range_before: String,
    pub(super) made: String,
    pub(super) base_url: String,
    pub(super) figures: Vec<Figure>,
    /// `hour` or `day`.
    pub(super) step: &'static str,
    pub(super) points: Vec<Point>,
    pub(super) tables: Vec<Table>,
}

/// A number beside the one of the time before.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Figure {
    pub(super) key: String,
    pub(super) name: String,
    pub(super) now: Number,
    pub(super) before: Number,
    pub(super) change: String,
}

/// Calls of an hour or day.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Point {
    pub(super) label: String,
    pub(super) start: String,
    pub(super) calls: u64,
    pub(super) errors: u64,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Table {
    pub(super) key: &'static str,
    pub(super) title: &'static str,
    /// What the rows are.
    pub(super) first: &'static str,
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Row>,
    /// Said when there are no rows.
    pub(super) empty: &'static str,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Column {
    pub(super) key: &'static str,
    pub(super) title: &'static str,
    pub(super) is_number: bool,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) cells: Vec<Number>,
}

impl Column {
    pub(super) const fn number(key: &'static str, title: &'static str) -> Self {
        Self {
            key,
            title,
            is_number: true,
        }
    }

    pub(super) const fn text(key: &'static str, title: &'static str) -> Self {
        Self {
            key,
            title,
            is_number: false,
        }
    }
}

/// A cell that others may have written.
pub(super) fn text(text: impl Into<String>) -> Number {
    let text = text.into();
    Number {
        raw: text.clone(),
        text,
    }
}
