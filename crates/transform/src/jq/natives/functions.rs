//! The functions themselves.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jaq_core::native::{Filter, bome, unary, v};
use jaq_core::{Cv, Error, RunPtr, ValR, ValXs};

use super::Data;
use super::regexes::search;
use crate::jq::budget::{charge_bytes, room_for, step};
use crate::jq::number::Number;
use crate::jq::value::{Value, positions};
use crate::jq::{read, write};

pub(super) fn text_of(value: &Value) -> Result<&str, Error<Value>> {
    let text = value
        .as_str()
        .ok_or_else(|| Error::typ(value.clone(), "string"))?;
    charge_bytes(text.len());
    Ok(text)
}

fn map_text<'a>(cv: &Cv<'a, Data>, f: impl FnOnce(&str) -> String) -> ValXs<'a, Value> {
    bome(text_of(&cv.1).map(|text| Value::text(f(text))))
}

fn float<'a>(cv: &Cv<'a, Data>, f: impl FnOnce(f64) -> f64) -> ValXs<'a, Value> {
    bome(match &cv.1 {
        Value::Number(number) => Ok(Value::from(f(number.as_f64()))),
        other => Err(Error::typ(other.clone(), "number")),
    })
}

fn is<'a>(is: bool) -> ValXs<'a, Value> {
    bome(Ok(Value::Bool(is)))
}

pub(super) fn own() -> Box<[Filter<RunPtr<Data>>]> {
    Box::new([
        ("tojson", v(0), |cv| {
            bome(Ok(Value::text(write::to_text(&cv.1))))
        }),
        ("fromjson", v(0), |cv| {
            bome(text_of(&cv.1).and_then(|text| {
                room_for(text.len().saturating_mul(16));
                read::from_text(text.as_bytes()).map_err(Error::str)
            }))
        }),
        ("to_number", v(0), |cv| {
            bome(text_of(&cv.1).and_then(|text| {
                let looks = text
                    .bytes()
                    .all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
                let number = if looks { Number::parse(text) } else { None };
                number
                    .map(Value::Number)
                    .ok_or_else(|| Error::str("cannot be read as a number"))
            }))
        }),
        ("type", v(0), |cv| {
            bome(Ok(Value::text(match &cv.1 {
                Value::Null => "null",
                Value::Bool(_) => "boolean",
                Value::Number(_) => "number",
                Value::Text(_) => "string",
                Value::Array(_) => "array",
                Value::Object(_) => "object",
            })))
        }),
        ("isboolean", v(0), |cv| is(matches!(cv.1, Value::Bool(_)))),
        ("isnumber", v(0), |cv| is(matches!(cv.1, Value::Number(_)))),
        ("isstring", v(0), |cv| is(matches!(cv.1, Value::Text(_)))),
        ("isarray", v(0), |cv| is(matches!(cv.1, Value::Array(_)))),
        ("isobject", v(0), |cv| is(matches!(cv.1, Value::Object(_)))),
        ("isnan", v(0), |cv| {
            is(matches!(&cv.1, Value::Number(number) if number.as_f64().is_nan()))
        }),
        ("length", v(0), |cv| bome(length(&cv.1))),
        ("flatten", v(1), |cv| {
            unary(cv, |value, depth| flatten(&value, &depth))
        }),
        ("has", v(1), |cv| {
            unary(cv, |value, key| Ok(Value::Bool(value.at(&key)?.is_some())))
        }),
        ("contains", v(1), |cv| {
            unary(cv, |value, part| Ok(Value::Bool(contains(&value, &part))))
        }),
        ("indices", v(1), |cv| {
            unary(cv, |value, part| indices(&value, &part))
        }),
        ("bsearch", v(1), |cv| {
            unary(cv, |value, wanted| match &value {
                Value::Array(array) => Ok(match array.items().binary_search(&wanted) {
                    Ok(at) => Value::from(at),
                    Err(at) => Value::from(-1 - isize::try_from(at).unwrap_or(isize::MAX - 1)),
                }),
                other => Err(Error::typ(other.clone(), "array")),
            })
        }),
        ("sqrt", v(0), |cv| float(&cv, f64::sqrt)),
        ("exp", v(0), |cv| float(&cv, f64::exp)),
        ("exp10", v(0), |cv| float(&cv, |x| 10_f64.powf(x))),
        ("exp2", v(0), |cv| float(&cv, f64::exp2)),
        ("log", v(0), |cv| float(&cv, f64::ln)),
        ("log10", v(0), |cv| float(&cv, f64::log10)),
        ("log2", v(0), |cv| float(&cv, f64::log2)),
        ("fabs", v(0), |cv| float(&cv, f64::abs)),
        ("trunc", v(0), |cv| float(&cv, f64::trunc)),
        ("sin", v(0), |cv| float(&cv, f64::sin)),
        ("cos", v(0), |cv| float(&cv, f64::cos)),
        ("pow", v(2), |mut cv| {
            let exponent = cv.0.pop_var();
            let base = cv.0.pop_var();
            bome(match (&base, &exponent) {
                (Value::Number(base), Value::Number(exponent)) => {
                    Ok(Value::from(base.as_f64().powf(exponent.as_f64())))
                }
                _ => Err(Error::typ(base, "number")),
            })
        }),
        ("escape_html", v(0), |cv| {
            map_text(&cv, |text| {
                let mut out = String::with_capacity(text.len());
                for c in text.chars() {
                    match c {
                        '<' => out.push_str("&lt;"),
                        '>' => out.push_str("&gt;"),
                        '&' => out.push_str("&amp;"),
                        '\'' => out.push_str("&#39;"),
                        '"' => out.push_str("&quot;"),
                        c => out.push(c),
                    }
                }
                out
            })
        }),
        ("unescape_html", v(0), |cv| {
            map_text(&cv, |text| {
                text.replace("&lt;", "<")
                    .replace("&gt;", ">")
                    .replace("&quot;", "\"")
                    .replace("&#39;", "'")
                    .replace("&apos;", "'")
                    .replace("&amp;", "&")
            })
        }),
        ("encode_uri", v(0), |cv| {
            map_text(&cv, crate::percent::encoded)
        }),
        ("decode_uri", v(0), |cv| {
            map_text(&cv, |text| {
                String::from_utf8_lossy(&crate::percent::decoded(text.as_bytes())).into_owned()
            })
        }),
        ("encode_base64", v(0), |cv| {
            map_text(&cv, |text| STANDARD.encode(text))
        }),
        ("decode_base64", v(0), |cv| {
            bome(text_of(&cv.1).and_then(|text| match STANDARD.decode(text) {
                Ok(bytes) => Ok(Value::text(String::from_utf8_lossy(&bytes))),
                Err(error) => Err(Error::str(error)),
            }))
        }),
        ("todateiso8601", v(0), |cv| {
            bome(match &cv.1 {
                Value::Number(number) => {
                    let seconds = number.as_f64();
                    chrono::DateTime::from_timestamp(seconds as i64, 0)
                        .map(|at| Value::text(at.format("%Y-%m-%dT%H:%M:%SZ").to_string()))
                        .ok_or_else(|| Error::str("no such time"))
                }
                other => Err(Error::typ(other.clone(), "number")),
            })
        }),
        ("fromdateiso8601", v(0), |cv| {
            bome(text_of(&cv.1).and_then(|text| {
                chrono::DateTime::parse_from_rfc3339(text)
                    .map(|at| Value::Number(Number::Int(at.timestamp())))
                    .map_err(Error::str)
            }))
        }),
        ("matches", v(2), |cv| bome(search(cv, false, true))),
        ("split_matches", v(2), |cv| bome(search(cv, true, true))),
        ("split_", v(2), |cv| bome(search(cv, true, false))),
    ])
}

fn length(value: &Value) -> ValR<Value> {
    Ok(match value {
        Value::Null => Value::from(0_usize),
        Value::Bool(_) => return Err(Error::str("a boolean has no length")),
        Value::Number(number) if number.as_f64() < 0.0 => Value::Number(number.negated()),
        Value::Number(number) => Value::Number(number.clone()),
        Value::Text(text) => {
            charge_bytes(text.as_str().len());
            Value::from(text.as_str().chars().count())
        }
        Value::Array(array) => Value::from(array.items().len()),
        Value::Object(object) => Value::from(object.members().len()),
    })
}

fn flatten(value: &Value, depth: &Value) -> ValR<Value> {
    let (Value::Array(array), Some(depth)) = (value, depth.as_int()) else {
        return Err(Error::typ(value.clone(), "array"));
    };
    let mut items = Vec::new();
    flatten_into(&mut items, array.items(), depth);
    Ok(Value::array(items))
}

fn flatten_into(out: &mut Vec<Value>, items: &[Value], depth: i64) {
    for item in items {
        match item {
            Value::Array(array) if depth > 0 => flatten_into(out, array.items(), depth - 1),
            other => out.push(other.clone()),
        }
    }
}

fn contains(value: &Value, part: &Value) -> bool {
    step();
    match (value, part) {
        (Value::Text(text), Value::Text(part)) => {
            charge_bytes(text.as_str().len());
            text.as_str().contains(part.as_str())
        }
        (Value::Array(array), Value::Array(parts)) => parts
            .items()
            .iter()
            .all(|part| array.items().iter().any(|item| contains(item, part))),
        (Value::Object(object), Value::Object(parts)) => {
            parts.members().iter().all(|(key, part)| {
                object
                    .members()
                    .get(key)
                    .is_some_and(|value| contains(value, part))
            })
        }
        _ => value == part,
    }
}

fn indices(value: &Value, part: &Value) -> ValR<Value> {
    Ok(match (value, part) {
        (Value::Null, _) => Value::Null,
        (Value::Text(text), Value::Text(part)) => {
            let (text, part) = (text.as_str(), part.as_str());
            charge_bytes(text.len());
            if part.is_empty() {
                return Ok(Value::Null);
            }
            let mut found = Vec::new();
            let (mut characters, mut counted) = (0, 0);
            let mut from = 0;
            while let Some(at) = text[from..].find(part) {
                let at = from + at;
                characters += text[counted..at].chars().count();
                counted = at;
                found.push(Value::from(characters));
                from = at + text[at..].chars().next().map_or(1, char::len_utf8);
            }
            Value::array(found)
        }
        (Value::Array(array), Value::Array(part)) => Value::array(positions(array, part)),
        (Value::Array(array), part) => array
            .items()
            .iter()
            .enumerate()
            .filter(|(_, item)| *item == part)
            .map(|(at, _)| Value::from(at))
            .collect(),
        (value, part) => return Err(Error::index(value.clone(), part.clone())),
    })
}
