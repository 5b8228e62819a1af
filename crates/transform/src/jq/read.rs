//! JSON text (RFC 8259) into values: numbers as they are written, nesting bounded.

use std::rc::Rc;

use super::budget::step;
use super::number::Number;
use super::value::{Members, Value};

/// Deepest nesting that is read.
pub const READ_DEPTH: usize = 128;

/// Why a text is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadJson {
    /// It is not JSON; where.
    #[error("not JSON at byte {0}")]
    At(usize),
    /// Nested deeper than [`READ_DEPTH`].
    #[error("nested deeper than 128")]
    Deep,
}

/// The one value that `text` is.
pub(crate) fn from_text(text: &[u8]) -> Result<Value, BadJson> {
    let text = match std::str::from_utf8(text) {
        Ok(text) => text,
        Err(error) => return Err(BadJson::At(error.valid_up_to())),
    };
    let mut reader = Reader {
        text,
        bytes: text.as_bytes(),
        at: 0,
    };
    reader.spaces();
    let value = reader.value(0)?;
    reader.spaces();
    if reader.at < reader.bytes.len() {
        return Err(reader.bad());
    }
    Ok(value)
}

struct Reader<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
}

impl Reader<'_> {
    const fn bad(&self) -> BadJson {
        BadJson::At(self.at)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn spaces(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> Result<(), BadJson> {
        if self.peek() != Some(byte) {
            return Err(self.bad());
        }
        self.at += 1;
        Ok(())
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, BadJson> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.bad());
        }
        self.at += word.len();
        Ok(value)
    }

    fn value(&mut self, depth: usize) -> Result<Value, BadJson> {
        if depth > READ_DEPTH {
            return Err(BadJson::Deep);
        }
        step();
        match self.peek() {
            Some(b'n') => self.word("null", Value::Null),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'"') => Ok(Value::text(self.string()?)),
            Some(b'[') => self.array(depth),
            Some(b'{') => self.object(depth),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.bad()),
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, BadJson> {
        self.eat(b'[')?;
        let mut items = Vec::new();
        self.spaces();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::array(items));
        }
        loop {
            self.spaces();
            items.push(self.value(depth + 1)?);
            self.spaces();
            if self.peek() == Some(b',') {
                self.at += 1;
                continue;
            }
            self.eat(b']')?;
            return Ok(Value::array(items));
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, BadJson> {
        self.eat(b'{')?;
        let mut members = Members::default();
        self.spaces();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::object(members));
        }
        loop {
            self.spaces();
            let key: Rc<str> = self.string()?.into();
            self.spaces();
            self.eat(b':')?;
            self.spaces();
            let value = self.value(depth + 1)?;
            members.insert(key, value);
            self.spaces();
            if self.peek() == Some(b',') {
                self.at += 1;
                continue;
            }
            self.eat(b'}')?;
            return Ok(Value::object(members));
        }
    }

    fn number(&mut self) -> Result<Value, BadJson> {
        let from = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Number::parse(&self.text[from..self.at])
            .map(Value::Number)
            .ok_or(BadJson::At(from))
    }

    fn digits(&mut self) -> Result<(), BadJson> {
        let from = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == from {
            return Err(self.bad());
        }
        Ok(())
    }

    fn string(&mut self) -> Result<String, BadJson> {
        self.eat(b'"')?;
        let mut out = String::new();
        let mut from = self.at;
        loop {
            match self.peek() {
                None | Some(0..0x20) => return Err(self.bad()),
                Some(b'"') => {
                    out.push_str(&self.text[from..self.at]);
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    out.push_str(&self.text[from..self.at]);
                    self.at += 1;
                    out.push(self.escaped()?);
                    from = self.at;
                }
                Some(_) => self.at += 1,
            }
        }
    }

    fn escaped(&mut self) -> Result<char, BadJson> {
        let byte = self.peek().ok_or(self.bad())?;
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.hex()?;
                if !(0xd800..0xdc00).contains(&first) {
                    return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                if self.bytes[self.at..].starts_with(b"\\u") {
                    let back = self.at;
                    self.at += 2;
                    let second = self.hex()?;
                    if (0xdc00..0xe000).contains(&second) {
                        let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                        return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                    }
                    self.at = back;
                }
                char::REPLACEMENT_CHARACTER
            }
            _ => return Err(BadJson::At(self.at - 1)),
        })
    }

    fn hex(&mut self) -> Result<u32, BadJson> {
        let digits = self.text.get(self.at..self.at + 4).ok_or(self.bad())?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(self.bad());
        }
        let code = u32::from_str_radix(digits, 16).map_err(|_| self.bad())?;
        self.at += 4;
        Ok(code)
    }
}
