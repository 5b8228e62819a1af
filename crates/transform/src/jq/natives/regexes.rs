//! Regular expressions in linear time.

use std::cell::RefCell;
use std::rc::Rc;

use jaq_core::{Cv, Error, ValR, ValT as _};
use regex::{Regex, RegexBuilder};

use super::Data;
use super::functions::text_of;
use crate::jq::budget::{charge, charge_bytes, step};
use crate::jq::value::Value;

/// Bytes a compiled regular expression may take.
const REGEX_BYTES: usize = 1 << 20;

thread_local! {
    /// The last expressions used, as making one costs more than using it.
    static MADE: RefCell<Vec<(String, Rc<Regex>)>> = const { RefCell::new(Vec::new()) };
}

/// Matches in linear time: no pattern makes it slow, only long texts do, and those are charged.
pub(super) fn search(mut cv: Cv<'_, Data>, rest: bool, found: bool) -> ValR<Value> {
    let flags = cv.0.pop_var();
    let pattern = cv.0.pop_var();
    let pattern = text_of(&pattern)?;
    let text = text_of(&cv.1)?;
    let (mut global, mut skip_empty) = (false, false);
    let mut options = String::new();
    for flag in text_of(&flags)?.chars() {
        match flag {
            'g' => global = true,
            'n' => skip_empty = true,
            'i' => options.push('i'),
            // What `m` and `s` are here differs between the families; jq's names are kept.
            's' => options.push('m'),
            'p' => options.push_str("ms"),
            'x' => options.push('x'),
            'l' => options.push('U'),
            _ => return Err(Error::str(format_args!("{flag} is no flag"))),
        }
    }
    let regex = made(pattern, &options)?;
    // Linear in the text, times the pattern.
    charge((text.len() as u64 + 64).saturating_mul(1 + pattern.len() as u64 / 8) / 32);
    let mut parts: Vec<Value> = Vec::new();
    let mut last = 0;
    let (mut characters, mut counted) = (0, 0);
    for captures in regex.captures_iter(text) {
        step();
        let Some(whole) = captures.get(0) else {
            continue;
        };
        if skip_empty && whole.is_empty() {
            continue;
        }
        if rest {
            parts.push(Value::text(&text[last..whole.start()]));
            last = whole.end();
        }
        if found {
            let mut groups = Vec::new();
            for (group, name) in captures.iter().zip(regex.capture_names()) {
                let Some(group) = group else {
                    if let Some(name) = name {
                        groups.push(Value::from_map([
                            (Value::text("offset"), Value::from(-1_isize)),
                            (Value::text("length"), Value::from(0_isize)),
                            (Value::text("string"), Value::Null),
                            (Value::text("name"), Value::text(name)),
                        ])?);
                    }
                    continue;
                };
                let offset = if group.start() >= counted {
                    characters += text[counted..group.start()].chars().count();
                    counted = group.start();
                    characters
                } else {
                    charge_bytes(group.start());
                    text[..group.start()].chars().count()
                };
                let mut members = vec![
                    (Value::text("offset"), Value::from(offset)),
                    (
                        Value::text("length"),
                        Value::from(group.as_str().chars().count()),
                    ),
                    (Value::text("string"), Value::text(group.as_str())),
                ];
                if let Some(name) = name {
                    members.push((Value::text("name"), Value::text(name)));
                }
                groups.push(Value::from_map(members)?);
            }
            parts.push(Value::array(groups));
        }
        if !global {
            break;
        }
    }
    if rest {
        parts.push(Value::text(&text[last..]));
    }
    Ok(Value::array(parts))
}

fn made(pattern: &str, options: &str) -> Result<Rc<Regex>, Error<Value>> {
    const KEPT: usize = 16;
    let key = format!("{options}/{pattern}");
    let known = MADE.with_borrow(|made| {
        let found = made.iter().find(|(known, _)| *known == key);
        found.map(|(_, regex)| Rc::clone(regex))
    });
    if let Some(regex) = known {
        return Ok(regex);
    }
    charge(1000 + pattern.len() as u64 * 64);
    let regex = RegexBuilder::new(pattern)
        .case_insensitive(options.contains('i'))
        .multi_line(options.contains('m'))
        .dot_matches_new_line(options.contains('s'))
        .ignore_whitespace(options.contains('x'))
        .swap_greed(options.contains('U'))
        .size_limit(REGEX_BYTES)
        .dfa_size_limit(REGEX_BYTES)
        .nest_limit(32)
        .build()
        .map_err(|_| Error::str("not a regular expression, or too large a one"))?;
    let regex = Rc::new(regex);
    MADE.with_borrow_mut(|made| {
        if made.len() >= KEPT {
            made.remove(0);
        }
        made.push((key, Rc::clone(&regex)));
    });
    Ok(regex)
}
