//! Requests against JSON Schema.

use std::collections::BTreeSet;

use apiverse_contract::FieldError;
use apiverse_contract::policies::ValidationPolicy;
use http::HeaderMap;
use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::{Map, Value};

use crate::query;
use crate::template::is_secret;

/// Most things that are said to be wrong with one request.
const MOST_ERRORS: usize = 20;
/// Deepest nesting of a body.
const DEPTH: usize = 64;
/// Deepest nesting where the schema refers to itself: what alternatives cost multiplies by level.
const RECURSIVE_DEPTH: usize = 16;
/// Bytes a compiled pattern may take.
const PATTERN_BYTES: usize = 1 << 20;

/// A validation policy, ready to be asked.
#[derive(Debug)]
pub struct RequestSchema {
    body: Option<Validator>,
    body_required: bool,
    /// Largest body that is looked at.
    pub most_bytes: usize,
    depth: usize,
    query: Option<Parameters>,
    headers: Option<Parameters>,
    path: Option<Parameters>,
}

#[derive(Debug)]
struct Parameters {
    validator: Validator,
    /// What texts are read as.
    types: Map<String, Value>,
}

impl RequestSchema {
    /// Compiles a policy that is valid.
    ///
    /// # Errors
    /// Schemas that cannot be used, each with its field: not a schema, a reference to somewhere
    /// else, a pattern that is not regular.
    pub fn new(policy: &ValidationPolicy) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut compiled = |(field, schema): (&str, Option<&Value>)| match compile(schema?) {
            Ok(validator) => Some(validator),
            Err(message) => {
                errors.push(FieldError::new(field, message));
                None
            }
        };
        let [body, query, headers, path] = policy.schemas();
        let parameters = |schema: Option<&Value>, validator: Option<Validator>| {
            let properties = schema.and_then(|schema| schema.get("properties")?.as_object());
            validator.map(|validator| Parameters {
                validator,
                types: properties.cloned().unwrap_or_default(),
            })
        };
        let own = Self {
            body: compiled(body),
            body_required: policy.body_required,
            most_bytes: policy.most_bytes() as usize,
            depth: match policy.body_schema.as_ref().is_some_and(is_recursive) {
                true => RECURSIVE_DEPTH,
                false => DEPTH,
            },
            query: parameters(query.1, compiled(query)),
            headers: parameters(headers.1, compiled(headers)),
            path: parameters(path.1, compiled(path)),
        };
        if errors.is_empty() {
            Ok(own)
        } else {
            Err(errors)
        }
    }

    /// Whether the body has to be read.
    #[must_use]
    pub fn wants_body(&self) -> bool {
        self.body.is_some() || self.body_required
    }

    /// What does not fit of the head, by JSON pointers (RFC 6901) that begin with `/path`,
    /// `/query` or `/headers`.
    #[must_use]
    pub fn check_head(
        &self,
        captured: &[(String, String)],
        query: Option<&str>,
        headers: &HeaderMap,
    ) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if let Some(schema) = &self.path {
            schema.check("/path", captured.to_vec(), &mut errors);
        }
        if let Some(schema) = &self.query {
            let pairs = query::pairs(query.unwrap_or_default());
            schema.check("/query", pairs, &mut errors);
        }
        if let Some(schema) = &self.headers {
            let shown = headers.iter().filter(|(name, _)| !is_secret(name.as_str()));
            let pairs = shown.map(|(name, value)| {
                let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), text)
            });
            schema.check("/headers", pairs.collect(), &mut errors);
        }
        errors
    }

    /// What does not fit of the body, by JSON pointers that begin with `/body`.
    #[must_use]
    pub fn check_body(&self, body: &[u8]) -> Vec<FieldError> {
        if body.is_empty() {
            return match self.body_required {
                true => vec![FieldError::new("/body", "is missing")],
                false => Vec::new(),
            };
        }
        let Some(validator) = &self.body else {
            return Vec::new();
        };
        if nesting(body) > self.depth {
            let message = format!("is nested deeper than {}", self.depth);
            return vec![FieldError::new("/body", message)];
        }
        let value: Value = match serde_json::from_slice(body) {
            Ok(value) => value,
            Err(error) => {
                let place = format!("line {}, column {}", error.line(), error.column());
                let message = format!("is not JSON: {place}");
                return vec![FieldError::new("/body", message)];
            }
        };
        let mut errors = Vec::new();
        check(validator, "/body", &value, &mut errors);
        errors
    }
}

impl Parameters {
    fn check(&self, place: &str, pairs: Vec<(String, String)>, errors: &mut Vec<FieldError>) {
        let mut object = Map::new();
        for (name, text) in pairs {
            let schema = self.types.get(&name);
            let is_list = schema.is_some_and(|schema| has_type(schema, "array"));
            let of = match is_list {
                true => schema.and_then(|schema| schema.get("items")),
                false => schema,
            };
            let value = read_as(of, text);
            match object.get_mut(&name) {
                None if is_list => drop(object.insert(name, Value::Array(vec![value]))),
                None => drop(object.insert(name, value)),
                Some(Value::Array(values)) => values.push(value),
                Some(first) => *first = Value::Array(vec![first.take(), value]),
            }
        }
        check(&self.validator, place, &Value::Object(object), errors);
    }
}

/// Values are never part of what is said: they may be secrets.
fn check(validator: &Validator, place: &str, value: &Value, errors: &mut Vec<FieldError>) {
    for error in validator.iter_errors(value) {
        if errors.len() >= MOST_ERRORS {
            return;
        }
        let pointer = format!("{place}{}", error.instance_path());
        let mut message = error.masked().to_string();
        message.truncate(message.floor_char_boundary(300));
        errors.push(FieldError::new(pointer, message));
    }
}

fn has_type(schema: &Value, name: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(only)) => only == name,
        Some(Value::Array(types)) => types.iter().any(|one| one == name),
        _ => false,
    }
}

/// The text as what the schema wants, where it can be read so.
fn read_as(schema: Option<&Value>, text: String) -> Value {
    let Some(schema) = schema else {
        return Value::String(text);
    };
    if has_type(schema, "string") {
        return Value::String(text);
    }
    let is_number = has_type(schema, "integer") || has_type(schema, "number");
    if is_number && let Ok(Value::Number(number)) = serde_json::from_str(&text) {
        return Value::Number(number);
    }
    match &*text {
        "true" if has_type(schema, "boolean") => Value::Bool(true),
        "false" if has_type(schema, "boolean") => Value::Bool(false),
        _ => Value::String(text),
    }
}

fn compile(schema: &Value) -> Result<Validator, String> {
    let patterns = PatternOptions::regex()
        .size_limit(PATTERN_BYTES)
        .dfa_size_limit(PATTERN_BYTES);
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .with_pattern_options(patterns)
        .should_validate_formats(true)
        .offline()
        .build(schema)
        .map_err(|error| {
            let mut message = format!("is not a schema that can be used: {error}");
            message.truncate(message.floor_char_boundary(300));
            message
        })
}

/// How deep the brackets of a JSON text nest.
fn nesting(text: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut is_escaped) = (false, false);
    for byte in text {
        if in_string {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Whether a schema refers to itself, or in a way that is not followed here.
fn is_recursive(schema: &Value) -> bool {
    let mut pending = Vec::new();
    collect_references(schema, &mut pending);
    for start in pending {
        // Everything that can be reached from where it points.
        let mut seen = BTreeSet::new();
        let mut next = vec![start.clone()];
        while let Some(reference) = next.pop() {
            let Some(pointer) = reference.strip_prefix('#') else {
                return true;
            };
            let Some(target) = schema.pointer(pointer) else {
                return true;
            };
            let mut found = Vec::new();
            collect_references(target, &mut found);
            for reference in found {
                if reference == start {
                    return true;
                }
                if seen.insert(reference.clone()) {
                    next.push(reference);
                }
            }
        }
    }
    false
}

fn collect_references(schema: &Value, out: &mut Vec<String>) {
    match schema {
        Value::Object(object) => {
            for (key, value) in object {
                match (key.as_str(), value) {
                    ("$ref", Value::String(reference)) => out.push(reference.clone()),
                    ("$dynamicRef" | "$recursiveRef", _) => out.push("?".to_owned()),
                    (_, value) => collect_references(value, out),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, out)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema(document: Value) -> Result<RequestSchema, Vec<FieldError>> {
        RequestSchema::new(&serde_json::from_value(document).unwrap())
    }

    fn pointers(errors: &[FieldError]) -> Vec<&str> {
        errors.iter().map(|error| error.field.as_str()).collect()
    }

    #[test]
    fn errors_point_at_the_field_and_tell_no_values() {
        let own = schema(json!({ "body_schema": {
            "type": "object", "required": ["id"],
            "properties": {
                "id": { "type": "integer" },
                "items": { "items": { "properties": { "a/b": { "maxLength": 3 } } } },
            },
        }}))
        .unwrap();
        assert!(own.check_body(br#"{"id":1,"items":[]}"#).is_empty());
        let errors = own.check_body(br#"{"id":"hunter2","items":[{},{"a/b":"hunter2"}]}"#);
        assert_eq!(pointers(&errors), ["/body/id", "/body/items/1/a~1b"]);
        assert!(!format!("{errors:?}").contains("hunter2"), "{errors:?}");
        assert_eq!(pointers(&own.check_body(b"{}")), ["/body"]);
        assert_eq!(pointers(&own.check_body(b"{")), ["/body"]);
        let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
        assert!(
            own.check_body(deep.as_bytes())[0]
                .message
                .contains("deeper")
        );
        assert!(own.check_body(b"").is_empty());
    }

    #[test]
    fn parameters_are_read_as_their_types() {
        let own = schema(json!({
            "query_schema": {
                "required": ["page"], "additionalProperties": false,
                "properties": {
                    "page": { "type": "integer", "minimum": 1 },
                    "tags": { "type": "array", "items": { "type": "integer" } },
                    "all": { "type": "boolean" },
                },
            },
            "headers_schema": { "properties": { "x-kind": { "enum": ["a", "b"] } } },
            "path_schema": { "properties": { "id": { "pattern": "^[0-9]+$" } } },
        }))
        .unwrap();
        let id = |text: &str| vec![("id".to_owned(), text.to_owned())];
        let mut headers = HeaderMap::new();
        let ok = own.check_head(&id("7"), Some("page=2&tags=1&tags=2&all=true"), &headers);
        assert!(ok.is_empty(), "{ok:?}");
        headers.insert("x-kind", "c".parse().unwrap());
        let errors = own.check_head(&id("x"), Some("page=0&tags=x&other=1"), &headers);
        let mut found = pointers(&errors);
        found.sort_unstable();
        assert_eq!(
            found,
            [
                "/headers/x-kind",
                "/path/id",
                "/query",
                "/query/page",
                "/query/tags/0"
            ]
        );
        let errors = own.check_head(&[], Some("page=1&page=2"), &HeaderMap::new());
        assert_eq!(pointers(&errors), ["/query/page"]);
    }

    #[test]
    fn schemas_that_reach_outside_or_backtrack_are_refused() {
        for bad in [
            json!({ "$ref": "https://example.com/schema.json" }),
            json!({ "$ref": "file:///etc/passwd" }),
            json!({ "$ref": "#/$defs/missing" }),
            json!({ "type": "no such type" }),
            json!({ "pattern": "(a)\\1" }),
            json!({ "pattern": "(?=a)b" }),
            json!({ "pattern": "(a{1000}){1000}" }),
            json!({ "minimum": "1" }),
        ] {
            let errors = schema(json!({ "body_schema": bad })).unwrap_err();
            assert_eq!(pointers(&errors), ["body_schema"], "{bad}");
        }
    }

    #[test]
    fn patterns_are_linear_and_recursion_is_shallow() {
        let own = schema(json!({ "body_schema": { "pattern": "^(a+)+$" } })).unwrap();
        let text = format!("\"{}b\"", "a".repeat(100_000));
        assert_eq!(pointers(&own.check_body(text.as_bytes())), ["/body"]);

        let twice = json!({ "$ref": "#/$defs/n", "$defs": { "n": { "anyOf": [
            { "properties": { "a": { "$ref": "#/$defs/n" } }, "required": ["x"] },
            { "properties": { "a": { "$ref": "#/$defs/n" } }, "required": ["y"] },
        ]}}});
        assert!(is_recursive(&twice));
        assert!(!is_recursive(
            &json!({ "$ref": "#/$defs/a", "$defs": { "a": {} } })
        ));
        let own = schema(json!({ "body_schema": twice })).unwrap();
        let deep = format!("{}{{}}{}", r#"{"a":"#.repeat(100), "}".repeat(100));
        assert!(
            own.check_body(deep.as_bytes())[0]
                .message
                .contains("deeper than 16")
        );
        let shallow = format!("{}{{}}{}", r#"{"a":"#.repeat(10), "}".repeat(10));
        assert!(!own.check_body(shallow.as_bytes()).is_empty());
    }
}
