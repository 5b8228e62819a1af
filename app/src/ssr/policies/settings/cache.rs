//! The settings of `cache`.

use super::{Reads, Section, setting};

pub(super) const CACHE: &[Section] = &[
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
