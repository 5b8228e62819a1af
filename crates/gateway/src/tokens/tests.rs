use http::HeaderValue;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn meter(content_type: &'static str) -> Option<Box<TokenMeter>> {
    let mut head = HeaderMap::new();
    head.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    TokenMeter::of_answer(&head)
}

fn counted(content_type: &'static str, body: &str) -> (u64, u64) {
    let mut meter = meter(content_type).expect("is read");
    meter.see(body.as_bytes());
    let tokens = meter.counted();
    (tokens.input, tokens.output)
}

fn json_counted(document: &Value) -> (u64, u64) {
    counted("application/json; charset=utf-8", &document.to_string())
}

#[test]
fn every_provider_is_understood() {
    for (document, expected) in [
        // Chat completions, and what copies them.
        (
            json!({"choices": [{"message": {"content": "\"usage\": {\"prompt_tokens\": 9}"}}],
                "usage": {"prompt_tokens": 12, "completion_tokens": 34, "total_tokens": 46,
                    "completion_tokens_details": {"reasoning_tokens": 7, "input_tokens": 99}}}),
            (12, 34),
        ),
        // Embeddings.
        (
            json!({"data": [], "usage": {"prompt_tokens": 8, "total_tokens": 8}}),
            (8, 0),
        ),
        // Responses and messages.
        (
            json!({"output": [], "usage": {"input_tokens": 1, "output_tokens": 2}}),
            (1, 2),
        ),
        (
            json!({"candidates": [], "usageMetadata": {"promptTokenCount": 5,
                "candidatesTokenCount": 6, "thoughtsTokenCount": 70, "totalTokenCount": 81}}),
            (5, 76),
        ),
        (
            json!({"usage": {"inputTokens": 3, "outputTokens": 4}}),
            (3, 4),
        ),
        (
            json!({"message": {"content": ""}, "prompt_eval_count": 26, "eval_count": 298}),
            (26, 298),
        ),
        // A stream as an array.
        (
            json!([{"usageMetadata": {"promptTokenCount": 5}},
                {"usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 9}}]),
            (5, 9),
        ),
        // What only looks like it.
        (
            json!({"choices": [{"usage": {"prompt_tokens": 9}}]}),
            (0, 0),
        ),
        (json!({"data": {"usage": {"prompt_tokens": 9}}}), (0, 0)),
        (json!({"usage": [{"prompt_tokens": 9}]}), (0, 0)),
        (
            json!({"usage": {"prompt_tokens": "9", "completion_tokens": 1.5}}),
            (0, 0),
        ),
        (
            json!({"usage": {"prompt_tokens": -9, "completion_tokens": null}}),
            (0, 0),
        ),
        (json!({"prompt_tokens": 9}), (0, 0)),
        (json!([[{"usage": {"prompt_tokens": 9}}]]), (0, 0)),
    ] {
        assert_eq!(json_counted(&document), expected, "{document}");
    }
    assert_eq!(counted("application/json", "{\"eval_count\": 5"), (0, 5));
    let huge = "{\"eval_count\":99999999999999999999999999}";
    assert_eq!(counted("application/json", huge), (0, u64::MAX));
}

#[test]
fn streams_tell_sums() {
    let chat = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}\n\n\
         data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\n\
         data: [DONE]\n\n";
    assert_eq!(counted("text/event-stream", chat), (3, 4));
    let crlf = chat.replace('\n', "\r\n");
    assert_eq!(counted("text/event-stream; charset=utf-8", &crlf), (3, 4));
    let messages = "event: message_start\n\
         data: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}\n\n\
         : data: {\"usage\":{\"input_tokens\":1000}}\n\
         event: message_delta\n\
         data: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":15}}\n\n";
    assert_eq!(counted("text/event-stream", messages), (25, 15));
    let responses = "data: {\"type\":\"response.completed\",\ndata:\"response\":{\"usage\":\
         {\"input_tokens\":7,\"output_tokens\":8}}}\n\n";
    assert_eq!(counted("text/event-stream", responses), (7, 8));
    let lines = "{\"response\":\"a\",\"done\":false}\n{\"done\":true,\"prompt_eval_count\":2,\"eval_count\":3}\n";
    assert_eq!(counted("application/x-ndjson", lines), (2, 3));
    // A broken event does not spoil the next.
    let broken =
        "data: {\"a\":\"\n\ndata: {\"usage\":{\"input_tokens\":2,\"output_tokens\":1}}\n\n";
    assert_eq!(counted("text/event-stream", broken), (2, 1));
}

#[test]
fn other_answers_are_not_read() {
    for content_type in ["text/html", "application/octet-stream", "audio/mpeg", ""] {
        assert!(meter(content_type).is_none(), "{content_type}");
    }
    assert!(meter("application/vnd.api+json").is_some());
    let mut head = HeaderMap::new();
    head.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    head.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    assert!(TokenMeter::of_answer(&head).is_none());
}

fn document() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        "[a-z\"\\\\é]{0,30}",
        prop::sample::select(vec![
            "usage",
            "message",
            "response",
            "input_tokens",
            "output_tokens",
            "eval_count",
        ])
        .prop_map(str::to_owned),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[\\PC\"\\\\]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// The same, of a document that is read whole.
fn expected(document: &Value) -> (u64, u64) {
    let documents = match document {
        Value::Array(all) => all.iter().collect(),
        one => vec![one],
    };
    let (mut input, mut output) = (0, 0);
    let mut set = |at: Option<&Value>, name: &str, is_input: bool| {
        if let Some(count) = at.and_then(|at| at.get(name)).and_then(Value::as_u64) {
            *(if is_input { &mut input } else { &mut output }) = count;
        }
    };
    for one in documents.into_iter().filter(|one| one.is_object()) {
        // In the order of names, as they are written.
        for (name, value) in one.as_object().expect("is one") {
            match name.as_str() {
                "eval_count" => set(Some(one), name, false),
                "usage" => {
                    set(Some(value), "input_tokens", true);
                    set(Some(value), "output_tokens", false);
                }
                "message" | "response" => {
                    set(value.get("usage"), "input_tokens", true);
                    set(value.get("usage"), "output_tokens", false);
                }
                _ => {}
            }
        }
    }
    (input, output)
}

proptest! {
    #[test]
    fn it_is_as_if_read_whole(document in document(), cuts in prop::collection::vec(1usize..20, 1..40), as_events in any::<bool>(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&document) } else { serde_json::to_string(&document) };
        let mut text = text.expect("is written");
        if as_events {
            text = format!("event: x\ndata: {}\n\n", text.replace('\n', "\ndata: "));
        }
        let kind = if as_events { "text/event-stream" } else { "application/json" };
        let mut meter = meter(kind).expect("is read");
        let (mut rest, mut cuts) = (text.as_bytes(), cuts.iter().cycle());
        while !rest.is_empty() {
            let cut = cuts.next().map_or(1, |cut| (*cut).min(rest.len()));
            let (part, after) = rest.split_at(cut);
            meter.see(part);
            rest = after;
        }
        let tokens = meter.counted();
        prop_assert_eq!((tokens.input, tokens.output), expected(&document), "{}", text);
    }

    #[test]
    fn any_bytes_are_safe(bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"{}[],:\"\\0123\ndata:-".to_vec())], 0..400), as_events in any::<bool>()) {
        let kind = if as_events { "text/event-stream" } else { "application/json" };
        let mut meter = meter(kind).expect("is read");
        meter.see(&bytes);
        meter.see(&b"[".repeat(100));
        let _ = meter.counted();
    }
}
