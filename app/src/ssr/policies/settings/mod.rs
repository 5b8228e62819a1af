//! The settings of every kind of policy that have a field of their own in its form. What is not in
//! the table can be changed as JSON.

mod cache;
mod requests;
mod transforms;
mod upstream;

use apiverse_contract::policies::PolicyKind;

/// How a setting is typed, and what of it stands in the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// A whole number.
    Number,
    /// A number.
    Decimal,
    /// True or false; what is meant when the document says nothing.
    Flag(bool),
    Text,
    /// A text that may have lines.
    Lines,
    /// One of these, by value and by what is shown; the first is meant when nothing is said.
    Choice(&'static [(&'static str, &'static str)]),
    /// Texts, separated by commas or white space.
    Words,
    /// Whole numbers, the same way.
    Numbers,
    /// Texts, one a line.
    List,
    /// Names and texts: `Name: value`, one a line.
    Pairs,
    /// Names and whole numbers, the same way.
    NumberPairs,
    /// `URL` or `URL weight`, one a line.
    Targets,
    Json,
}

/// A setting of a document.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// `retries.max`
    pub path: &'static str,
    pub label: &'static str,
    pub help: &'static str,
    pub placeholder: &'static str,
    pub reads: Reads,
    /// It stands in the document though nothing was typed, so that its absence is told at its field.
    pub is_required: bool,
}

const fn setting(
    path: &'static str,
    label: &'static str,
    placeholder: &'static str,
    help: &'static str,
    reads: Reads,
) -> Setting {
    Setting {
        path,
        label,
        help,
        placeholder,
        reads,
        is_required: false,
    }
}

impl Setting {
    const fn required(mut self) -> Self {
        self.is_required = true;
        self
    }
}

/// Settings that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    pub title: &'static str,
    /// The object that is there when this is ticked, and the words beside the box.
    pub switch: Option<(&'static str, &'static str)>,
    pub settings: &'static [Setting],
}

/// The sections of a kind's form.
pub const fn of(kind: PolicyKind) -> &'static [Section] {
    match kind {
        PolicyKind::Cors => requests::CORS,
        PolicyKind::Validation => requests::VALIDATION,
        PolicyKind::RequestTransform => transforms::REQUEST_TRANSFORM,
        PolicyKind::Mock => transforms::MOCK,
        PolicyKind::Cache => cache::CACHE,
        PolicyKind::Upstream => upstream::UPSTREAM,
        // There is nothing but on and off.
        PolicyKind::Tokens => &[],
        PolicyKind::ResponseTransform => transforms::RESPONSE_TRANSFORM,
        PolicyKind::Compression => transforms::COMPRESSION,
    }
}
