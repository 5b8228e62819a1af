//! What is asked of requests and who may send them: `cors` and `validation`.

use super::{Reads, Section, setting};

pub(super) const CORS: &[Section] = &[
    Section {
        title: "Who may call",
        switch: None,
        settings: &[
            setting(
                "allow_origins",
                "Origins",
                "https://app.example.com",
                "One a line. https://*.example.com stands for all sub-domains, * for every site.",
                Reads::List,
            )
            .required(),
            setting(
                "allow_methods",
                "Methods",
                "GET, POST",
                "Empty: GET, HEAD, POST, PUT, PATCH and DELETE.",
                Reads::Words,
            ),
            setting(
                "allow_headers",
                "Headers pages may send",
                "Content-Type, X-Trace",
                "Empty: all that are asked for.",
                Reads::Words,
            ),
            setting(
                "expose_headers",
                "Headers pages may read",
                "X-Total",
                "Beside those that every page may read.",
                Reads::Words,
            ),
        ],
    },
    Section {
        title: "How far",
        switch: None,
        settings: &[
            setting(
                "allow_credentials",
                "Pages may send cookies",
                "",
                "Not together with the origin *.",
                Reads::Flag(false),
            ),
            setting(
                "allow_private_network",
                "Also from public sites to this private address",
                "",
                "",
                Reads::Flag(false),
            ),
            setting(
                "max_age_seconds",
                "Browsers remember it for",
                "600",
                "Seconds, up to a day.",
                Reads::Number,
            ),
        ],
    },
];

pub(super) const VALIDATION: &[Section] = &[
    Section {
        title: "Body",
        switch: None,
        settings: &[
            setting(
                "body_schema",
                "Schema of the body",
                r#"{"type": "object", "required": ["name"]}"#,
                "JSON Schema 2020-12. A body that is not JSON does not fit.",
                Reads::Json,
            ),
            setting(
                "body_required",
                "There has to be a body",
                "",
                "",
                Reads::Flag(false),
            ),
            setting(
                "max_body_bytes",
                "Largest body",
                "1048576",
                "Bytes, up to 16 MiB. A larger one is refused.",
                Reads::Number,
            ),
        ],
    },
    Section {
        title: "Parameters",
        switch: None,
        settings: &[
            setting(
                "query_schema",
                "Schema of the query",
                r#"{"properties": {"page": {"type": "integer"}}}"#,
                "Of an object of the parameters. Texts are read as the types of their properties.",
                Reads::Json,
            ),
            setting(
                "headers_schema",
                "Schema of the headers",
                "",
                "Names in lower case.",
                Reads::Json,
            ),
            setting(
                "path_schema",
                "Schema of what the route captures",
                "",
                "",
                Reads::Json,
            ),
        ],
    },
];
