//! A transform tried on a call that is not made: the same code as calls meet, and a comparison.

use apiverse_contract::ErrorCode;
use apiverse_contract::policies::PolicyDocument;
use apiverse_contract::policies::preview::{
    DiffChange, DiffLine, Preview, PreviewError, PreviewMessage, PreviewRequest,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::jq::{Budget, Cancel, STACK};
use crate::template::Facts;
use crate::{Body, RequestChange, ResponseChange, Variables};

/// Lines of two texts that are compared one by one, multiplied.
const MOST_PAIRS: usize = 4_000_000;

/// What `document` makes of the call. Takes as long as an expression may: call it where that holds
/// nobody up, and set `cancel` when nobody waits any more. `None`: the document is of a kind that
/// changes nothing, or cannot be compiled, see [`crate::check`].
#[must_use]
pub fn preview(
    document: &PolicyDocument,
    asked: &PreviewRequest,
    cancel: &Cancel,
) -> Option<Preview> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("preview".to_owned())
            .stack_size(STACK)
            .spawn_scoped(scope, || made(document, asked, cancel));
        thread.ok()?.join().ok()?
    })
}

fn made(document: &PolicyDocument, asked: &PreviewRequest, cancel: &Cancel) -> Option<Preview> {
    let request = fields(&asked.request);
    let (path, query) = split(asked.request.path.as_deref().unwrap_or("/"));
    let captured: Vec<(String, String)> = asked.captured.clone().into_iter().collect();
    let known = |name: &str| asked.variables.get(name).map(String::as_str);
    let response = asked.response.as_ref();
    let response_fields = response.map(fields);
    let status = response.and_then(|response| response.status).unwrap_or(200);
    let facts = Facts {
        method: asked.request.method.as_deref().unwrap_or("GET"),
        path,
        query,
        headers: &request,
        request_id: "0190163d-8694-739b-aea5-966c26f8ad91",
        captured: &captured,
        key_id: known("key.id").unwrap_or("01901640-0000-7000-8000-000000000001"),
        key_name: known("key.name").unwrap_or("example"),
        key_environment: known("key.environment").unwrap_or("live"),
        api_id: known("api.id").unwrap_or("01901640-0000-7000-8000-000000000002"),
        api_slug: known("api.slug").unwrap_or("example"),
        response: response_fields.as_ref().map(|fields| (status, fields)),
    };
    let (before, after) = match document {
        PolicyDocument::RequestTransform(policy) => {
            let change = RequestChange::new(policy).ok()?;
            let before = PreviewMessage {
                method: Some(facts.method.to_owned()),
                path: Some(joined(path, query)),
                status: None,
                ..asked.request.clone()
            };
            let after = change_request(&change, &facts, &before, cancel);
            (before, after)
        }
        PolicyDocument::ResponseTransform(policy) => {
            let change = ResponseChange::new(policy.clone()).ok()?;
            let before = PreviewMessage {
                method: None,
                path: None,
                status: Some(status),
                ..response?.clone()
            };
            let after = change_response(&change, &facts, &before, cancel);
            (before, after)
        }
        _ => return None,
    };
    Some(match after {
        Ok(after) => Preview {
            diff: compare(&lines(&before), &lines(&after)),
            message: after,
            error: None,
        },
        Err(error) => Preview {
            message: before,
            error: Some(error),
            diff: Vec::new(),
        },
    })
}

fn change_request(
    change: &RequestChange,
    facts: &Facts<'_>,
    before: &PreviewMessage,
    cancel: &Cancel,
) -> Result<PreviewMessage, PreviewError> {
    let failed = |detail: String| PreviewError {
        code: ErrorCode::RequestTransformFailed,
        detail,
    };
    let (path, query) = match change.changes_address() {
        true => change
            .address(facts)
            .map_err(|error| failed(error.to_string()))?,
        false => (facts.path.to_owned(), facts.query.map(str::to_owned)),
    };
    let mut headers = facts.headers.clone();
    change
        .headers(facts, &mut headers)
        .map_err(|error| failed(error.to_string()))?;
    let body = body(change.body.as_ref(), facts, facts.headers, before, cancel).map_err(failed)?;
    let method = change.method.as_ref().map(ToString::to_string);
    Ok(PreviewMessage {
        method: method.or_else(|| before.method.clone()),
        path: Some(joined(&path, query.as_deref())),
        status: None,
        headers: pairs(&headers),
        body,
    })
}

fn change_response(
    change: &ResponseChange,
    facts: &Facts<'_>,
    before: &PreviewMessage,
    cancel: &Cancel,
) -> Result<PreviewMessage, PreviewError> {
    let failed = |detail: String| PreviewError {
        code: ErrorCode::ResponseTransformFailed,
        detail,
    };
    let (Some((status, fields)), Some(code)) = (
        facts.response,
        before
            .status
            .and_then(|status| StatusCode::from_u16(status).ok()),
    ) else {
        return Ok(before.clone());
    };
    if !change.is_for(code) || status != code.as_u16() {
        return Ok(before.clone());
    }
    let body = body(change.body.as_ref(), facts, fields, before, cancel).map_err(failed)?;
    let mut headers = fields.clone();
    change
        .headers(facts, &mut headers)
        .map_err(|error| failed(error.to_string()))?;
    Ok(PreviewMessage {
        method: None,
        path: None,
        status: Some(change.status(code).as_u16()),
        headers: pairs(&headers),
        body,
    })
}

fn body(
    change: Option<&Body>,
    facts: &Facts<'_>,
    headers: &HeaderMap,
    before: &PreviewMessage,
    cancel: &Cancel,
) -> Result<Option<String>, String> {
    let (Some(change), Some(body)) = (change, &before.body) else {
        return Ok(before.body.clone());
    };
    // Who pastes a body seldom pastes its type.
    let kind = headers
        .get("content-type")
        .and_then(|value| value.to_str().ok());
    let is_json = kind.is_none_or(|kind| kind.to_ascii_lowercase().contains("json"));
    if body.is_empty() || !is_json {
        return Ok(before.body.clone());
    }
    if body.len() > change.most_bytes {
        return Err(format!(
            "the body is larger than {} bytes",
            change.most_bytes
        ));
    }
    let variables = Variables::new(facts);
    let ran = change
        .program
        .run(body.as_bytes(), variables.as_texts(), Budget::FULL, cancel);
    let made = ran.map_err(|error| error.to_string())?;
    if made.len() > change.most_bytes {
        return Err("the new body is larger than the limit".to_owned());
    }
    Ok(Some(String::from_utf8_lossy(&made).into_owned()))
}

fn fields(message: &PreviewMessage) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &message.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            headers.append(name, value);
        }
    }
    headers
}

fn pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), text(value)))
        .collect()
}

fn split(address: &str) -> (&str, Option<&str>) {
    match address.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (address, None),
    }
}

fn joined(path: &str, query: Option<&str>) -> String {
    match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    }
}

/// A message as lines, the fields in order of their names.
fn lines(message: &PreviewMessage) -> Vec<String> {
    let mut lines = Vec::new();
    if let (Some(method), Some(path)) = (&message.method, &message.path) {
        lines.push(format!("{method} {path}"));
    }
    if let Some(status) = message.status {
        lines.push(status.to_string());
    }
    let mut headers: Vec<String> = message
        .headers
        .iter()
        .map(|(name, value)| format!("{}: {value}", name.to_ascii_lowercase()))
        .collect();
    headers.sort();
    lines.extend(headers);
    lines.push(String::new());
    if let Some(body) = &message.body {
        let laid_out = serde_json::from_str::<serde_json::Value>(body)
            .and_then(|value| serde_json::to_string_pretty(&value));
        let text = laid_out.as_deref().unwrap_or(body);
        lines.extend(text.lines().map(str::to_owned));
    }
    lines
}

/// The lines of both, those they share once (the longest common subsequence).
fn compare(before: &[String], after: &[String]) -> Vec<DiffLine> {
    let start = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    let rest = before.len().min(after.len()) - start;
    let end = before
        .iter()
        .rev()
        .zip(after.iter().rev())
        .take(rest)
        .take_while(|(a, b)| a == b)
        .count();
    let old = &before[start..before.len() - end];
    let new = &after[start..after.len() - end];
    let line = |change, text: &String| DiffLine {
        change,
        text: text.clone(),
    };
    let mut diff: Vec<DiffLine> = before[..start]
        .iter()
        .map(|text| line(DiffChange::Same, text))
        .collect();
    if old.len().saturating_mul(new.len()) > MOST_PAIRS {
        diff.extend(old.iter().map(|text| line(DiffChange::Removed, text)));
        diff.extend(new.iter().map(|text| line(DiffChange::Added, text)));
    } else {
        // longest[i][j]: of old[i..] and new[j..].
        let width = new.len() + 1;
        let mut longest = vec![0_u32; (old.len() + 1) * width];
        for i in (0..old.len()).rev() {
            for j in (0..new.len()).rev() {
                longest[i * width + j] = if old[i] == new[j] {
                    longest[(i + 1) * width + j + 1] + 1
                } else {
                    longest[(i + 1) * width + j].max(longest[i * width + j + 1])
                };
            }
        }
        let (mut i, mut j) = (0, 0);
        while i < old.len() || j < new.len() {
            if i < old.len() && j < new.len() && old[i] == new[j] {
                diff.push(line(DiffChange::Same, &old[i]));
                (i, j) = (i + 1, j + 1);
            } else if j == new.len()
                || (i < old.len() && longest[(i + 1) * width + j] >= longest[i * width + j + 1])
            {
                diff.push(line(DiffChange::Removed, &old[i]));
                i += 1;
            } else {
                diff.push(line(DiffChange::Added, &new[j]));
                j += 1;
            }
        }
    }
    let tail = &before[before.len() - end..];
    diff.extend(tail.iter().map(|text| line(DiffChange::Same, text)));
    diff
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tried(asked: serde_json::Value) -> Preview {
        let asked: PreviewRequest = serde_json::from_value(asked).unwrap();
        asked.validate().unwrap();
        let document = PolicyDocument::from_value(asked.kind, asked.document.clone()).unwrap();
        preview(&document, &asked, &Cancel::default()).unwrap()
    }

    #[test]
    fn a_request_is_shown_with_what_changes() {
        let shown = tried(json!({
            "kind": "request_transform",
            "document": {
                "method": "PUT", "path": { "add_prefix": "/in" },
                "headers": { "set": { "x-who": "{key.name}" } },
                "body": { "jq": ".a += 1" },
            },
            "request": { "method": "POST", "path": "/x?q=1", "headers": [["accept", "*/*"]], "body": "{\"a\":1,\"b\":2}" },
            "variables": { "key.name": "Max" },
        }));
        assert_eq!(shown.error, None);
        assert_eq!(shown.message.path.as_deref(), Some("/in/x?q=1"));
        assert_eq!(shown.message.body.as_deref(), Some(r#"{"a":2,"b":2}"#));
        let lines: Vec<String> = shown
            .diff
            .iter()
            .map(|line| match line.change {
                DiffChange::Same => format!(" {}", line.text),
                DiffChange::Removed => format!("-{}", line.text),
                DiffChange::Added => format!("+{}", line.text),
            })
            .collect();
        assert_eq!(
            lines,
            [
                "-POST /x?q=1",
                "+PUT /in/x?q=1",
                " accept: */*",
                "+x-who: Max",
                " ",
                " {",
                "-  \"a\": 1,",
                "+  \"a\": 2,",
                "   \"b\": 2",
                " }",
            ]
        );
    }

    #[test]
    fn an_answer_that_cannot_be_made_says_why() {
        let asked = |jq: &str| {
            json!({
                "kind": "response_transform", "document": { "body": { "jq": jq } },
                "request": {}, "response": { "status": 200, "body": "[1]" },
            })
        };
        let failed = tried(asked(".a"));
        assert_eq!(
            failed.error.unwrap().code,
            ErrorCode::ResponseTransformFailed
        );
        assert_eq!(failed.message.body.as_deref(), Some("[1]"));
        let spent = tried(asked("def f: f; f"));
        assert!(spent.error.unwrap().detail.contains("steps"));
    }
}
