//! Where a head ends, found without reading any byte twice.

/// Longest run of empty lines before a request that is passed over (RFC 9112, 2.2).
const MAX_EMPTY_LINES: usize = 4;

/// What is known of the bytes read so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::edge) enum Scanned {
    /// The head goes on.
    More,
    /// It ends before this position: its last bytes are an empty line.
    End(usize),
    /// A line ends in LF alone, or an empty line follows another: where lines end would be a
    /// matter of opinion, and two opinions on one connection are how requests are smuggled.
    Ambiguous,
}

/// Remembers how far it has looked.
#[derive(Default)]
pub(in crate::edge) struct Scanner {
    seen: usize,
    /// Where the current line begins.
    line: usize,
}

impl Scanner {
    /// Looks at what has come since the last time. `bytes` begins with the head and only grows.
    pub(in crate::edge) fn scan(&mut self, bytes: &[u8]) -> Scanned {
        while let Some(found) = bytes[self.seen..].iter().position(|byte| *byte == b'\n') {
            let at = self.seen + found;
            if at == 0 || bytes[at - 1] != b'\r' {
                return Scanned::Ambiguous;
            }
            let is_empty = at - 1 == self.line;
            self.seen = at + 1;
            self.line = at + 1;
            if is_empty {
                return Scanned::End(at + 1);
            }
        }
        self.seen = bytes.len();
        Scanned::More
    }
}

/// How many bytes of empty lines stand before the request; `None` when there are too many.
pub(in crate::edge) fn leading_lines(bytes: &[u8]) -> Option<usize> {
    let lines = bytes
        .chunks_exact(2)
        .take_while(|pair| *pair == b"\r\n")
        .count();
    (lines <= MAX_EMPTY_LINES).then_some(lines * 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_head_ends_at_its_empty_line() {
        let head = b"GET / HTTP/1.1\r\nhost: a\r\n\r\nbody";
        assert_eq!(Scanner::default().scan(head), Scanned::End(head.len() - 4));
        assert_eq!(
            Scanner::default().scan(b"GET / HTTP/1.1\r\n"),
            Scanned::More
        );
        for bad in [
            "GET / HTTP/1.1\nhost: a\n\n",
            "GET / HTTP/1.1\r\nhost: a\n\r\n",
            "\nGET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\n\n",
        ] {
            assert_eq!(
                Scanner::default().scan(bad.as_bytes()),
                Scanned::Ambiguous,
                "{bad:?}"
            );
        }
    }

    #[test]
    fn few_empty_lines_may_come_first() {
        assert_eq!(leading_lines(b"GET"), Some(0));
        assert_eq!(leading_lines(b"\r\n\r\nGET"), Some(4));
        assert_eq!(leading_lines(b"\r"), Some(0));
        assert_eq!(leading_lines("\r\n".repeat(5).as_bytes()), None);
    }

    proptest! {
        #[test]
        fn pieces_give_what_the_whole_gives(
            text in "[ab\r\n]{0,40}", cuts in proptest::collection::vec(0usize..40, 0..6)
        ) {
            let bytes = text.as_bytes();
            let whole = Scanner::default().scan(bytes);
            let mut ends: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            ends.push(bytes.len());
            ends.sort_unstable();
            let mut scanner = Scanner::default();
            let mut last = Scanned::More;
            for end in ends {
                last = scanner.scan(&bytes[..end]);
                if last != Scanned::More {
                    break;
                }
            }
            prop_assert_eq!(last, whole);
        }
    }
}
