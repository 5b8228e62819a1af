//! Copying fields from one head to another, neighbours in one piece.

use httparse::Header;

/// The lines that stand behind one another and were not copied yet.
pub(super) struct Lines<'b> {
    /// The head they are in.
    head: &'b [u8],
    from: usize,
    to: usize,
}

impl<'b> Lines<'b> {
    pub(super) fn of(head: &'b [u8]) -> Self {
        Self {
            head,
            from: 0,
            to: 0,
        }
    }

    /// Takes a field over as it is; it may be written later, by [`Lines::flush`].
    pub(super) fn pass(&mut self, out: &mut Vec<u8>, field: &Header<'_>) {
        match self.line(field) {
            Some((from, to)) if from == self.to => self.to = to,
            Some((from, to)) => {
                self.flush(out);
                (self.from, self.to) = (from, to);
            }
            None => {
                self.flush(out);
                push_field(out, field.name.as_bytes(), field.value);
            }
        }
    }

    /// Writes what was taken over. Call it before anything else is written.
    pub(super) fn flush(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head[self.from..self.to]);
        self.from = self.to;
    }

    /// Where the field's line is, if it is written just as we would.
    fn line(&self, field: &Header<'_>) -> Option<(usize, usize)> {
        let at = |part: &[u8]| {
            let start = part
                .as_ptr()
                .addr()
                .checked_sub(self.head.as_ptr().addr())?;
            Some((start, start + part.len()))
        };
        let (from, name_end) = at(field.name.as_bytes())?;
        let (value, to) = at(field.value)?;
        let is_plain = value == name_end + 2
            && self.head.get(name_end..value) == Some(b": ")
            && self.head.get(to..to + 2) == Some(b"\r\n");
        is_plain.then_some((from, to + 2))
    }
}

pub(super) fn push_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn passed_fields_are_written_as_read(
            fields in proptest::collection::vec(
                ("[a-z-]{1,8}", "[ \t]{0,2}", "([!-~]([ -~]{0,8}[!-~])?)?", "[ \t]{0,2}", any::<bool>()), 0..10
            )
        ) {
            let mut head = String::from("GET / HTTP/1.1\r\n");
            let mut expected = Vec::new();
            for (name, before, value, after, is_passed) in &fields {
                head.push_str(&format!("{name}:{before}{value}{after}\r\n"));
                if *is_passed {
                    push_field(&mut expected, name.as_bytes(), value.as_bytes());
                }
            }
            head.push_str("\r\n");
            let mut slots = [httparse::EMPTY_HEADER; 10];
            let mut request = httparse::Request::new(&mut slots);
            prop_assert!(request.parse(head.as_bytes()).unwrap().is_complete());
            let mut lines = Lines::of(head.as_bytes());
            let mut out = Vec::new();
            for (field, (.., is_passed)) in request.headers.iter().zip(&fields) {
                if *is_passed {
                    lines.pass(&mut out, field);
                }
            }
            lines.flush(&mut out);
            prop_assert_eq!(out, expected);
        }
    }
}
