//! The settings of `upstream`.

use super::{Reads, Section, setting};

const SPLIT_BY: Reads = Reads::Choice(&[
    ("key", "API key"),
    ("address", "Address"),
    ("header", "Header"),
]);

pub(super) const UPSTREAM: &[Section] = &[
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
