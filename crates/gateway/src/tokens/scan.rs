//! Finds the counts of tokens in JSON that passes, in constant memory.
//!
//! JSON is followed, not checked: whoever gets the answer checks it. A document may be followed by
//! another, and documents may stand in an array, as some streams have them.

use apiverse_contract::usage::Tokens;

/// Deepest nesting that is followed. What is nested deeper is no answer of a language model.
const DEEPEST: u32 = 64;
/// Names that matter are shorter.
const LONGEST_NAME: usize = 24;
/// Objects in each other that counts are looked for in.
const LEVELS: usize = 4;

/// What a name says about what stands behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Name {
    #[default]
    Other,
    /// What holds an answer that is told in parts.
    Holder,
    Usage,
    Count(Slot),
    /// A count that stands beside the answer and not in an object of its own.
    Beside(Slot),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Input,
    Output,
    Thoughts,
}

impl Name {
    fn of(name: &[u8]) -> Self {
        match name {
            b"usage" | b"usageMetadata" => Self::Usage,
            b"message" | b"response" => Self::Holder,
            b"prompt_tokens" | b"input_tokens" | b"inputTokens" | b"promptTokenCount" => {
                Self::Count(Slot::Input)
            }
            b"completion_tokens" | b"output_tokens" | b"outputTokens" | b"candidatesTokenCount" => {
                Self::Count(Slot::Output)
            }
            b"thoughtsTokenCount" => Self::Count(Slot::Thoughts),
            b"prompt_eval_count" => Self::Beside(Slot::Input),
            b"eval_count" => Self::Beside(Slot::Output),
            _ => Self::Other,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Between,
    Text {
        is_name: bool,
        escaped: bool,
    },
    Number,
    /// Too deep to be followed.
    Lost,
}

/// Where in a document the next byte stands, and what was found before it.
#[derive(Debug, Default)]
pub(super) struct Scan {
    state: State,
    depth: u32,
    /// A bit for each nesting, the outermost lowest: it is an object.
    objects: u64,
    /// The next text of an object is a name.
    is_name_next: bool,
    /// The names of what is being read, the outermost first.
    names: [Name; LEVELS],
    name: [u8; LONGEST_NAME],
    /// More than the longest: it is longer, or has escapes.
    name_len: usize,
    number: Option<u64>,
    input: u64,
    output: u64,
    thoughts: u64,
}

impl Scan {
    /// What was found so far. Of a count that came several times the last one holds: streams tell
    /// sums.
    pub(super) const fn counted(&self) -> Tokens {
        Tokens {
            input: self.input,
            output: self.output.saturating_add(self.thoughts),
        }
    }

    /// The next document begins.
    pub(super) fn begin_anew(&mut self) {
        *self = Self {
            input: self.input,
            output: self.output,
            thoughts: self.thoughts,
            ..Self::default()
        };
    }

    pub(super) fn see(&mut self, mut bytes: &[u8]) {
        while let Some((first, rest)) = bytes.split_first() {
            match self.state {
                State::Lost => return,
                State::Text { is_name, escaped } => {
                    bytes = self.text(bytes, is_name, escaped);
                }
                State::Number if first.is_ascii_digit() => {
                    let digit = u64::from(first - b'0');
                    let number = self.number.map(|number| number.saturating_mul(10));
                    self.number = number.map(|number| number.saturating_add(digit));
                    bytes = rest;
                }
                State::Number if matches!(first, b'.' | b'e' | b'E' | b'+' | b'-') => {
                    // Nobody counts in fractions.
                    self.number = None;
                    bytes = rest;
                }
                State::Number => {
                    self.end_number();
                    self.state = State::Between;
                }
                State::Between => {
                    self.between(*first);
                    bytes = rest;
                }
            }
        }
    }

    /// The end of a number is seen at what follows it only.
    pub(super) fn finish(&mut self) {
        if self.state == State::Number {
            self.end_number();
            self.state = State::Between;
        }
    }

    /// Reads a text to its end, if that is here.
    fn text<'a>(&mut self, bytes: &'a [u8], is_name: bool, escaped: bool) -> &'a [u8] {
        let (from, escaped) = if escaped { (1, false) } else { (0, escaped) };
        if from == 1 {
            self.state = State::Text { is_name, escaped };
        }
        let found = bytes[from..]
            .iter()
            .position(|byte| matches!(byte, b'"' | b'\\'));
        let Some(end) = found.map(|end| end + from) else {
            self.keep_name(is_name, &bytes[from..]);
            return &[];
        };
        self.keep_name(is_name, &bytes[from..end]);
        if bytes[end] == b'\\' {
            // None of the names has one.
            self.name_len = LONGEST_NAME + 1;
            self.state = State::Text {
                is_name,
                escaped: true,
            };
        } else {
            self.state = State::Between;
            if is_name {
                let name = self.name.get(..self.name_len).unwrap_or_default();
                self.set_name(Name::of(name));
            }
        }
        &bytes[end + 1..]
    }

    fn keep_name(&mut self, is_name: bool, part: &[u8]) {
        if !is_name {
            return;
        }
        let end = self.name_len.saturating_add(part.len());
        match self.name.get_mut(self.name_len..end) {
            Some(place) => {
                place.copy_from_slice(part);
                self.name_len = end;
            }
            None => self.name_len = LONGEST_NAME + 1,
        }
    }

    fn between(&mut self, byte: u8) {
        match byte {
            b'{' | b'[' => {
                if self.depth == DEEPEST {
                    self.state = State::Lost;
                    return;
                }
                let bit = 1 << self.depth;
                if byte == b'{' {
                    self.objects |= bit;
                } else {
                    self.objects &= !bit;
                }
                self.is_name_next = byte == b'{';
                self.depth += 1;
                self.set_name(Name::Other);
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                self.is_name_next = false;
            }
            b',' => self.is_name_next = self.is_in_object(),
            b'"' => {
                let is_name = std::mem::take(&mut self.is_name_next);
                self.name_len = 0;
                self.state = State::Text {
                    is_name,
                    escaped: false,
                };
            }
            b'0'..=b'9' => {
                self.number = Some(u64::from(byte - b'0'));
                self.state = State::Number;
            }
            b'-' => {
                self.number = None;
                self.state = State::Number;
            }
            _ => {}
        }
    }

    const fn is_in_object(&self) -> bool {
        self.depth > 0 && self.objects >> (self.depth - 1) & 1 == 1
    }

    /// Documents in an array are as good as alone.
    const fn outermost(&self) -> u32 {
        if self.objects & 1 == 1 { 0 } else { 1 }
    }

    fn set_name(&mut self, name: Name) {
        let level = self.depth.checked_sub(1 + self.outermost());
        let place = level.and_then(|level| self.names.get_mut(level as usize));
        if let Some(place) = place {
            *place = name;
        }
    }

    fn end_number(&mut self) {
        let (Some(number), true) = (self.number.take(), self.is_in_object()) else {
            return;
        };
        let levels = self.depth.saturating_sub(self.outermost()) as usize;
        let slot = match self.names.get(..levels) {
            Some(
                [Name::Usage, Name::Count(slot)]
                | [Name::Holder, Name::Usage, Name::Count(slot)]
                | [Name::Beside(slot)],
            ) => *slot,
            _ => return,
        };
        // An array in between, as in `{"usage": [{"input_tokens": 1}]}`, is none of these: it took
        // a level, and has no name.
        match slot {
            Slot::Input => self.input = number,
            Slot::Output => self.output = number,
            Slot::Thoughts => self.thoughts = number,
        }
    }
}
