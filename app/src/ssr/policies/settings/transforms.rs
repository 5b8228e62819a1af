//! Changes to requests and answers, and answers made here: the transforms, `mock` and `compression`.

use super::{Reads, Section, Setting, setting};

pub(super) const REQUEST_TRANSFORM: &[Section] = &[
    Section {
        title: "Request line",
        switch: None,
        settings: &[
            setting(
                "method",
                "Method",
                "POST",
                "Empty: the caller's.",
                Reads::Text,
            ),
            setting(
                "path.strip_prefix",
                "Take away",
                "/v1",
                "From the beginning of the path, whole segments only.",
                Reads::Text,
            ),
            setting(
                "path.add_prefix",
                "Put before",
                "/internal",
                "",
                Reads::Text,
            ),
            setting(
                "path.template",
                "Or: the whole new path",
                "/users/{path.id}",
                "With variables.",
                Reads::Text,
            ),
        ],
    },
    Section {
        title: "Headers",
        switch: None,
        settings: HEADERS,
    },
    Section {
        title: "Query",
        switch: None,
        settings: &[
            setting("query.remove", "Remove", "debug", "", Reads::Words),
            setting(
                "query.rename",
                "Rename",
                "q: search",
                "Old name: new name, one a line.",
                Reads::Pairs,
            ),
            setting(
                "query.set",
                "Set",
                "source: gateway",
                "Name: value, one a line.",
                Reads::Pairs,
            ),
            setting("query.append", "Append", "", "", Reads::Pairs),
            setting(
                "query.default",
                "Set where absent",
                "page: 1",
                "",
                Reads::Pairs,
            ),
        ],
    },
    BODY,
];

pub(super) const RESPONSE_TRANSFORM: &[Section] = &[
    Section {
        title: "Status",
        switch: None,
        settings: &[
            setting(
                "on_status",
                "Only answers with",
                "404, 5xx",
                "Empty: all.",
                Reads::Words,
            ),
            setting(
                "status",
                "New status",
                "200",
                "Empty: the upstream's.",
                Reads::Number,
            ),
        ],
    },
    Section {
        title: "Headers",
        switch: None,
        settings: HEADERS,
    },
    BODY,
];

const HEADERS: &[Setting] = &[
    setting("headers.remove", "Remove", "X-Internal", "", Reads::Words),
    setting(
        "headers.rename",
        "Rename",
        "X-Old: X-New",
        "Old name: new name, one a line.",
        Reads::Pairs,
    ),
    setting(
        "headers.set",
        "Set",
        "X-Consumer: {key.name}",
        "Name: value, one a line. Values may have variables: {request.path}, {key.name}, {request.query.page} …",
        Reads::Pairs,
    ),
    setting("headers.append", "Append", "", "", Reads::Pairs),
    setting(
        "headers.default",
        "Set where absent",
        "Accept: application/json",
        "",
        Reads::Pairs,
    ),
];

const BODY: Section = Section {
    title: "Body",
    switch: Some(("body", "Change the JSON body")),
    settings: &[
        setting(
            "body.jq",
            "jq expression",
            "{items: .data, total: (.data | length)}",
            "Variables: $request, $response, $key, $api.",
            Reads::Lines,
        )
        .required(),
        setting(
            "body.max_bytes",
            "Largest body",
            "1048576",
            "Bytes, up to 16 MiB.",
            Reads::Number,
        ),
        setting(
            "body.max_ms",
            "Longest time",
            "250",
            "Milliseconds, up to 5000.",
            Reads::Number,
        ),
    ],
};

pub(super) const MOCK: &[Section] = &[Section {
    title: "The answer",
    switch: None,
    settings: &[
        setting("status", "Status", "200", "", Reads::Number),
        setting(
            "delay_ms",
            "After",
            "0",
            "Milliseconds, up to 30000.",
            Reads::Number,
        ),
        setting(
            "headers",
            "Headers",
            "Cache-Control: no-store",
            "Name: value, one a line.",
            Reads::Pairs,
        ),
        setting("json", "Body as JSON", r#"{"ok": true}"#, "", Reads::Json),
        setting("body", "Or: body as text", "", "", Reads::Lines),
        setting(
            "examples",
            "Further answers by name",
            r#"{"empty": {"status": 404}}"#,
            "Callers choose one by Prefer: example=NAME or Prefer: code=STATUS.",
            Reads::Json,
        ),
    ],
}];

pub(super) const COMPRESSION: &[Section] = &[Section {
    title: "What is compressed",
    switch: None,
    settings: &[
        setting(
            "min_bytes",
            "From",
            "1024",
            "Bytes, up to 1 MiB.",
            Reads::Number,
        ),
        setting(
            "codings",
            "Codings",
            "zstd, br, gzip",
            "The preferred one first. Empty: zstd, br and gzip.",
            Reads::Words,
        ),
        setting(
            "types",
            "Further types",
            "application/wasm",
            "Beside text, JSON, XML, JavaScript and the like.",
            Reads::Words,
        ),
    ],
}];
