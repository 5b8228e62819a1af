//! Reading the chunked coding (RFC 9112, 7.1), strictly.

/// Longest line with a chunk's size; extensions are read and forgotten.
const MAX_SIZE_LINE: usize = 256;
/// Most bytes of trailer fields.
const MAX_TRAILERS: usize = 8 * 1024;

/// The coding is not what the RFC has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the chunked body is malformed")]
pub(in crate::edge) struct BadChunk;

/// Where in the coding the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the size; digits so far.
    Size {
        digits: u8,
    },
    /// Blanks after the size: only an extension may follow.
    Blank,
    /// After the size, before the end of its line.
    Extension,
    /// The LF of the size's line is due.
    SizeLf,
    Data,
    /// The CR, then the LF, after the data is due.
    DataCr,
    DataLf,
    /// At the beginning of a trailer line.
    Trailer,
    InTrailer,
    TrailerLf,
    /// The LF of the last line is due.
    LastLf,
    Done,
}

/// Decodes a body piece by piece; no piece is copied.
#[derive(Debug)]
pub(in crate::edge) struct Decoder {
    state: State,
    /// Bytes of the current chunk that are still to come.
    left: u64,
    /// Bytes of the current line, or of all trailers.
    line: usize,
}

/// What a step found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::edge) enum Step {
    /// Data at this range of the input.
    Data { from: usize, to: usize },
    /// The input is used up.
    More,
    /// The body ended before this position.
    End(usize),
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            state: State::Size { digits: 0 },
            left: 0,
            line: 0,
        }
    }
}

impl Decoder {
    /// Goes on at `at` in the input. Call again with the end of the data that was found, until it
    /// says [`Step::More`] or [`Step::End`].
    pub(in crate::edge) fn step(&mut self, input: &[u8], mut at: usize) -> Result<Step, BadChunk> {
        while at < input.len() {
            let byte = input[at];
            match self.state {
                State::Data => {
                    let there = input.len() - at;
                    let take = usize::try_from(self.left).map_or(there, |left| left.min(there));
                    self.left -= take as u64;
                    if self.left == 0 {
                        self.state = State::DataCr;
                    }
                    return Ok(Step::Data {
                        from: at,
                        to: at + take,
                    });
                }
                State::Size { digits } => self.size(byte, digits)?,
                State::Blank => match byte {
                    b' ' | b'\t' => {}
                    b';' => self.state = State::Extension,
                    b'\r' => self.state = State::SizeLf,
                    _ => return Err(BadChunk),
                },
                State::Extension => match byte {
                    b'\r' => self.state = State::SizeLf,
                    // A control character here is how parsers are made to disagree.
                    b'\t' | b' '..=b'~' | 0x80.. => {}
                    _ => return Err(BadChunk),
                },
                State::SizeLf => {
                    expect(byte, b'\n')?;
                    self.line = 0;
                    self.state = if self.left == 0 {
                        State::Trailer
                    } else {
                        State::Data
                    };
                }
                State::DataCr => {
                    expect(byte, b'\r')?;
                    self.state = State::DataLf;
                }
                State::DataLf => {
                    expect(byte, b'\n')?;
                    self.line = 0;
                    self.state = State::Size { digits: 0 };
                }
                State::Trailer => {
                    self.state = match byte {
                        b'\r' => State::LastLf,
                        // A folded line (RFC 9112, 5.2), and what no name begins with.
                        0..=b' ' | b':' | 0x7f.. => return Err(BadChunk),
                        _ => State::InTrailer,
                    }
                }
                State::InTrailer => match byte {
                    b'\r' => self.state = State::TrailerLf,
                    b'\t' | b' '..=b'~' | 0x80.. => {}
                    _ => return Err(BadChunk),
                },
                State::TrailerLf => {
                    expect(byte, b'\n')?;
                    self.state = State::Trailer;
                }
                State::LastLf => {
                    expect(byte, b'\n')?;
                    self.state = State::Done;
                    return Ok(Step::End(at + 1));
                }
                State::Done => return Ok(Step::End(at)),
            }
            at += 1;
            self.line += 1;
            let limit = match self.state {
                State::Trailer | State::InTrailer | State::TrailerLf => MAX_TRAILERS,
                _ => MAX_SIZE_LINE,
            };
            if self.line > limit {
                return Err(BadChunk);
            }
        }
        Ok(match self.state {
            State::Done => Step::End(at),
            _ => Step::More,
        })
    }

    fn size(&mut self, byte: u8, digits: u8) -> Result<(), BadChunk> {
        if let Some(digit) = char::from(byte).to_digit(16) {
            // Sixteen digits are all that 64 bits can hold.
            if digits == 16 {
                return Err(BadChunk);
            }
            if digits == 0 {
                self.left = 0;
            }
            self.left = self.left << 4 | u64::from(digit);
            self.state = State::Size { digits: digits + 1 };
            return Ok(());
        }
        if digits == 0 {
            return Err(BadChunk);
        }
        self.state = match byte {
            b'\r' => State::SizeLf,
            b';' => State::Extension,
            b' ' | b'\t' => State::Blank,
            _ => return Err(BadChunk),
        };
        Ok(())
    }
}

fn expect(byte: u8, wanted: u8) -> Result<(), BadChunk> {
    if byte == wanted {
        Ok(())
    } else {
        Err(BadChunk)
    }
}

/// Writes `data` as one chunk. An empty one would end the body, and is left out.
pub(in crate::edge) fn push_chunk(out: &mut Vec<u8>, data: &[u8]) {
    if data.is_empty() {
        return;
    }
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut size = data.len();
    let mut text = [0; 16];
    let mut at = text.len();
    while size > 0 {
        at -= 1;
        text[at] = DIGITS[size & 15];
        size >>= 4;
    }
    out.extend_from_slice(&text[at..]);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

/// Ends a chunked body.
pub(super) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The data, and what follows the body.
    type Decoded = (Vec<u8>, Vec<u8>);

    fn decode(pieces: &[&[u8]]) -> Result<Option<Decoded>, BadChunk> {
        let mut decoder = Decoder::default();
        let mut data = Vec::new();
        for (number, piece) in pieces.iter().enumerate() {
            let mut at = 0;
            loop {
                match decoder.step(piece, at)? {
                    Step::Data { from, to } => {
                        data.extend_from_slice(&piece[from..to]);
                        at = to;
                    }
                    Step::More => break,
                    Step::End(end) => {
                        let mut rest = piece[end..].to_vec();
                        for later in &pieces[number + 1..] {
                            rest.extend_from_slice(later);
                        }
                        return Ok(Some((data, rest)));
                    }
                }
            }
        }
        Ok(None)
    }

    #[test]
    fn bodies_are_read() {
        let whole = b"5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nx-sum: 1\r\n\r\nnext";
        let (data, rest) = decode(&[whole]).unwrap().unwrap();
        assert_eq!(
            (data.as_slice(), rest.as_slice()),
            (&b"hello world"[..], &b"next"[..])
        );
        assert_eq!(decode(&[b"5\r\nhel"]), Ok(None));
        assert_eq!(decode(&[b"0\r\n\r\n"]).unwrap().unwrap().0, b"");
    }

    #[test]
    fn doubtful_framing_is_refused() {
        for bad in [
            "\r\n",
            "g\r\n",
            "5\nhello\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "5\r\nhelloX\r\n",
            "5\r\nhello0\r\n\r\n",
            "0x5\r\nhello\r\n",
            "-5\r\nhello\r\n",
            "+5\r\nhello\r\n",
            "00000000000000005\r\nhello\r\n",
            "5;a=\nb\r\nhello\r\n",
            "5 5\r\nhello\r\n",
            "5\u{b}\r\nhello\r\n",
            "ffffffffffffffff0\r\nhello\r\n",
            "5;a=\"\0\"\r\nhello\r\n",
            "5;a\rb\r\nhello\r\n",
            "0\r\n\n",
            "0\r\na: b\n\r\n",
        ] {
            assert_eq!(decode(&[bad.as_bytes()]), Err(BadChunk), "{bad:?}");
        }
        let long = format!("5;{}\r\nhello\r\n", "a".repeat(MAX_SIZE_LINE));
        assert_eq!(decode(&[long.as_bytes()]), Err(BadChunk));
        let trailers = format!("0\r\n{}", "a: b\r\n".repeat(MAX_TRAILERS));
        assert_eq!(decode(&[trailers.as_bytes()]), Err(BadChunk));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..8),
            cut in 1usize..9,
        ) {
            let mut coded = Vec::new();
            for part in &parts {
                push_chunk(&mut coded, part);
            }
            coded.extend_from_slice(LAST_CHUNK);
            coded.extend_from_slice(b"tail");
            let pieces: Vec<&[u8]> = coded.chunks(cut).collect();
            let (data, rest) = decode(&pieces).unwrap().unwrap();
            prop_assert_eq!(data, parts.concat());
            prop_assert_eq!(rest, b"tail");
        }

        #[test]
        fn foreign_bytes_never_panic_and_cuts_change_nothing(
            bytes in "[0-9a-f;\r\n x]{0,60}", cut in 1usize..7
        ) {
            let whole = decode(&[bytes.as_bytes()]);
            let pieces: Vec<&[u8]> = bytes.as_bytes().chunks(cut).collect();
            prop_assert_eq!(decode(&pieces), whole);
        }
    }
}
