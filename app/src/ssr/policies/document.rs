//! Documents as forms, and back.

use apiverse_contract::FieldError;
use apiverse_contract::policies::PolicyKind;
use serde_json::{Map, Value, json};

use super::is_off;
use super::settings::{Reads, Section, Setting, of};
use crate::forms::{Fields, words};
use crate::rpc::policies::{FieldInput, FormField, FormSection};

/// The form of a document.
pub fn sections(kind: PolicyKind, document: &Value) -> Vec<FormSection> {
    of(kind)
        .iter()
        .map(|section| FormSection {
            title: section.title.to_owned(),
            switch: section.switch.map(|(path, label)| FormField {
                name: switch_name(path),
                label: label.to_owned(),
                help: String::new(),
                placeholder: String::new(),
                input: FieldInput::Flag,
                value: flag(at(document, path).is_some()),
                options: Vec::new(),
            }),
            fields: section
                .settings
                .iter()
                .map(|setting| field(setting, document))
                .collect(),
        })
        .collect()
}

fn switch_name(path: &str) -> String {
    format!("with.{path}")
}

fn flag(is_set: bool) -> String {
    if is_set { "true" } else { "" }.to_owned()
}

fn field(setting: &Setting, document: &Value) -> FormField {
    let (input, options): (_, &[(&str, &str)]) = match setting.reads {
        Reads::Flag(_) => (FieldInput::Flag, &[]),
        Reads::Choice(options) => (FieldInput::Choice, options),
        Reads::Lines
        | Reads::List
        | Reads::Pairs
        | Reads::NumberPairs
        | Reads::Targets
        | Reads::Json => (FieldInput::Area, &[]),
        Reads::Number | Reads::Decimal | Reads::Text | Reads::Words | Reads::Numbers => {
            (FieldInput::Line, &[])
        }
    };
    FormField {
        name: setting.path.to_owned(),
        label: setting.label.to_owned(),
        help: setting.help.to_owned(),
        placeholder: setting.placeholder.to_owned(),
        input,
        value: shown(setting.reads, at(document, setting.path)),
        options: options
            .iter()
            .map(|(value, name)| ((*value).to_owned(), (*name).to_owned()))
            .collect(),
    }
}

/// A value as it is typed.
fn shown(reads: Reads, value: Option<&Value>) -> String {
    let Some(value) = value else {
        return match reads {
            Reads::Flag(default) => flag(default),
            Reads::Choice(options) => options
                .first()
                .map_or_else(String::new, |(first, _)| (*first).to_owned()),
            _ => String::new(),
        };
    };
    match reads {
        Reads::Flag(default) => flag(value.as_bool().unwrap_or(default)),
        Reads::Words | Reads::Numbers => texts(value).join(", "),
        Reads::List => texts(value).join("\n"),
        Reads::Pairs | Reads::NumberPairs => pairs(value).join("\n"),
        Reads::Targets => targets(value).join("\n"),
        Reads::Json => serde_json::to_string_pretty(value).unwrap_or_default(),
        Reads::Number | Reads::Decimal | Reads::Text | Reads::Lines | Reads::Choice(_) => {
            text(value)
        }
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn texts(value: &Value) -> Vec<String> {
    value
        .as_array()
        .map(|all| all.iter().map(text).collect())
        .unwrap_or_default()
}

fn pairs(value: &Value) -> Vec<String> {
    let of = |all: &Map<String, Value>| {
        all.iter()
            .map(|(name, value)| format!("{name}: {}", text(value)))
            .collect()
    };
    value.as_object().map(of).unwrap_or_default()
}

fn targets(value: &Value) -> Vec<String> {
    let line = |target: &Value| {
        let url = target.get("url").map(text).unwrap_or_default();
        match target.get("weight").and_then(Value::as_u64) {
            None | Some(1) => url,
            Some(weight) => format!("{url} {weight}"),
        }
    };
    value
        .as_array()
        .map(|all| all.iter().map(line).collect())
        .unwrap_or_default()
}

/// The document with what was typed. What has no field in the form stays as it was.
///
/// # Errors
/// Fields that cannot be read. Whether the document makes sense is not looked at.
pub fn read(kind: PolicyKind, old: Value, fields: &Fields) -> Result<Value, Vec<FieldError>> {
    let mut document = if old.is_object() { old } else { json!({}) };
    let mut errors = Vec::new();
    set(
        &mut document,
        "enabled",
        Some(json!(fields.flag("enabled"))),
    );
    if is_off(&document) {
        return Ok(document);
    }
    for section in of(kind) {
        if let Err(of_section) = read_section(section, &mut document, fields) {
            errors.extend(of_section);
        }
    }
    if errors.is_empty() {
        Ok(document)
    } else {
        Err(errors)
    }
}

fn read_section(
    section: &Section,
    document: &mut Value,
    fields: &Fields,
) -> Result<(), Vec<FieldError>> {
    if let Some((path, _)) = section.switch {
        if !fields.flag(&switch_name(path)) {
            set(document, path, None);
            return Ok(());
        }
        if at(document, path).is_none() {
            set(document, path, Some(json!({})));
        }
    }
    let mut errors = Vec::new();
    for setting in section.settings {
        match value_of(setting, fields) {
            Ok(value) => set(document, setting.path, value),
            Err(message) => errors.push(FieldError::new(setting.path, message)),
        }
    }
    // What only held these settings, and holds nothing now, need not be there.
    if section.switch.is_none() {
        for setting in section.settings {
            let parent = setting.path.split_once('.').map(|(parent, _)| parent);
            if let Some(parent) = parent
                && at(document, parent) == Some(&json!({}))
            {
                set(document, parent, None);
            }
        }
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors)
    }
}

/// `None`: the document does not say.
fn value_of(setting: &Setting, fields: &Fields) -> Result<Option<Value>, String> {
    let raw = fields.raw(setting.path);
    let text = raw.trim();
    let value = match setting.reads {
        Reads::Flag(default) => {
            let is_set = fields.flag(setting.path);
            return Ok((is_set != default).then(|| json!(is_set)));
        }
        _ if text.is_empty() => None,
        Reads::Number => Some(json!(number(text)?)),
        Reads::Decimal => {
            let number: f64 = text.parse().map_err(|_| "must be a number")?;
            // JSON has no word for what is not finite.
            let number = serde_json::Number::from_f64(number).ok_or("must be a number")?;
            Some(Value::Number(number))
        }
        Reads::Text => Some(json!(text)),
        Reads::Lines => Some(json!(raw.replace("\r\n", "\n").trim_end())),
        Reads::Choice(options) => {
            let is_default = options.first().is_some_and(|(first, _)| *first == text);
            (!is_default).then(|| json!(text))
        }
        Reads::Words => Some(json!(words(text))),
        Reads::Numbers => {
            let numbers: Result<Vec<u64>, _> =
                words(text).iter().map(|word| number(word)).collect();
            Some(json!(numbers?))
        }
        Reads::List => Some(json!(lines(text).collect::<Vec<_>>())),
        Reads::Pairs => Some(read_pairs(text, |value| Ok(json!(value)))?),
        Reads::NumberPairs => Some(read_pairs(text, |value| Ok(json!(number(value)?)))?),
        Reads::Targets => Some(read_targets(text)?),
        Reads::Json => Some(parse(text).map_err(|error| error.message)?),
    };
    Ok(match (value, setting.is_required, setting.reads) {
        (None, true, Reads::List | Reads::Targets) => Some(json!([])),
        (None, true, Reads::Number) => return Err("is required".to_owned()),
        (None, true, _) => Some(json!("")),
        (value, ..) => value,
    })
}

fn number(text: &str) -> Result<u64, String> {
    text.replace([',', '_', ' '], "")
        .parse()
        .map_err(|_| "must be a whole number".to_owned())
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

fn read_pairs(text: &str, value: impl Fn(&str) -> Result<Value, String>) -> Result<Value, String> {
    let mut all = Map::new();
    for line in lines(text) {
        let (name, rest) = line
            .split_once(':')
            .ok_or_else(|| format!("must have lines such as `name: value`, not `{line}`"))?;
        let name = name.trim();
        if all.insert(name.to_owned(), value(rest.trim())?).is_some() {
            return Err(format!("has `{name}` twice"));
        }
    }
    Ok(Value::Object(all))
}

fn read_targets(text: &str) -> Result<Value, String> {
    let mut all = Vec::new();
    for line in lines(text) {
        let mut parts = line.split_whitespace();
        let url = parts.next().unwrap_or_default();
        let target = match parts.next() {
            None => json!({ "url": url }),
            Some(weight) => json!({ "url": url, "weight": number(weight)? }),
        };
        if parts.next().is_some() {
            return Err(format!("must have a URL and a weight a line, not `{line}`"));
        }
        all.push(target);
    }
    Ok(Value::Array(all))
}

/// Reads JSON that was typed.
///
/// # Errors
/// Where it is not JSON.
pub fn parse(text: &str) -> Result<Value, FieldError> {
    serde_json::from_str(text)
        .map_err(|error| FieldError::new("document", format!("is not JSON: {error}")))
}

/// An error of a document at the field of the form that it is about: `targets.0.url` at `targets`.
pub fn at_its_field(kind: PolicyKind, is_whole: bool, error: FieldError) -> FieldError {
    let nearest = of(kind)
        .iter()
        .flat_map(|section| section.settings)
        .map(|setting| setting.path)
        .filter(|path| {
            let rest = error.field.strip_prefix(path);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
        .max_by_key(|path| path.len());
    let place = match nearest {
        Some(path) if !is_whole => path,
        _ => "document",
    };
    let below = error.field.strip_prefix(place).unwrap_or(&error.field);
    match below.trim_start_matches('.') {
        "" => FieldError::new(place, error.message),
        below => FieldError::new(place, format!("`{below}` {}", error.message)),
    }
}

fn at<'a>(document: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.')
        .try_fold(document, |value, name| value.get(name))
}

/// Sets what is at a path, or takes it away.
fn set(document: &mut Value, path: &str, value: Option<Value>) {
    let (parents, name) = match path.rsplit_once('.') {
        Some((parents, name)) => (Some(parents), name),
        None => (None, path),
    };
    let mut place = document;
    for parent in parents.into_iter().flat_map(|parents| parents.split('.')) {
        let Some(object) = place.as_object_mut() else {
            return;
        };
        if value.is_none() && !object.contains_key(parent) {
            return;
        }
        place = object.entry(parent).or_insert_with(|| json!({}));
    }
    let Some(object) = place.as_object_mut() else {
        return;
    };
    match value {
        Some(value) => {
            object.insert(name.to_owned(), value);
        }
        None => {
            object.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use apiverse_contract::policies::PolicyDocument;

    use super::*;

    /// What a browser sends of a form.
    fn typed(sections: &[FormSection]) -> Vec<(String, String)> {
        let mut fields = vec![("enabled".to_owned(), "true".to_owned())];
        for section in sections {
            for field in section.switch.iter().chain(&section.fields) {
                if field.input != FieldInput::Flag || !field.value.is_empty() {
                    fields.push((field.name.clone(), field.value.clone()));
                }
            }
        }
        fields
    }

    #[test]
    fn a_form_that_is_sent_as_it_was_changes_nothing() {
        let documents = [
            (
                PolicyKind::Cache,
                json!({"enabled": true, "negative_ttl_seconds": {"404": 10}, "heuristic": false, "key": {"headers": ["X-Tier"]}}),
            ),
            (
                PolicyKind::Upstream,
                json!({"enabled": true, "targets": [{"url": "http://a", "weight": 2}, {"url": "http://b"}], "balancing": {"method": "hash", "hash_by": "address"}, "breaker": {}, "retries": {"statuses": [503]}, "canary": {"targets": [{"url": "http://c"}], "percent": 2.5}}),
            ),
            (
                PolicyKind::Cors,
                json!({"enabled": true, "allow_origins": ["https://a.example", "https://b.example"], "allow_credentials": true}),
            ),
            (
                PolicyKind::RequestTransform,
                json!({"enabled": true, "path": {"strip_prefix": "/v1"}, "headers": {"set": {"X-A": "b: c"}}, "body": {"jq": ".\n| keys"}}),
            ),
            (
                PolicyKind::Mock,
                json!({"enabled": true, "status": 201, "json": {"a": [1]}}),
            ),
            (
                PolicyKind::Validation,
                json!({"enabled": true, "body_schema": {"type": "object"}}),
            ),
            (
                PolicyKind::ResponseTransform,
                json!({"enabled": true, "on_status": ["5xx"]}),
            ),
            (
                PolicyKind::Compression,
                json!({"enabled": true, "codings": ["br"]}),
            ),
        ];
        for (kind, document) in documents {
            let fields = Fields(typed(&sections(kind, &document)));
            let read = read(kind, document.clone(), &fields).unwrap();
            assert_eq!(read, document, "{kind}");
        }
    }

    #[test]
    fn every_setting_is_one_of_its_document() {
        for kind in PolicyKind::ALL {
            for section in of(*kind) {
                for setting in section.settings {
                    // A document that is not understood names what it does not know.
                    let mut document = json!({});
                    set(&mut document, setting.path, Some(json!({"no such": 1})));
                    let read = PolicyDocument::from_value(*kind, document);
                    let error = read
                        .err()
                        .map_or_else(String::new, |error| error.to_string());
                    let leaf = setting.path.rsplit('.').next().unwrap();
                    let unknown = format!("unknown field `{leaf}`");
                    assert!(!error.contains(&unknown), "{kind} has no {}", setting.path);
                }
            }
        }
    }

    #[test]
    fn what_has_no_field_stays() {
        let old =
            json!({"enabled": true, "panic_percent": 30, "retries": {"max": 1, "base_ms": 7}});
        let mut fields = typed(&sections(PolicyKind::Upstream, &old));
        fields.retain(|(name, _)| name != "retries.max");
        let read = read(PolicyKind::Upstream, old, &Fields(fields)).unwrap();
        assert_eq!(
            read,
            json!({"enabled": true, "panic_percent": 30, "retries": {"base_ms": 7}})
        );
    }

    #[test]
    fn what_cannot_be_read_is_told_at_its_field() {
        let fields = Fields(
            [
                ("enabled", "true"),
                ("default_ttl_seconds", "soon"),
                ("negative_ttl_seconds", "404"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        );
        let errors = read(PolicyKind::Cache, json!({}), &fields).unwrap_err();
        let names: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(names, ["default_ttl_seconds", "negative_ttl_seconds"]);
    }

    #[test]
    fn switching_off_keeps_the_rest() {
        let old = json!({"enabled": true, "default_ttl_seconds": 5});
        let read = read(PolicyKind::Cache, old, &Fields::default()).unwrap();
        assert_eq!(read, json!({"enabled": false, "default_ttl_seconds": 5}));
    }

    #[test]
    fn errors_find_the_field_they_are_about() {
        let error = |field: &str| FieldError::new(field, "is bad");
        let named = at_its_field(PolicyKind::Upstream, false, error("targets.0.url"));
        assert_eq!(
            (named.field.as_str(), named.message.as_str()),
            ("targets", "`0.url` is bad")
        );
        let named = at_its_field(PolicyKind::Upstream, false, error("panic_percent"));
        assert_eq!(
            (named.field.as_str(), named.message.as_str()),
            ("document", "`panic_percent` is bad")
        );
        let named = at_its_field(PolicyKind::Upstream, true, error("retries.max"));
        assert_eq!(named.field, "document");
    }
}
