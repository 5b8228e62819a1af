//! What jq expressions see of a call, as JSON documents.

use serde_json::{Map, Value, json};

use crate::query;
use crate::template::{Facts, is_secret};

/// The values of [`crate::jq::VARIABLES`].
#[derive(Clone, Debug)]
pub struct Variables([Vec<u8>; 4]);

impl Variables {
    #[must_use]
    pub fn new(facts: &Facts<'_>) -> Self {
        let headers = |headers: &http::HeaderMap| {
            let mut object = Map::new();
            for name in headers.keys() {
                if is_secret(name.as_str()) {
                    continue;
                }
                let values = headers.get_all(name).iter();
                let values: Vec<_> = values
                    .map(|value| String::from_utf8_lossy(value.as_bytes()))
                    .collect();
                object.insert(name.as_str().to_owned(), Value::String(values.join(", ")));
            }
            Value::Object(object)
        };
        let mut parameters = Map::new();
        for (name, value) in query::pairs(facts.query.unwrap_or_default()) {
            // Of several the first, as in templates.
            parameters.entry(name).or_insert(Value::String(value));
        }
        let captured = facts.captured.iter().cloned();
        let captured: Map<String, Value> = captured
            .map(|(name, value)| (name, Value::String(value)))
            .collect();
        let request = json!({
            "method": facts.method,
            "path": facts.path,
            "query": parameters,
            "headers": headers(facts.headers),
            "params": captured,
            "id": facts.request_id,
        });
        let response = match facts.response {
            Some((status, fields)) => json!({ "status": status, "headers": headers(fields) }),
            None => Value::Null,
        };
        let key = json!({
            "id": facts.key_id,
            "name": facts.key_name,
            "environment": facts.key_environment,
        });
        let api = json!({ "id": facts.api_id, "slug": facts.api_slug });
        Self([request, response, key, api].map(|value| value.to_string().into_bytes()))
    }

    #[must_use]
    pub fn as_texts(&self) -> [&[u8]; 4] {
        let [a, b, c, d] = &self.0;
        [a, b, c, d]
    }
}
