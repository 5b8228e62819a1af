//! The config file, `apiverse.toml`.

use std::fs;

use toml::{Table, Value};

use crate::catalog::{self, SETTINGS};
use crate::inputs::Inputs;
use crate::layers::{Layer, LayerTexts, reason};
use crate::problem::SettingProblem;
use crate::suggest::closest;

/// The config file that is read when none is named.
pub const DEFAULT_FILE: &str = "apiverse.toml";

/// Reads the config file: the one named by the flag, else by `APIVERSE_CONFIG`, else
/// `apiverse.toml` in the working directory if there is one.
pub(crate) fn read(
    inputs: &Inputs,
    flag: Option<&str>,
    problems: &mut Vec<SettingProblem>,
) -> LayerTexts {
    let mut layer = LayerTexts::new(Layer::File);
    let (name, path, named) = match (flag, inputs.variable("APIVERSE_CONFIG")) {
        (Some(path), _) => ("--config", path, true),
        (None, Some(path)) => ("APIVERSE_CONFIG", path, true),
        (None, None) => (DEFAULT_FILE, DEFAULT_FILE, false),
    };
    let text = match fs::read_to_string(inputs.path(path)) {
        Ok(text) => text,
        Err(error) if !named && error.kind() == std::io::ErrorKind::NotFound => return layer,
        Err(error) => {
            problems.push(SettingProblem::new(
                name,
                format!("cannot read `{path}`: {}", reason(&error)),
                "name a text file this process may read",
            ));
            return layer;
        }
    };
    match parse_toml(&text) {
        Ok(table) => flatten(path, "", &table, &mut layer, problems),
        Err(message) => problems.push(SettingProblem::new(
            path,
            message,
            "correct the line; docs/configuration.md has an example",
        )),
    }
    layer
}

/// Parses TOML; the error says where and why without quoting the text, which may hold secrets.
pub(crate) fn parse_toml(text: &str) -> Result<Table, String> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| {
            1 + text
                .bytes()
                .take(span.start)
                .filter(|byte| *byte == b'\n')
                .count()
        });
        format!(
            "is not valid TOML: line {line}: {}",
            error.message().to_lowercase()
        )
    })
}

fn flatten(
    path: &str,
    prefix: &str,
    table: &Table,
    layer: &mut LayerTexts,
    problems: &mut Vec<SettingProblem>,
) {
    for (name, value) in table {
        let key = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        let known = catalog::by_key(&key);
        match (known, value) {
            (Some(known), value) => match scalar(value) {
                Some(text) if text.trim().is_empty() => {}
                Some(text) => {
                    layer.texts.insert(known.variable, text.trim().to_owned());
                }
                None => problems.push(SettingProblem::new(
                    known.variable,
                    format!("`{key}` in {path} is not a plain value"),
                    "set a text, a number, true or false, or a list of texts",
                )),
            },
            (None, Value::Table(inner)) if !inner.is_empty() => {
                flatten(path, &key, inner, layer, problems);
            }
            (None, _) => problems.push(SettingProblem::new(
                &key,
                format!("is not a setting ({path})"),
                match suggestion(&key, name) {
                    Some(known) => format!("did you mean {known}?"),
                    None => "remove it; docs/configuration.md lists all settings".to_owned(),
                },
            )),
        }
    }
}

/// The key that was probably meant: the variable's name used as a key, the right name in the wrong
/// table, or a typing error.
fn suggestion(key: &str, name: &str) -> Option<&'static str> {
    if let Some(known) = catalog::by_variable(&name.to_ascii_uppercase()) {
        return Some(known.key);
    }
    let last = |key: &'static str| key.rsplit('.').next().unwrap_or(key);
    let mut same_name = SETTINGS.iter().filter(|known| last(known.key) == name);
    if let (Some(known), None) = (same_name.next(), same_name.next()) {
        return Some(known.key);
    }
    closest(key, SETTINGS.iter().map(|known| known.key))
}

/// A value as the text it would be in a variable; a list with commas between.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(flag) => Some(flag.to_string()),
        Value::Array(items) => {
            let items: Option<Vec<String>> = items
                .iter()
                .map(|item| if item.is_array() { None } else { scalar(item) })
                .collect();
            items.map(|items| items.join(","))
        }
        Value::Table(_) | Value::Datetime(_) => None,
    }
}
