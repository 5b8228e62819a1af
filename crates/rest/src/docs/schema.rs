//! Schemas as nested lists, and example bodies made from them.

use serde_json::{Map, Value, json};

use super::html::{escape, inline};

/// Deeper than our types go; a type that holds itself ends here.
const DEEPEST: usize = 6;

/// Follows `$ref`, and merges `allOf`, which is how flattened types come out.
fn resolve(document: &Value, schema: &Value) -> Value {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let target = document.pointer(reference.trim_start_matches('#'));
        return resolve(document, target.unwrap_or(&Value::Null));
    }
    let Some(parts) = schema.get("allOf").and_then(Value::as_array) else {
        return schema.clone();
    };
    let mut properties = Map::new();
    let mut required = Vec::new();
    for part in parts {
        let part = resolve(document, part);
        if let Some(Value::Object(more)) = part.get("properties") {
            properties.extend(more.clone());
        }
        if let Some(Value::Array(more)) = part.get("required") {
            required.extend(more.iter().cloned());
        }
    }
    json!({ "type": "object", "properties": properties, "required": required })
}

/// `oneOf` with `null` is how an optional type comes out: the type, and whether it was so.
fn unwrap_option(document: &Value, schema: &Value) -> (Value, bool) {
    let schema = resolve(document, schema);
    let Some(choices) = schema.get("oneOf").and_then(Value::as_array) else {
        return (schema, false);
    };
    let is_null = |choice: &&Value| choice.get("type").and_then(Value::as_str) == Some("null");
    let nullable = choices.iter().any(|choice| is_null(&choice));
    let mut rest = choices.iter().filter(|choice| !is_null(choice));
    match (rest.next(), rest.next()) {
        (Some(only), None) => (resolve(document, only), nullable),
        _ => (schema, nullable),
    }
}

/// The type in a few words.
pub fn type_name(document: &Value, schema: &Value) -> String {
    let (schema, nullable) = unwrap_option(document, schema);
    let mut name = match schema.get("type") {
        Some(Value::String(name)) => one_type(document, &schema, name),
        Some(Value::Array(names)) => {
            let names: Vec<String> = names
                .iter()
                .filter_map(Value::as_str)
                .map(|name| one_type(document, &schema, name))
                .collect();
            names.join(" or ")
        }
        _ if schema.get("oneOf").is_some() => "one of several".to_owned(),
        _ => "anything".to_owned(),
    };
    if nullable {
        name.push_str(" or null");
    }
    name
}

fn one_type(document: &Value, schema: &Value, name: &str) -> String {
    match (name, schema.get("format").and_then(Value::as_str)) {
        ("array", _) => match schema.get("items") {
            Some(items) => format!("list of {}", type_name(document, items)),
            None => "list".to_owned(),
        },
        ("string", Some("date-time")) => "time (RFC 3339)".to_owned(),
        ("string", Some(format)) => format.to_owned(),
        ("null", _) => "null".to_owned(),
        (name, _) => name.to_owned(),
    }
}

/// The fields below a schema; empty when it has none.
pub fn fields(document: &Value, schema: &Value) -> String {
    fields_at(document, schema, 0)
}

fn fields_at(document: &Value, schema: &Value, depth: usize) -> String {
    let (schema, _) = unwrap_option(document, schema);
    if let Some(items) = schema.get("items") {
        return fields_at(document, items, depth);
    }
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return String::new();
    };
    if depth >= DEEPEST {
        return String::new();
    }
    let required = schema.get("required").and_then(Value::as_array);
    let mut out = String::from("<ul class=\"fields\">");
    for (name, property) in properties {
        let must = required.is_some_and(|names| names.iter().any(|n| n == name));
        out.push_str(&format!(
            "<li><code>{}</code> <span class=\"type\">{}</span>{}{}{}</li>",
            escape(name),
            escape(&type_name(document, property)),
            if must {
                " <span class=\"must\">required</span>"
            } else {
                ""
            },
            notes(document, property),
            fields_at(document, property, depth + 1),
        ));
    }
    out.push_str("</ul>");
    out
}

/// Description, allowed values and default.
pub fn notes(document: &Value, schema: &Value) -> String {
    let (inner, _) = unwrap_option(document, schema);
    let mut out = String::new();
    // What is said at the field goes before what is said at its type.
    let description = schema
        .get("description")
        .or_else(|| inner.get("description"))
        .and_then(Value::as_str);
    if let Some(text) = description {
        out.push_str(&format!(" <span class=\"note\">{}</span>", inline(text)));
    }
    if let Some(values) = inner.get("enum").and_then(Value::as_array) {
        let values: Vec<String> = values
            .iter()
            .map(|value| format!("<code>{}</code>", escape(&plain(value))))
            .collect();
        out.push_str(&format!(
            " <span class=\"note\">One of {}.</span>",
            values.join(", ")
        ));
    }
    if let Some(default) = inner.get("default").or_else(|| schema.get("default")) {
        out.push_str(&format!(
            " <span class=\"note\">Default <code>{}</code>.</span>",
            escape(&plain(default))
        ));
    }
    out
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// An example of a request: what is required or has an example of its own.
pub fn request_example(document: &Value, schema: &Value) -> Value {
    example(document, schema, true, 0)
}

/// An example of an answer: everything.
pub fn answer_example(document: &Value, schema: &Value) -> Value {
    example(document, schema, false, 0)
}

fn example(document: &Value, schema: &Value, sparse: bool, depth: usize) -> Value {
    let (schema, nullable) = unwrap_option(document, schema);
    if let Some(example) = schema.get("example").or_else(|| schema.get("default")) {
        return example.clone();
    }
    if let Some(first) = schema.get("enum").and_then(|values| values.get(0)) {
        return first.clone();
    }
    let kind = match schema.get("type") {
        Some(Value::Array(names)) if names.iter().any(|name| name == "null") => return Value::Null,
        Some(Value::String(name)) => name.as_str(),
        _ => return Value::Null,
    };
    match kind {
        "object" => {
            if depth >= DEEPEST || (nullable && depth > 0) {
                return Value::Null;
            }
            let required = schema.get("required").and_then(Value::as_array);
            let mut map = Map::new();
            let none = Map::new();
            let properties = schema.get("properties").and_then(Value::as_object);
            for (name, property) in properties.unwrap_or(&none) {
                let must = required.is_some_and(|names| names.iter().any(|n| n == name));
                if sparse && !must && property.get("example").is_none() {
                    continue;
                }
                map.insert(name.clone(), example(document, property, sparse, depth + 1));
            }
            Value::Object(map)
        }
        "array" => match schema.get("items") {
            Some(items) if depth < DEEPEST => {
                json!([example(document, items, sparse, depth + 1)])
            }
            _ => json!([]),
        },
        "integer" => json!(1),
        "number" => json!(1.5),
        "boolean" => json!(true),
        "string" => match schema.get("format").and_then(Value::as_str) {
            Some("uuid") => json!("01932c07-2a5e-7c3b-9d3e-5a1f0c7b8e21"),
            Some("date-time") => json!("2026-01-31T12:00:00Z"),
            Some("password") => json!("correct horse battery"),
            _ => json!("text"),
        },
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Value {
        json!({ "components": { "schemas": {
            "Role": { "type": "string", "enum": ["owner", "viewer"] },
            "User": { "type": "object", "required": ["id"], "properties": {
                "id": { "type": "string", "format": "uuid" },
                "role": { "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/Role" }] },
                "self": { "$ref": "#/components/schemas/User" },
            }},
            "Me": { "allOf": [
                { "$ref": "#/components/schemas/User" },
                { "type": "object", "required": ["n"], "properties": { "n": { "type": ["integer", "null"] } } },
            ]},
        }}})
    }

    #[test]
    fn references_and_options_are_followed() {
        let document = document();
        let me = json!({ "$ref": "#/components/schemas/Me" });
        let html = fields(&document, &me);
        assert!(
            html.contains("<code>role</code> <span class=\"type\">string or null"),
            "{html}"
        );
        assert!(
            html.contains("<code>owner</code>, <code>viewer</code>"),
            "{html}"
        );
        assert!(
            html.contains("integer or null</span> <span class=\"must\">"),
            "{html}"
        );
    }

    #[test]
    fn a_type_that_holds_itself_ends() {
        let document = document();
        let user = json!({ "$ref": "#/components/schemas/User" });
        assert!(fields(&document, &user).len() < 10_000);
        assert!(answer_example(&document, &user).to_string().len() < 10_000);
    }

    #[test]
    fn requests_show_what_is_required() {
        let document = document();
        let user = json!({ "$ref": "#/components/schemas/User" });
        assert_eq!(
            request_example(&document, &user),
            json!({ "id": "01932c07-2a5e-7c3b-9d3e-5a1f0c7b8e21" })
        );
    }
}
