//! The settings of every kind of policy that have a field of their own in its form. What is not in
//! the table can be changed as JSON.

use apiverse_contract::policies::PolicyKind;

/// How a setting is typed, and what of it stands in the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// A whole number.
    Number,
    /// A number.
    Decimal,
    /// True or false; what is meant when the document says nothing.
    Flag(bool),
    Text,
    /// A text that may have lines.
    Lines,
    /// One of these, by value and by what is shown; the first is meant when nothing is said.
    Choice(&'static [(&'static str, &'static str)]),
    /// Texts, separated by commas or white space.
    Words,
    /// Whole numbers, the same way.
    Numbers,
    /// Texts, one a line.
    List,
    /// Names and texts: `Name: value`, one a line.
    Pairs,
    /// Names and whole numbers, the same way.
    NumberPairs,
    /// `URL` or `URL weight`, one a line.
    Targets,
    Json,
}

/// A setting of a document.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// `retries.max`
    pub path: &'static str,
    pub label: &'static str,
    pub help: &'static str,
    pub placeholder: &'static str,
    pub reads: Reads,
    /// It stands in the document though nothing was typed, so that its absence is told at its field.
    pub is_required: bool,
}

const fn setting(
    path: &'static str,
    label: &'static str,
    placeholder: &'static str,
    help: &'static str,
    reads: Reads,
) -> Setting {
    Setting {
        path,
        label,
        help,
        placeholder,
        reads,
        is_required: false,
    }
}

impl Setting {
    const fn required(mut self) -> Self {
        self.is_required = true;
        self
    }
}

/// Settings that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    pub title: &'static str,
    /// The object that is there when this is ticked, and the words beside the box.
    pub switch: Option<(&'static str, &'static str)>,
    pub settings: &'static [Setting],
}

/// The sections of a kind's form.
pub const fn of(kind: PolicyKind) -> &'static [Section] {
    match kind {
        PolicyKind::Cors => CORS,
        PolicyKind::Validation => VALIDATION,
        PolicyKind::RequestTransform => REQUEST_TRANSFORM,
        PolicyKind::Mock => MOCK,
        PolicyKind::Cache => CACHE,
        PolicyKind::Upstream => UPSTREAM,
        PolicyKind::ResponseTransform => RESPONSE_TRANSFORM,
        PolicyKind::Compression => COMPRESSION,
    }
}

const CORS: &[Section] = &[
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

const VALIDATION: &[Section] = &[
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

const REQUEST_TRANSFORM: &[Section] = &[
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

const RESPONSE_TRANSFORM: &[Section] = &[
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

const MOCK: &[Section] = &[Section {
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

const CACHE: &[Section] = &[
    Section {
        title: "How long",
        switch: None,
        settings: &[
            setting(
                "default_ttl_seconds",
                "Fresh where the answer does not say",
                "60",
                "Seconds. Empty: only what answers say counts.",
                Reads::Number,
            ),
            setting(
                "max_ttl_seconds",
                "At most",
                "",
                "Seconds, whatever the answer says.",
                Reads::Number,
            ),
            setting(
                "negative_ttl_seconds",
                "By status",
                "404: 10",
                "Status: seconds, one a line.",
                Reads::NumberPairs,
            ),
            setting(
                "heuristic",
                "Judge freshness by Last-Modified",
                "",
                "A tenth of the answer's age, at most a day.",
                Reads::Flag(true),
            ),
            setting(
                "stale_while_revalidate_seconds",
                "Stale while fetched anew",
                "0",
                "Seconds.",
                Reads::Number,
            ),
            setting(
                "stale_if_error_seconds",
                "Stale when the upstream fails",
                "60",
                "Seconds.",
                Reads::Number,
            ),
        ],
    },
    Section {
        title: "Whose answers",
        switch: None,
        settings: &[
            setting(
                "shared_between_keys",
                "All keys share answers",
                "",
                "Also those that do not say that they may be shared.",
                Reads::Flag(false),
            ),
            setting(
                "ignore_cookies",
                "Answers do not depend on cookies",
                "",
                "",
                Reads::Flag(false),
            ),
            setting(
                "ignore_request_directives",
                "Callers cannot ask for newer answers",
                "",
                "",
                Reads::Flag(false),
            ),
            setting(
                "collapse",
                "Fetch an answer once for all who wait",
                "",
                "",
                Reads::Flag(true),
            ),
        ],
    },
    Section {
        title: "What tells answers apart",
        switch: None,
        settings: &[
            setting(
                "key.query_only",
                "Only these parameters",
                "page, size",
                "",
                Reads::Words,
            ),
            setting(
                "key.query_except",
                "Or: all but these",
                "utm_source",
                "",
                Reads::Words,
            ),
            setting(
                "key.headers",
                "These headers too",
                "X-Tier",
                "Beside what Vary says.",
                Reads::Words,
            ),
            setting(
                "tag_fields",
                "Headers with tags",
                "Surrogate-Key, Cache-Tag",
                "Answers are purged by them.",
                Reads::Words,
            ),
            setting(
                "max_object_bytes",
                "Largest answer",
                "4194304",
                "Bytes, up to 64 MiB.",
                Reads::Number,
            ),
            setting(
                "cache_status",
                "Say in Cache-Status what became of a call",
                "",
                "",
                Reads::Flag(true),
            ),
        ],
    },
];

const SPLIT_BY: Reads = Reads::Choice(&[
    ("key", "API key"),
    ("address", "Address"),
    ("header", "Header"),
]);

const UPSTREAM: &[Section] = &[
    Section {
        title: "Targets",
        switch: None,
        settings: &[
            setting(
                "targets",
                "Targets",
                "https://eu.api.example.com 2",
                "One a line: the URL, and its weight where that is not 1. Empty: the API's base URL.",
                Reads::Targets,
            ),
            setting(
                "balancing.method",
                "Chosen by",
                "",
                "",
                Reads::Choice(&[
                    ("least_request", "Fewest calls under way"),
                    ("hash", "The same caller, the same target"),
                ]),
            ),
            setting(
                "balancing.hash_by",
                "Callers told apart by",
                "",
                "",
                SPLIT_BY,
            ),
            setting(
                "balancing.header",
                "Which header",
                "X-Session",
                "",
                Reads::Text,
            ),
        ],
    },
    Section {
        title: "Retries",
        switch: None,
        settings: &[
            setting(
                "retries.max",
                "Further tries",
                "2",
                "Only where it is safe: a method that may be repeated, or nothing was sent.",
                Reads::Number,
            ),
            setting(
                "retries.statuses",
                "After these statuses",
                "502, 503, 504",
                "",
                Reads::Numbers,
            ),
            setting(
                "retries.per_try_timeout_ms",
                "Time for one try",
                "",
                "Milliseconds until its answer begins.",
                Reads::Number,
            ),
            setting(
                "retries.budget_percent",
                "At most",
                "20",
                "Percent of the calls.",
                Reads::Number,
            ),
        ],
    },
    Section {
        title: "Health",
        switch: Some(("checks", "Ask targets whether they are well")),
        settings: &[
            setting("checks.path", "Path", "/healthz", "", Reads::Text),
            setting(
                "checks.interval_ms",
                "Every",
                "1000",
                "Milliseconds.",
                Reads::Number,
            ),
            setting(
                "checks.timeout_ms",
                "Time to answer",
                "1000",
                "Milliseconds.",
                Reads::Number,
            ),
            setting(
                "checks.unhealthy",
                "Out after",
                "2",
                "Bad answers in a row.",
                Reads::Number,
            ),
            setting(
                "checks.healthy",
                "Back after",
                "2",
                "Good answers in a row.",
                Reads::Number,
            ),
        ],
    },
    Section {
        title: "Ejection",
        switch: None,
        settings: &[
            setting(
                "ejection.enabled",
                "Targets that calls fail on get none for a while",
                "",
                "",
                Reads::Flag(true),
            ),
            setting(
                "ejection.consecutive_failures",
                "After failed calls in a row",
                "3",
                "",
                Reads::Number,
            ),
            setting(
                "ejection.failure_percent",
                "Or percent of the calls",
                "50",
                "",
                Reads::Number,
            ),
            setting(
                "ejection.base_ms",
                "For",
                "2000",
                "Milliseconds, twice as long each time.",
                Reads::Number,
            ),
        ],
    },
    Section {
        title: "Circuit",
        switch: Some(("breaker", "Refuse calls while most of them fail")),
        settings: &[
            setting(
                "breaker.failure_percent",
                "Opens at",
                "50",
                "Percent of failed calls.",
                Reads::Number,
            ),
            setting(
                "breaker.window_seconds",
                "Of the last",
                "10",
                "Seconds.",
                Reads::Number,
            ),
            setting(
                "breaker.min_calls",
                "With at least",
                "20",
                "Calls.",
                Reads::Number,
            ),
            setting(
                "breaker.open_ms",
                "Stays open for",
                "10000",
                "Milliseconds.",
                Reads::Number,
            ),
            setting(
                "breaker.trials",
                "Calls that are tried then",
                "3",
                "",
                Reads::Number,
            ),
        ],
    },
    Section {
        title: "Time limits",
        switch: None,
        settings: &[
            setting(
                "timeouts.connect_ms",
                "To connect",
                "",
                "Milliseconds. Empty: the API's own.",
                Reads::Number,
            ),
            setting(
                "timeouts.first_byte_ms",
                "Until the answer begins",
                "",
                "Milliseconds.",
                Reads::Number,
            ),
            setting(
                "timeouts.idle_ms",
                "Silence inside a body",
                "",
                "Milliseconds.",
                Reads::Number,
            ),
            setting(
                "timeouts.total_ms",
                "The whole call",
                "",
                "Milliseconds, all tries included.",
                Reads::Number,
            ),
        ],
    },
    Section {
        title: "Hedging",
        switch: Some(("hedging", "Ask a second target when the first takes long")),
        settings: &[setting(
            "hedging.after_ms",
            "After",
            "200",
            "Milliseconds. The answer that begins first is passed on.",
            Reads::Number,
        )
        .required()],
    },
    Section {
        title: "Canary",
        switch: Some(("canary", "A part of the calls goes to other targets")),
        settings: &[
            setting(
                "canary.targets",
                "Targets",
                "https://canary.example.com",
                "One a line.",
                Reads::Targets,
            )
            .required(),
            setting(
                "canary.percent",
                "Percent",
                "5",
                "Of the callers.",
                Reads::Decimal,
            ),
            setting("canary.by", "Callers told apart by", "", "", SPLIT_BY),
            setting("canary.header", "Which header", "X-Beta", "", Reads::Text),
            setting(
                "canary.values",
                "Its values that always go there",
                "yes",
                "",
                Reads::Words,
            ),
            setting(
                "canary.keys",
                "Keys that always go there",
                "",
                "Ids.",
                Reads::Words,
            ),
        ],
    },
    Section {
        title: "Mirror",
        switch: Some(("mirror", "Send copies of calls to another place")),
        settings: &[
            setting(
                "mirror.url",
                "URL",
                "https://shadow.example.com",
                "Nobody sees its answers.",
                Reads::Text,
            )
            .required(),
            setting(
                "mirror.percent",
                "Percent",
                "100",
                "Of the calls.",
                Reads::Decimal,
            ),
        ],
    },
    Section {
        title: "Connection",
        switch: None,
        settings: &[
            setting(
                "http_version",
                "HTTP",
                "",
                "",
                Reads::Choice(&[
                    ("auto", "What both sides prefer"),
                    ("http1", "HTTP/1.1"),
                    ("http2", "HTTP/2"),
                ]),
            ),
            setting(
                "dns_refresh_seconds",
                "Names are resolved anew after",
                "30",
                "Seconds.",
                Reads::Number,
            ),
        ],
    },
    Section {
        title: "TLS",
        switch: Some(("tls", "Certificates of our own")),
        settings: &[
            setting(
                "tls.ca",
                "Trusted certificates",
                "-----BEGIN CERTIFICATE-----",
                "PEM, instead of the system's.",
                Reads::Lines,
            ),
            setting(
                "tls.client_certificate",
                "Client certificate",
                "-----BEGIN CERTIFICATE-----",
                "PEM, with what leads to its root.",
                Reads::Lines,
            ),
            setting(
                "tls.client_key",
                "Its private key",
                "-----BEGIN PRIVATE KEY-----",
                "PEM. Stored encrypted; shown as sealed: ….",
                Reads::Lines,
            ),
            setting(
                "tls.server_name",
                "Name that is verified",
                "",
                "Empty: the target's host.",
                Reads::Text,
            ),
            setting(
                "tls.verify",
                "Verify certificates",
                "",
                "Without it whoever is on the way can read and change what is sent.",
                Reads::Flag(true),
            ),
        ],
    },
];

const COMPRESSION: &[Section] = &[Section {
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
