//! The query's parameters (WHATWG URL, 5: `application/x-www-form-urlencoded`).

use crate::percent;

/// Names and values, decoded.
pub(crate) fn pairs(query: &str) -> Vec<(String, String)> {
    let pieces = query.split('&').filter(|piece| !piece.is_empty());
    pieces
        .map(|piece| {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            (decoded(name), decoded(value))
        })
        .collect()
}

/// A query of pieces that stay as they were sent unless they are changed.
pub(crate) struct Query {
    /// The decoded name, and the piece as it is written.
    pieces: Vec<(String, String)>,
}

impl Query {
    pub(crate) fn parse(query: Option<&str>) -> Self {
        let pieces = query.unwrap_or_default().split('&');
        Self {
            pieces: pieces
                .filter(|piece| !piece.is_empty())
                .map(|piece| {
                    let name = piece.split('=').next().unwrap_or_default();
                    (decoded(name), piece.to_owned())
                })
                .collect(),
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.pieces.iter().any(|(known, _)| known == name)
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.pieces.retain(|(known, _)| known != name);
    }

    pub(crate) fn rename(&mut self, old: &str, new: &str) {
        if old == new || !self.has(old) {
            return;
        }
        self.remove(new);
        for (name, piece) in &mut self.pieces {
            if name == old {
                let value = piece.split_once('=').map(|(_, value)| value.to_owned());
                *piece = percent::encoded(new);
                if let Some(value) = value {
                    piece.push('=');
                    piece.push_str(&value);
                }
                *name = new.to_owned();
            }
        }
    }

    pub(crate) fn append(&mut self, name: &str, value: &str) {
        let piece = format!("{}={}", percent::encoded(name), percent::encoded(value));
        self.pieces.push((name.to_owned(), piece));
    }

    /// `None` when nothing is left.
    pub(crate) fn into_text(self) -> Option<String> {
        if self.pieces.is_empty() {
            return None;
        }
        let pieces: Vec<String> = self.pieces.into_iter().map(|(_, piece)| piece).collect();
        Some(pieces.join("&"))
    }
}

fn decoded(text: &str) -> String {
    let spaces = text.replace('+', " ");
    String::from_utf8_lossy(&percent::decoded(spaces.as_bytes())).into_owned()
}
