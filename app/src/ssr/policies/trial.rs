//! The call that a transform is tried on, as it is typed.

use apiverse_contract::FieldError;
use apiverse_contract::policies::PolicyKind;
use apiverse_contract::policies::preview::{PreviewMessage, PreviewRequest};
use serde_json::Value;

use super::document;
use crate::forms::Fields;

/// # Errors
/// Fields that cannot be read.
pub fn read(
    kind: PolicyKind,
    document: Value,
    fields: &Fields,
) -> Result<PreviewRequest, Vec<FieldError>> {
    let mut errors = Vec::new();
    let line = fields.text("try.request");
    let (method, path) = match line.split_once(char::is_whitespace) {
        Some((method, path)) => (method.to_owned(), path.trim().to_owned()),
        // A path alone is asked for.
        None => ("GET".to_owned(), line),
    };
    let request = PreviewMessage {
        method: Some(method),
        path: Some(path),
        headers: headers(fields, "try.headers", &mut errors),
        body: body(fields, "try.body"),
        ..PreviewMessage::default()
    };
    let response = (kind == PolicyKind::ResponseTransform).then(|| {
        let status = match fields.number("try.status") {
            Ok(status) => status.or(Some(200)),
            Err(error) => {
                errors.push(error);
                None
            }
        };
        PreviewMessage {
            status,
            headers: headers(fields, "try.answer_headers", &mut errors),
            body: body(fields, "try.answer_body"),
            ..PreviewMessage::default()
        }
    });
    if !errors.is_empty() {
        return Err(errors);
    }
    Ok(PreviewRequest {
        kind,
        document,
        request,
        response,
        captured: Default::default(),
        variables: Default::default(),
    })
}

fn headers(fields: &Fields, name: &str, errors: &mut Vec<FieldError>) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let lines = fields.raw(name).lines().map(str::trim);
    for line in lines.filter(|line| !line.is_empty()) {
        match line.split_once(':') {
            Some((name, value)) => all.push((name.trim().to_owned(), value.trim().to_owned())),
            None => {
                let message = format!("must have lines such as `Name: value`, not `{line}`");
                errors.push(FieldError::new(name, message));
            }
        }
    }
    all
}

fn body(fields: &Fields, name: &str) -> Option<String> {
    let text = fields.raw(name).replace("\r\n", "\n");
    (!text.trim().is_empty()).then_some(text)
}

/// An error of a trial at the field it is about: those of the document stand in the policy's form.
pub fn at_its_field(kind: PolicyKind, error: FieldError) -> FieldError {
    if let Some(field) = error.field.strip_prefix("document.") {
        let error = FieldError::new(field.to_owned(), error.message);
        return document::at_its_field(kind, false, error);
    }
    let field = match error.field.as_str() {
        "request.method" | "request.path" => "try.request",
        "request.headers" => "try.headers",
        "request.body" => "try.body",
        "response" | "response.status" => "try.status",
        "response.headers" => "try.answer_headers",
        "response.body" => "try.answer_body",
        _ => return error,
    };
    FieldError::new(field, error.message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        Fields(
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn a_call_is_typed_as_it_is_listed() {
        let typed = fields(&[
            ("try.request", "POST /orders?page=2"),
            ("try.headers", "X-A: 1\nX-B: b:c"),
            ("try.body", "{}"),
        ]);
        let asked = read(PolicyKind::RequestTransform, json!({}), &typed).unwrap();
        assert_eq!(asked.request.method.as_deref(), Some("POST"));
        assert_eq!(asked.request.path.as_deref(), Some("/orders?page=2"));
        assert_eq!(asked.request.headers[1], ("X-B".into(), "b:c".into()));
        assert!(asked.response.is_none());
        assert_eq!(asked.validate(), Ok(()));
    }

    #[test]
    fn what_is_wrong_is_told_where_it_was_typed() {
        let typed = fields(&[("try.headers", "nonsense"), ("try.status", "ok")]);
        let errors = read(PolicyKind::ResponseTransform, json!({}), &typed).unwrap_err();
        let names: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(names, ["try.headers", "try.status"]);
        let error = FieldError::new("document.body.jq", "is no expression");
        assert_eq!(
            at_its_field(PolicyKind::ResponseTransform, error).field,
            "body.jq"
        );
    }
}
