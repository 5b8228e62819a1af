//! The page itself, from the document as JSON.

use serde_json::{Map, Value};

use super::NONCE;
use super::html::{escape, inline, markdown};
use super::schema;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// One method at one path.
struct Operation<'a> {
    method: &'a str,
    path: &'a str,
    value: &'a Value,
}

impl Operation<'_> {
    fn text(&self, name: &str) -> &str {
        self.value
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    fn has_tag(&self, tag: &str) -> bool {
        let tags = self.value.get("tags").and_then(Value::as_array);
        tags.is_some_and(|tags| tags.iter().any(|t| t == tag))
    }
}

pub fn render(document: &Value) -> String {
    let empty = Map::new();
    let paths = document
        .get("paths")
        .and_then(Value::as_object)
        .unwrap_or(&empty);
    let mut operations = Vec::new();
    for (path, item) in paths {
        for method in METHODS {
            if let Some(value) = item.get(method) {
                operations.push(Operation {
                    method,
                    path,
                    value,
                });
            }
        }
    }
    let (mut navigation, mut sections) = (String::new(), String::new());
    let tags = document.get("tags").and_then(Value::as_array);
    for tag in tags.into_iter().flatten() {
        let name = tag.get("name").and_then(Value::as_str).unwrap_or_default();
        let group: Vec<&Operation<'_>> = operations
            .iter()
            .filter(|operation| operation.has_tag(name))
            .collect();
        if group.is_empty() {
            continue;
        }
        let description = tag
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let title = escape(&capital(name));
        navigation.push_str(&format!("<h2>{title}</h2><ul>"));
        sections.push_str(&format!(
            "<section aria-labelledby=\"tag-{name}\"><h2 id=\"tag-{name}\">{title}</h2><p>{}</p>",
            escape(description)
        ));
        for operation in group {
            navigation.push_str(&format!(
                "<li><a href=\"#{}\">{} {}</a></li>",
                escape(operation.text("operationId")),
                badge(operation.method),
                escape(operation.text("summary")),
            ));
            sections.push_str(&article(document, operation));
        }
        navigation.push_str("</ul>");
        sections.push_str("</section>");
    }
    let version = document
        .pointer("/info/version")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let intro = document
        .pointer("/info/description")
        .and_then(Value::as_str)
        .unwrap_or_default();
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>APIverse REST API</title>\
         <style nonce=\"{NONCE}\">{STYLE}</style></head><body>\
         <a class=\"skip\" href=\"#main\">Skip to the operations</a>\
         <nav aria-label=\"Operations\"><p class=\"brand\">APIverse <span>{version}</span></p>\
         <p><a href=\"/api/openapi.json\">openapi.json</a></p>{navigation}</nav>\
         <main id=\"main\"><h1>REST API</h1>{intro}\
         <form id=\"credentials\" class=\"panel\"><label for=\"token\">Access token for trying \
         things out</label><input id=\"token\" type=\"password\" autocomplete=\"off\" \
         spellcheck=\"false\"><p class=\"note\">Kept in this page only. Without one, the console's \
         session is used.</p></form>{sections}</main>\
         <script nonce=\"{NONCE}\">{SCRIPT}</script></body></html>",
        version = escape(version),
        intro = markdown(intro),
    )
}

fn article(document: &Value, operation: &Operation<'_>) -> String {
    let id = escape(operation.text("operationId"));
    format!(
        "<article id=\"{id}\"><h3><a href=\"#{id}\">{summary}</a></h3>\
         <p class=\"line\">{badge} <code>{path}</code></p>{description}{security}{parameters}{body}\
         {responses}{attempt}</article>",
        summary = escape(operation.text("summary")),
        badge = badge(operation.method),
        path = escape(operation.path),
        description = markdown(operation.text("description")),
        security = security(operation),
        parameters = parameters(document, operation),
        body = body(document, operation),
        responses = responses(document, operation),
        attempt = attempt(document, operation),
    )
}

fn badge(method: &str) -> String {
    format!(
        "<span class=\"method {method}\">{}</span>",
        method.to_uppercase()
    )
}

fn security(operation: &Operation<'_>) -> String {
    let schemes = operation.value.get("security").and_then(Value::as_array);
    let text = match schemes {
        None => "Needs an access token or the console's session.",
        Some(schemes) if schemes.iter().any(|s| s.get("consumer_key").is_some()) => {
            "Needs an API key in <code>X-API-Key</code>."
        }
        Some(_) => "Needs no credentials.",
    };
    format!("<p class=\"note\">{text}</p>")
}

fn parameters(document: &Value, operation: &Operation<'_>) -> String {
    let list = operation.value.get("parameters").and_then(Value::as_array);
    let mut rows = String::new();
    for parameter in list.into_iter().flatten() {
        let text = |name: &str| {
            parameter
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let kind = parameter.get("schema").unwrap_or(&Value::Null);
        rows.push_str(&format!(
            "<tr><th scope=\"row\"><code>{}</code></th><td>{}</td><td>{}</td><td>{}{}</td></tr>",
            escape(text("name")),
            escape(text("in")),
            escape(&schema::type_name(document, kind)),
            inline(text("description")),
            schema::notes(document, kind),
        ));
    }
    if rows.is_empty() {
        return rows;
    }
    format!(
        "<h4>Parameters</h4><div class=\"scroll\" tabindex=\"0\"><table><thead><tr>\
         <th scope=\"col\">Name</th><th scope=\"col\">In</th><th scope=\"col\">Type</th>\
         <th scope=\"col\">Meaning</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )
}

fn body_schema<'a>(operation: &Operation<'a>) -> Option<&'a Value> {
    operation
        .value
        .pointer("/requestBody/content/application~1json/schema")
}

fn body(document: &Value, operation: &Operation<'_>) -> String {
    let Some(kind) = body_schema(operation) else {
        return String::new();
    };
    format!(
        "<h4>Body</h4>{}{}",
        schema::fields(document, kind),
        json_block(&schema::request_example(document, kind)),
    )
}

fn json_block(value: &Value) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    format!("<pre tabindex=\"0\"><code>{}</code></pre>", escape(&text))
}

fn responses(document: &Value, operation: &Operation<'_>) -> String {
    let empty = Map::new();
    let all = operation
        .value
        .get("responses")
        .and_then(Value::as_object)
        .unwrap_or(&empty);
    let mut out = String::from("<h4>Answers</h4>");
    for (status, response) in all {
        let description = response
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let head = format!(
            "<span class=\"status s{}\">{}</span> {}",
            escape(status.get(..1).unwrap_or_default()),
            escape(status),
            inline(description),
        );
        let inside = response_body(document, response);
        if inside.is_empty() {
            out.push_str(&format!("<p class=\"answer\">{head}</p>"));
        } else {
            out.push_str(&format!(
                "<details class=\"answer\"><summary>{head}</summary>{inside}</details>"
            ));
        }
    }
    out
}

fn response_body(document: &Value, response: &Value) -> String {
    if let Some(kind) = response.pointer("/content/application~1json/schema") {
        return format!(
            "{}{}",
            schema::fields(document, kind),
            json_block(&schema::answer_example(document, kind))
        );
    }
    let examples = response
        .pointer("/content/application~1problem+json/examples")
        .and_then(Value::as_object);
    let mut out = String::new();
    for (code, example) in examples.into_iter().flatten() {
        let summary = example
            .get("summary")
            .and_then(Value::as_str)
            .unwrap_or_default();
        out.push_str(&format!(
            "<p><code>{}</code> {}</p>",
            escape(code),
            escape(summary)
        ));
        if let Some(value) = example.get("value") {
            out.push_str(&json_block(value));
        }
    }
    out
}

/// A form that the script sends; without the script it is not there.
fn attempt(document: &Value, operation: &Operation<'_>) -> String {
    let id = escape(operation.text("operationId"));
    let mut inputs = String::new();
    let list = operation.value.get("parameters").and_then(Value::as_array);
    for parameter in list.into_iter().flatten() {
        let text = |name: &str| {
            parameter
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let (name, place) = (escape(text("name")), escape(text("in")));
        let required = if place == "path" { " required" } else { "" };
        inputs.push_str(&format!(
            "<label for=\"{id}-{name}\">{name}</label><input id=\"{id}-{name}\" \
             name=\"{name}\" data-in=\"{place}\"{required} autocomplete=\"off\">"
        ));
    }
    if let Some(kind) = body_schema(operation) {
        let example = schema::request_example(document, kind);
        let text = serde_json::to_string_pretty(&example).unwrap_or_default();
        inputs.push_str(&format!(
            "<label for=\"{id}-body\">Body</label><textarea id=\"{id}-body\" rows=\"8\" \
             data-in=\"body\" spellcheck=\"false\">{}</textarea>",
            escape(&text)
        ));
    }
    format!(
        "<details class=\"try\" hidden><summary>Try it</summary><form data-method=\"{}\" \
         data-path=\"{}\">{inputs}<button>Send</button><output aria-live=\"polite\"></output>\
         </form></details>",
        operation.method,
        escape(operation.path),
    )
}

fn capital(word: &str) -> String {
    if word == "apis" {
        return "APIs".to_owned();
    }
    let mut chars = word.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}
