//! Values as JSON text, without spaces.

use std::fmt::Write as _;

use super::budget::charge_bytes;
use super::value::Value;

/// The text of `value`. Its length is bounded by the value's weight, its nesting by its depth.
pub(crate) fn to_text(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value);
    charge_bytes(out.len());
    out
}

fn write(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        // Writing to a string does not fail.
        Value::Number(number) => {
            let _ = write!(out, "{number}");
        }
        Value::Text(text) => write_string(out, text.as_str()),
        Value::Array(array) => {
            out.push('[');
            for (at, item) in array.items().iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(out, item);
            }
            out.push(']');
        }
        Value::Object(object) => {
            out.push('{');
            for (at, (key, value)) in object.members().iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_string(out, key);
                out.push(':');
                write(out, value);
            }
            out.push('}');
        }
    }
}

fn write_string(out: &mut String, text: &str) {
    out.push('"');
    let mut written = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0c => "\\f",
            0..0x20 | 0x7f => "",
            _ => continue,
        };
        out.push_str(&text[written..at]);
        if escape.is_empty() {
            let _ = write!(out, "\\u{byte:04x}");
        } else {
            out.push_str(escape);
        }
        written = at + 1;
    }
    out.push_str(&text[written..]);
    out.push('"');
}
