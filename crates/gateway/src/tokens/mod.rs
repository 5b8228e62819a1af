//! Counting the tokens that language models say they used, while their answers pass.
//!
//! Whole answers are JSON; streams are events (Server-Sent Events) or documents one after the
//! other, and tell sums in the last of them, or again and again.

mod scan;
#[cfg(test)]
mod tests;

use apiverse_contract::usage::Tokens;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use scan::Scan;

/// Reads along with an answer.
#[derive(Debug)]
pub(crate) struct TokenMeter {
    scan: Scan,
    /// `None`: the answer is JSON and nothing around it.
    line: Option<Line>,
}

/// Where in a line of a stream of events the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// So many bytes of `data:` were there, and nothing else.
    Begins(usize),
    Data,
    /// Of another field, or a comment.
    Other,
}

const FIELD: &[u8] = b"data:";

impl TokenMeter {
    /// `None`: an answer with this head tells no tokens, or in a coding.
    pub(crate) fn of_answer(head: &HeaderMap) -> Option<Box<Self>> {
        let is_coded = head
            .get(CONTENT_ENCODING)
            .is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
        if is_coded {
            return None;
        }
        let content_type = head.get(CONTENT_TYPE)?.to_str().ok()?;
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        let kind = kind.to_ascii_lowercase();
        let line = match kind.as_str() {
            "text/event-stream" => Some(Line::Begins(0)),
            "application/json"
            | "application/x-ndjson"
            | "application/jsonl"
            | "application/json-seq" => None,
            other if other.ends_with("+json") => None,
            _ => return None,
        };
        Some(Box::new(Self {
            scan: Scan::default(),
            line,
        }))
    }

    /// The next bytes of the answer.
    pub(crate) fn see(&mut self, mut bytes: &[u8]) {
        let Some(line) = &mut self.line else {
            return self.scan.see(bytes);
        };
        while let Some((first, rest)) = bytes.split_first() {
            match *line {
                Line::Begins(matched) if FIELD.get(matched) == Some(first) => {
                    *line = match matched + 1 {
                        all if all == FIELD.len() => Line::Data,
                        matched => Line::Begins(matched),
                    };
                    bytes = rest;
                }
                Line::Begins(0) if *first == b'\n' => {
                    // An empty line ends an event.
                    self.scan.begin_anew();
                    bytes = rest;
                }
                Line::Begins(0) if *first == b'\r' => bytes = rest,
                Line::Begins(_) => *line = Line::Other,
                Line::Data | Line::Other => {
                    let end = bytes.iter().position(|byte| *byte == b'\n');
                    let (part, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
                    if *line == Line::Data {
                        self.scan.see(part);
                    }
                    if end.is_some() {
                        *line = Line::Begins(0);
                    }
                    bytes = rest;
                }
            }
        }
    }

    /// What was told so far.
    pub(crate) fn counted(&mut self) -> Tokens {
        self.scan.finish();
        self.scan.counted()
    }
}
