//! Answers without the upstream.

use std::collections::BTreeMap;

use apiverse_contract::policies::MockPolicy;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::Value;

/// A mock policy, ready to answer.
#[derive(Debug)]
pub struct Mock {
    answer: MockAnswer,
    examples: Vec<(String, MockAnswer)>,
    /// Milliseconds before the answer.
    pub delay_ms: u32,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct MockAnswer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Mock {
    /// Takes a policy that is valid.
    #[must_use]
    pub fn new(policy: &MockPolicy) -> Self {
        let examples = policy.examples.iter();
        Self {
            answer: answer(
                policy.status,
                &policy.headers,
                &policy.body,
                policy.json.as_ref(),
            ),
            examples: examples
                .map(|(name, example)| {
                    let answer = answer(
                        example.status,
                        &example.headers,
                        &example.body,
                        example.json.as_ref(),
                    );
                    (name.clone(), answer)
                })
                .collect(),
            delay_ms: policy.delay_ms,
        }
    }

    /// The answer a caller gets: by `Prefer: example=NAME`, `Prefer: code=STATUS`, or the usual
    /// one.
    #[must_use]
    pub fn choose(&self, request: &HeaderMap) -> &MockAnswer {
        let preferences = request.get_all("prefer").iter();
        let preferences: Vec<(&str, &str)> = preferences
            .filter_map(|value| value.to_str().ok())
            .flat_map(|text| text.split([',', ';']))
            .filter_map(|member| member.trim().split_once('='))
            .map(|(name, value)| (name.trim(), value.trim().trim_matches('"')))
            .collect();
        let wished = |wanted: &str| {
            let found = preferences
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| *value)
        };
        let by_name = wished("example").and_then(|name| {
            let found = self.examples.iter().find(|(known, _)| known == name);
            found.map(|(_, answer)| answer)
        });
        let by_status = || {
            let code = wished("code")?;
            let all = self.examples.iter().map(|(_, answer)| answer);
            std::iter::once(&self.answer)
                .chain(all)
                .find(|answer| answer.status.as_str() == code)
        };
        by_name.or_else(by_status).unwrap_or(&self.answer)
    }
}

fn answer(
    status: u16,
    fields: &BTreeMap<String, String>,
    body: &str,
    json: Option<&Value>,
) -> MockAnswer {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
    let (body, kind) = match json {
        Some(json) => (json.to_string().into_bytes(), "application/json"),
        None => (body.as_bytes().to_vec(), "text/plain; charset=utf-8"),
    };
    if !body.is_empty() && !headers.contains_key(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    MockAnswer {
        status: StatusCode::from_u16(status).unwrap_or(StatusCode::OK),
        headers,
        body,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn callers_choose_among_examples() {
        let mock = Mock::new(
            &serde_json::from_value(json!({
                "json": { "id": 1 },
                "examples": {
                    "missing": { "status": 404, "body": "no", "headers": { "x-a": "1" } },
                    "other": { "body": "two" },
                },
            }))
            .unwrap(),
        );
        for (prefer, status, body) in [
            ("", 200, r#"{"id":1}"#),
            ("example=missing", 404, "no"),
            ("respond-async, example=\"other\"", 200, "two"),
            ("code=404", 404, "no"),
            ("code=500", 200, r#"{"id":1}"#),
            ("example=nothing", 200, r#"{"id":1}"#),
        ] {
            let mut request = HeaderMap::new();
            request.insert("prefer", prefer.parse().unwrap());
            let answer = mock.choose(&request);
            assert_eq!(answer.status.as_u16(), status, "{prefer}");
            assert_eq!(answer.body, body.as_bytes(), "{prefer}");
            assert!(answer.headers.contains_key(CONTENT_TYPE));
        }
    }
}
