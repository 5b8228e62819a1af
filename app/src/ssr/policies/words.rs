//! What policies do, in a line.

use apiverse_contract::policies::PolicyKind;
use serde_json::Value;

use super::is_off;

/// What a policy of a kind could do.
pub const fn offer(kind: PolicyKind) -> &'static str {
    match kind {
        PolicyKind::Cors => "Lets pages of other sites call, and answers their preflight requests.",
        PolicyKind::Validation => {
            "Refuses requests that do not fit a JSON Schema, before the upstream sees them."
        }
        PolicyKind::RequestTransform => {
            "Changes headers, query, path, method and JSON body before the upstream gets them."
        }
        PolicyKind::Mock => "Answers without the upstream.",
        PolicyKind::Cache => "Keeps answers and gives them again, as HTTP caching allows.",
        PolicyKind::Upstream => {
            "Spreads calls over targets, checks their health, tries again and breaks the circuit."
        }
        PolicyKind::Tokens => "Counts the tokens that language models say they used.",
        PolicyKind::ResponseTransform => "Changes answers before callers get them.",
        PolicyKind::Compression => "Sends answers as zstd, br or gzip to callers that take it.",
    }
}

/// What a document does.
pub fn of(kind: PolicyKind, document: &Value) -> String {
    if is_off(document) {
        return "Switched off".to_owned();
    }
    let document = Document(document);
    match kind {
        PolicyKind::Cors => cors(document),
        PolicyKind::Validation => validation(document),
        PolicyKind::RequestTransform => request(document),
        PolicyKind::Mock => mock(document),
        PolicyKind::Cache => cache(document),
        PolicyKind::Upstream => upstream(document),
        PolicyKind::Tokens => "Counts tokens that the upstream reports".to_owned(),
        PolicyKind::ResponseTransform => response(document),
        PolicyKind::Compression => compression(document),
    }
}

#[derive(Clone, Copy)]
struct Document<'a>(&'a Value);

impl<'a> Document<'a> {
    fn get(self, pointer: &str) -> Option<&'a Value> {
        self.0.pointer(pointer).filter(|value| !value.is_null())
    }

    fn has(self, pointer: &str) -> bool {
        self.get(pointer).is_some()
    }

    fn number(self, pointer: &str) -> Option<u64> {
        self.get(pointer)?.as_u64()
    }

    fn is_set(self, pointer: &str) -> bool {
        self.get(pointer).and_then(Value::as_bool).unwrap_or(false)
    }

    fn texts(self, pointer: &str) -> Vec<&'a str> {
        let all = self.get(pointer).and_then(Value::as_array);
        all.map(|all| all.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default()
    }

    fn count(self, pointer: &str) -> usize {
        match self.get(pointer) {
            Some(Value::Array(all)) => all.len(),
            Some(Value::Object(all)) => all.len(),
            _ => 0,
        }
    }
}

/// `a, b and 3 more`
fn some_of(all: &[&str]) -> String {
    const SHOWN: usize = 3;
    if all.len() <= SHOWN {
        return all.join(", ");
    }
    format!("{} and {} more", all[..SHOWN].join(", "), all.len() - SHOWN)
}

/// `Rewrites the path, sets 2 headers`
fn sentence(parts: Vec<String>, otherwise: &str) -> String {
    let all = parts.join(", ");
    let mut letters = all.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => otherwise.to_owned(),
    }
}

fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn cors(document: Document<'_>) -> String {
    let origins = document.texts("/allow_origins");
    let who = if origins.contains(&"*") {
        "Pages of every site may call".to_owned()
    } else {
        format!("Pages of {} may call", some_of(&origins))
    };
    if document.is_set("/allow_credentials") {
        format!("{who}, with cookies")
    } else {
        who
    }
}

fn validation(document: Document<'_>) -> String {
    let parts: Vec<&str> = [
        ("/body_schema", "body"),
        ("/query_schema", "query"),
        ("/headers_schema", "headers"),
        ("/path_schema", "path"),
    ]
    .into_iter()
    .filter(|(pointer, _)| document.has(pointer))
    .map(|(_, name)| name)
    .collect();
    match (parts.is_empty(), document.is_set("/body_required")) {
        (true, true) => "Refuses requests without a body".to_owned(),
        (true, false) => "Asks for nothing".to_owned(),
        (false, _) => format!("Refuses requests whose {} does not fit", parts.join(", ")),
    }
}

fn changes(document: Document<'_>, pointer: &str, one: &str, many: &str) -> Option<String> {
    let count: usize = ["remove", "rename", "set", "append", "default"]
        .iter()
        .map(|list| document.count(&format!("{pointer}/{list}")))
        .sum();
    (count > 0).then(|| format!("changes {}", plural(count, one, many)))
}

fn request(document: Document<'_>) -> String {
    let mut parts = Vec::new();
    if let Some(method) = document.get("/method").and_then(Value::as_str) {
        parts.push(format!("asks with {method}"));
    }
    if document.has("/path") {
        parts.push("rewrites the path".to_owned());
    }
    parts.extend(changes(document, "/query", "parameter", "parameters"));
    parts.extend(changes(document, "/headers", "header", "headers"));
    if document.has("/body") {
        parts.push("changes the body by jq".to_owned());
    }
    sentence(parts, "Changes nothing")
}

fn response(document: Document<'_>) -> String {
    let mut parts = Vec::new();
    if let Some(status) = document.number("/status") {
        parts.push(format!("answers {status}"));
    }
    parts.extend(changes(document, "/headers", "header", "headers"));
    if document.has("/body") {
        parts.push("changes the body by jq".to_owned());
    }
    let statuses = document.texts("/on_status");
    let what = sentence(parts, "Changes nothing");
    if statuses.is_empty() {
        what
    } else {
        format!("{what}, for {}", some_of(&statuses))
    }
}

fn mock(document: Document<'_>) -> String {
    let status = document.number("/status").unwrap_or(200);
    let examples = match document.count("/examples") {
        0 => String::new(),
        count => format!(", or one of {}", plural(count, "example", "examples")),
    };
    format!("Answers {status} without the upstream{examples}")
}

fn cache(document: Document<'_>) -> String {
    let mut parts = Vec::new();
    parts.push(match document.number("/default_ttl_seconds") {
        Some(seconds) => format!("keeps answers as they say, else for {seconds} s"),
        None => "keeps answers as they say".to_owned(),
    });
    if let Some(seconds) = document.number("/max_ttl_seconds") {
        parts.push(format!("{seconds} s at most"));
    }
    if document.is_set("/shared_between_keys") {
        parts.push("shared between keys".to_owned());
    }
    if let Some(seconds) = document
        .number("/stale_while_revalidate_seconds")
        .filter(|seconds| *seconds > 0)
    {
        parts.push(format!("stale for {seconds} s while fetched anew"));
    }
    sentence(parts, "")
}

fn upstream(document: Document<'_>) -> String {
    let mut parts = vec![match document.count("/targets") {
        0 => "the API's base URL".to_owned(),
        count => plural(count, "target", "targets"),
    }];
    parts.push(match document.number("/retries/max") {
        Some(0) => "no retries".to_owned(),
        Some(1) => "1 retry".to_owned(),
        Some(count) => format!("{count} retries"),
        None => "2 retries".to_owned(),
    });
    for (pointer, words) in [
        ("/checks", "health checks"),
        ("/breaker", "circuit breaker"),
        ("/hedging", "hedging"),
        ("/canary", "canary"),
        ("/mirror", "mirror"),
        ("/tls", "own TLS"),
    ] {
        if document.has(pointer) {
            parts.push(words.to_owned());
        }
    }
    sentence(parts, "")
}

fn compression(document: Document<'_>) -> String {
    let codings = document.texts("/codings");
    let codings = if codings.is_empty() {
        "zstd, br, gzip".to_owned()
    } else {
        codings.join(", ")
    };
    let from = document.number("/min_bytes").unwrap_or(1024);
    format!("{codings}, from {from} bytes")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_are_told_in_a_line() {
        for (kind, document, words) in [
            (PolicyKind::Cache, json!({"enabled": false}), "Switched off"),
            (
                PolicyKind::Cors,
                json!({"allow_origins": ["a", "b", "c", "d"], "allow_credentials": true}),
                "Pages of a, b, c and 1 more may call, with cookies",
            ),
            (
                PolicyKind::RequestTransform,
                json!({"path": {"add_prefix": "/a"}, "headers": {"set": {"a": "b"}, "remove": ["c"]}}),
                "Rewrites the path, changes 2 headers",
            ),
            (
                PolicyKind::ResponseTransform,
                json!({"status": 200, "on_status": ["404"]}),
                "Answers 200, for 404",
            ),
            (
                PolicyKind::Cache,
                json!({"default_ttl_seconds": 60, "shared_between_keys": true}),
                "Keeps answers as they say, else for 60 s, shared between keys",
            ),
            (
                PolicyKind::Upstream,
                json!({"targets": [{"url": "a"}, {"url": "b"}], "retries": {"max": 0}, "breaker": {}}),
                "2 targets, no retries, circuit breaker",
            ),
            (
                PolicyKind::Validation,
                json!({"body_schema": {}, "query_schema": {}}),
                "Refuses requests whose body, query does not fit",
            ),
            (
                PolicyKind::Mock,
                json!({}),
                "Answers 200 without the upstream",
            ),
            (
                PolicyKind::Compression,
                json!({}),
                "zstd, br, gzip, from 1024 bytes",
            ),
        ] {
            assert_eq!(of(kind, &document), words);
        }
    }
}
