//! Every setting there is: the one list that reading, redaction, hints and docs go by.

/// One setting.
#[derive(Debug)]
pub struct Known {
    /// Environment variable, and the name the setting has in messages.
    pub variable: &'static str,
    /// Key in the config file, dots between tables.
    pub key: &'static str,
    pub default: Preset,
    pub visibility: Visibility,
    /// What it means, for docs/configuration.md.
    pub meaning: &'static str,
}

/// What a setting is when nobody sets it.
#[derive(Clone, Copy, Debug)]
pub enum Preset {
    /// Not set.
    None,
    Value(&'static str),
    /// Depends on other settings; the text says how.
    Derived(&'static str),
}

/// How much of a value may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    Public,
    /// A URL that may have a password inside: the rest of it may be shown.
    SecretUrl,
    Secret,
}

impl Known {
    /// Whether the setting can also be given as `NAME_FILE`.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.visibility != Visibility::Public
    }
}

/// Variables that are read though they are no settings of their own.
pub const OTHER_VARIABLES: [&str; 2] = ["APIVERSE_CONFIG", "LEPTOS_SITE_ROOT"];

/// Finds a setting by its environment variable.
#[must_use]
pub fn by_variable(variable: &str) -> Option<&'static Known> {
    SETTINGS.iter().find(|known| known.variable == variable)
}

/// Finds a setting by its key in the config file.
#[must_use]
pub fn by_key(key: &str) -> Option<&'static Known> {
    SETTINGS.iter().find(|known| known.key == key)
}

const fn public(
    variable: &'static str,
    key: &'static str,
    default: Preset,
    meaning: &'static str,
) -> Known {
    Known {
        variable,
        key,
        default,
        visibility: Visibility::Public,
        meaning,
    }
}

const fn secret(variable: &'static str, key: &'static str, meaning: &'static str) -> Known {
    Known {
        variable,
        key,
        default: Preset::None,
        visibility: Visibility::Secret,
        meaning,
    }
}

const GENERATED: Preset = Preset::Derived("generated into `data/secrets.toml`; none in production");

/// All settings, in the order they are shown in.
pub static SETTINGS: &[Known] = &[
    public(
        "ENVIRONMENT",
        "environment",
        Preset::Value("development"),
        "`development`, `test` or `production`. Production refuses weak secrets, plain HTTP and `DEBUG`",
    ),
    public(
        "DEBUG",
        "debug",
        Preset::Value("false"),
        "More detail in logs; refused in production",
    ),
    public(
        "APIVERSE_SAMPLE",
        "sample",
        Preset::Derived("`true`; `false` in production"),
        "Serve the built-in sample upstream, and register it with a key on first start",
    ),
    public(
        "APIVERSE_ADDR",
        "server.addr",
        Preset::Value("0.0.0.0:8000"),
        "Address and port to listen on",
    ),
    public(
        "APIVERSE_GATEWAY_ADDR",
        "server.gateway_addr",
        Preset::None,
        "A further listener that answers nothing but calls below `/proxy`",
    ),
    public(
        "APIVERSE_TLS_ADDR",
        "server.tls_addr",
        Preset::None,
        "A further listener that speaks TLS (HTTP/2 and HTTP/1.1)",
    ),
    public(
        "APIVERSE_TLS_CERTIFICATE",
        "server.tls_certificate",
        Preset::None,
        "PEM file with its certificate chain; read again at SIGHUP",
    ),
    public(
        "APIVERSE_TLS_KEY",
        "server.tls_key",
        Preset::None,
        "PEM file with the certificate's private key; read again at SIGHUP",
    ),
    public(
        "APIVERSE_METRICS_ADDR",
        "server.metrics_addr",
        Preset::None,
        "A listener of its own for metrics, which are then nowhere else",
    ),
    public(
        "METRICS_ENDPOINT",
        "server.metrics_endpoint",
        Preset::Value("/metrics"),
        "Path of the Prometheus metrics",
    ),
    public(
        "APIVERSE_PUBLIC_URL",
        "server.public_url",
        Preset::None,
        "Where people reach the console, such as `https://api.example.com`; https in production",
    ),
    public(
        "ALLOWED_ORIGINS",
        "server.allowed_origins",
        Preset::None,
        "Origins whose pages may call the REST API (CORS), or `*`; https only in production",
    ),
    public(
        "ALLOWED_HOSTS",
        "server.allowed_hosts",
        Preset::None,
        "Host names requests may be for, `*.example.com` for all below; without it any",
    ),
    public(
        "TRUSTED_PROXIES",
        "server.trusted_proxies",
        Preset::None,
        "Networks of load balancers whose `Forwarded` and `X-Forwarded-*` headers are believed",
    ),
    public(
        "APIVERSE_DATA_DIR",
        "server.data_dir",
        Preset::Value("data/"),
        "Folder for everything that is kept: the embedded database, generated secrets, files",
    ),
    public(
        "APIVERSE_SITE_ROOT",
        "server.site_root",
        Preset::Derived("`site` beside the program, else `LEPTOS_SITE_ROOT`, else `target/site`"),
        "Folder of the console's static files",
    ),
    public(
        "APIVERSE_WORKER_THREADS",
        "server.worker_threads",
        Preset::Derived("one per core"),
        "Threads that serve requests, 1 to 1024",
    ),
    Known {
        variable: "DATABASE_URL",
        key: "database.url",
        default: Preset::Derived("`sqlite://{data_dir}/apiverse.db`"),
        visibility: Visibility::SecretUrl,
        meaning: "`sqlite://…` or `postgres://…` with `sslmode`; `postgresql+asyncpg://…` with `ssl` is understood",
    },
    Known {
        variable: "REDIS_URL",
        key: "redis.url",
        default: Preset::None,
        visibility: Visibility::SecretUrl,
        meaning: "`redis://…` or `rediss://…`; without it one node keeps counters and cache in process",
    },
    secret(
        "REDIS_PASSWORD",
        "redis.password",
        "Password for `REDIS_URL`, when there is none inside it",
    ),
    Known {
        variable: "SECRET_KEY",
        key: "security.secret_key",
        default: GENERATED,
        visibility: Visibility::Secret,
        meaning: "Encrypts upstream credentials at rest; at least 32 random bytes",
    },
    secret(
        "SECRET_KEY_PREVIOUS",
        "security.secret_key_previous",
        "Former values of `SECRET_KEY`, so that what they encrypted stays readable",
    ),
    Known {
        variable: "JWT_SECRET",
        key: "security.jwt_secret",
        default: GENERATED,
        visibility: Visibility::Secret,
        meaning: "Signs access tokens",
    },
    secret(
        "JWT_SECRET_PREVIOUS",
        "security.jwt_secret_previous",
        "Former values of `JWT_SECRET`, so that access tokens they signed are good until they expire",
    ),
    Known {
        variable: "JWT_REFRESH_SECRET",
        key: "security.jwt_refresh_secret",
        default: GENERATED,
        visibility: Visibility::Secret,
        meaning: "Keys the hashes of refresh tokens, access tokens and links: with another one they all end",
    },
    public(
        "JWT_ALGORITHM",
        "security.jwt_algorithm",
        Preset::Value("HS256"),
        "Only `HS256`; anything else is refused",
    ),
    public(
        "JWT_EXPIRATION",
        "security.jwt_expiration",
        Preset::Value("86400"),
        "Life of an access token in seconds, 60 to 2592000",
    ),
    secret(
        "UNIFIED_API_KEY",
        "security.unified_api_key",
        "A key for the REST API that is not bound to an account, for automation of the whole installation",
    ),
    public(
        "REGISTRATION_BY_EMAIL",
        "security.registration_by_email",
        Preset::Derived("`true` when Mailgun is set up"),
        "Whether an account is made only once the link sent to its address is followed",
    ),
    public(
        "BREACHED_PASSWORDS_FILE",
        "security.breached_passwords_file",
        Preset::None,
        "A file of SHA-1 hashes of passwords that were stolen elsewhere, in order, as Have I Been Pwned's downloader writes it: nobody may choose one of them",
    ),
    public(
        "AUDIT_RETENTION_DAYS",
        "security.audit_retention_days",
        Preset::Value("0"),
        "Days that lines of the audit log are kept; 0: for ever",
    ),
    public(
        "ALLOW_PRIVATE_UPSTREAMS",
        "egress.allow_private_upstreams",
        Preset::None,
        "Private networks upstreams may be in, such as `10.0.0.0/8,127.0.0.1/32`; all are refused otherwise",
    ),
    public(
        "APIVERSE_CONNECT_TIMEOUT",
        "gateway.connect_timeout",
        Preset::Value("5s"),
        "Time to connect to an upstream",
    ),
    public(
        "APIVERSE_FIRST_BYTE_TIMEOUT",
        "gateway.first_byte_timeout",
        Preset::Value("60s"),
        "Time until an upstream begins to answer",
    ),
    public(
        "APIVERSE_IDLE_TIMEOUT",
        "gateway.idle_timeout",
        Preset::Value("60s"),
        "Time a body may stand still",
    ),
    public(
        "APIVERSE_TUNNEL_IDLE_TIMEOUT",
        "gateway.tunnel_idle_timeout",
        Preset::Value("5m"),
        "Time a WebSocket or other tunnel may be without a byte",
    ),
    public(
        "APIVERSE_TUNNEL_LIFETIME",
        "gateway.tunnel_lifetime",
        Preset::Value("24h"),
        "Time a WebSocket or other tunnel may last",
    ),
    public(
        "APIVERSE_MAX_BODY",
        "gateway.max_body",
        Preset::Value("1GiB"),
        "Largest request body through the gateway",
    ),
    public(
        "APIVERSE_MAX_HEADER_BYTES",
        "gateway.max_header_bytes",
        Preset::Value("64KiB"),
        "Largest request head, 8 KiB to 1 MiB",
    ),
    public(
        "APIVERSE_MAX_HEADERS",
        "gateway.max_headers",
        Preset::Value("100"),
        "Most header fields of a request, 16 to 1000",
    ),
    public(
        "APIVERSE_MAX_CALLS",
        "gateway.max_calls",
        Preset::Value("16384"),
        "Calls under way at once on this node; more are refused, those with test keys first",
    ),
    public(
        "APIVERSE_KEYS_IN_MEMORY",
        "gateway.keys_in_memory",
        Preset::Value("100000"),
        "API keys held in memory, about 0.6 KiB each; further ones are read when they are used",
    ),
    public(
        "APIVERSE_CACHE_BYTES",
        "gateway.cache_bytes",
        Preset::Value("256MiB"),
        "Memory of the response cache, 1 MiB to 1 TiB",
    ),
    public(
        "APIVERSE_CACHE_SHARED",
        "gateway.cache_shared",
        Preset::Value("true"),
        "Whether nodes share stored answers through Redis, where there is one",
    ),
    public(
        "APIVERSE_CACHE_SHARED_WAIT",
        "gateway.cache_shared_wait",
        Preset::Value("20ms"),
        "Longest that a call waits for an answer of Redis",
    ),
    public(
        "APIVERSE_CACHE_SHARED_ENTRY",
        "gateway.cache_shared_entry",
        Preset::Value("1MiB"),
        "Largest answer that is shared, 1 KiB to 16 MiB",
    ),
    public(
        "RATE_LIMIT_LEGACY_HEADERS",
        "gateway.rate_limit_legacy_headers",
        Preset::Value("false"),
        "Whether answers carry `X-RateLimit-Limit`, `-Remaining` and `-Reset` beside `RateLimit`",
    ),
    public(
        "USAGE_RETENTION_DAYS",
        "usage.retention_days",
        Preset::Value("30"),
        "Days that recorded calls are kept; 0: for ever",
    ),
    public(
        "USAGE_SUMS_DAYS",
        "usage.sums_days",
        Preset::Value("400"),
        "Days that sums of calls by hour and day are kept, from which charts are drawn",
    ),
    public(
        "USAGE_MINUTES_DAYS",
        "usage.minutes_days",
        Preset::Value("8"),
        "Days that sums of calls by minute are kept",
    ),
    public(
        "USAGE_JOURNAL_MAX_BYTES",
        "usage.journal_max_bytes",
        Preset::Value("1GiB"),
        "Most disk space for recorded calls that the database does not have yet, 16 MiB to 1 TiB; 1 GiB is about six million calls",
    ),
    public(
        "USAGE_JOURNAL_SYNC",
        "usage.journal_sync",
        Preset::Value("1s"),
        "How old a recorded call may become that neither the database nor the disk has for good: what a loss of power can cost",
    ),
    public(
        "USAGE_QUESTIONS",
        "usage.questions",
        Preset::Value("8"),
        "Questions about usage that a node works on at once, 1 to 256, at most half of them an organization's; others wait for a few seconds, then get 503 with `Retry-After`",
    ),
    public(
        "REPORT_STORE",
        "reports.store",
        Preset::Derived("`{data_dir}/reports`"),
        "Where [reports](reports.md) are kept: a folder, or `s3://bucket/prefix`",
    ),
    public(
        "REPORT_RETENTION_DAYS",
        "reports.retention_days",
        Preset::Value("400"),
        "Days that reports are kept",
    ),
    public(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "telemetry.otlp_endpoint",
        Preset::None,
        "Base address of an OpenTelemetry receiver that takes OTLP over HTTP: `http://collector:4318`; traces and metrics are sent there",
    ),
    public(
        "OTEL_SDK_DISABLED",
        "telemetry.otlp_disabled",
        Preset::Value("false"),
        "Send nothing there all the same",
    ),
    secret(
        "OTEL_EXPORTER_OTLP_HEADERS",
        "telemetry.otlp_headers",
        "Headers for it: `name=value,name=value`, percent-encoded",
    ),
    public(
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "telemetry.otlp_protocol",
        Preset::Value("http/protobuf"),
        "Only `http/protobuf`; anything else is refused",
    ),
    public(
        "OTEL_EXPORTER_OTLP_TIMEOUT",
        "telemetry.otlp_timeout",
        Preset::Value("10000"),
        "Milliseconds until it must have answered, 100 to 60000",
    ),
    public(
        "OTEL_SERVICE_NAME",
        "telemetry.service_name",
        Preset::Value("apiverse"),
        "`service.name` of what is sent",
    ),
    public(
        "OTEL_RESOURCE_ATTRIBUTES",
        "telemetry.resource_attributes",
        Preset::None,
        "Further attributes of the node: `name=value,name=value`, percent-encoded",
    ),
    public(
        "OTEL_TRACES_EXPORTER",
        "telemetry.traces_exporter",
        Preset::Value("otlp"),
        "`otlp` or `none`",
    ),
    public(
        "OTEL_TRACES_SAMPLER",
        "telemetry.traces_sampler",
        Preset::Value("parentbased_traceidratio"),
        "`always_on`, `always_off`, `traceidratio`, `parentbased_always_on`, `parentbased_always_off` or `parentbased_traceidratio`: parent-based ones do as the caller's `traceparent` says, if there is one",
    ),
    public(
        "OTEL_TRACES_SAMPLER_ARG",
        "telemetry.traces_sampler_arg",
        Preset::Value("0.01"),
        "Which part of traces is kept, 0 to 1, for samplers with a ratio",
    ),
    public(
        "OTEL_BSP_MAX_QUEUE_SIZE",
        "telemetry.bsp_max_queue_size",
        Preset::Value("2048"),
        "Sampled calls that wait to be sent, 16 to 65536; more are dropped, and counted",
    ),
    public(
        "OTEL_BSP_SCHEDULE_DELAY",
        "telemetry.bsp_schedule_delay",
        Preset::Value("5000"),
        "Milliseconds between two batches of traces, 10 to 60000",
    ),
    public(
        "OTEL_METRICS_EXPORTER",
        "telemetry.metrics_exporter",
        Preset::Value("otlp"),
        "`otlp` or `none`",
    ),
    public(
        "OTEL_METRIC_EXPORT_INTERVAL",
        "telemetry.metric_export_interval",
        Preset::Value("60000"),
        "Milliseconds between two sendings of metrics, 100 to 3600000; of the embedded metric format too",
    ),
    public(
        "AWS_EMF_AGENT_ENDPOINT",
        "telemetry.emf_endpoint",
        Preset::None,
        "Where metrics go in CloudWatch's embedded metric format: `stdout`, or the CloudWatch agent as `tcp://127.0.0.1:25888`",
    ),
    public(
        "AWS_EMF_NAMESPACE",
        "telemetry.emf_namespace",
        Preset::Value("APIverse"),
        "CloudWatch namespace of these metrics",
    ),
    public(
        "LOG_LEVEL",
        "logging.level",
        Preset::Derived("`info`; `debug` with `DEBUG`"),
        "`trace`, `debug`, `info`, `warn`, `error`, `off`, also by module: `info,apiverse_gateway=debug`",
    ),
    public(
        "LOG_FORMAT",
        "logging.format",
        Preset::Derived("`pretty`; `json` in production"),
        "`pretty` for people, `json` for machines",
    ),
    public(
        "APIVERSE_ADMIN_EMAIL",
        "bootstrap.admin_email",
        Preset::None,
        "E-mail address of the first account, created on first start",
    ),
    secret(
        "APIVERSE_ADMIN_PASSWORD",
        "bootstrap.admin_password",
        "Password of the first account; without it one is generated and shown once",
    ),
    public(
        "OIDC_ISSUER",
        "sign_in.oidc.issuer",
        Preset::None,
        "Issuer of an OpenID Connect provider people may sign in at; see [sign-in](sign-in.md)",
    ),
    public(
        "OIDC_CLIENT_ID",
        "sign_in.oidc.client_id",
        Preset::None,
        "Who this installation is there",
    ),
    secret(
        "OIDC_CLIENT_SECRET",
        "sign_in.oidc.client_secret",
        "Proves it; without it this is a public client",
    ),
    public(
        "OIDC_NAME",
        "sign_in.oidc.name",
        Preset::Derived("the issuer's host"),
        "What people call the provider: `Continue with` and this",
    ),
    public(
        "OIDC_SCOPES",
        "sign_in.oidc.scopes",
        Preset::Value("email profile"),
        "What is asked for beside `openid`",
    ),
    public(
        "OIDC_2_ISSUER",
        "sign_in.oidc_2.issuer",
        Preset::None,
        "A second provider. See `OIDC_ISSUER`",
    ),
    public(
        "OIDC_2_CLIENT_ID",
        "sign_in.oidc_2.client_id",
        Preset::None,
        "A second provider. See `OIDC_CLIENT_ID`",
    ),
    secret(
        "OIDC_2_CLIENT_SECRET",
        "sign_in.oidc_2.client_secret",
        "A second provider. See `OIDC_CLIENT_SECRET`",
    ),
    public(
        "OIDC_2_NAME",
        "sign_in.oidc_2.name",
        Preset::Derived("the issuer's host"),
        "A second provider. See `OIDC_NAME`",
    ),
    public(
        "OIDC_2_SCOPES",
        "sign_in.oidc_2.scopes",
        Preset::Value("email profile"),
        "A second provider. See `OIDC_SCOPES`",
    ),
    public(
        "OIDC_3_ISSUER",
        "sign_in.oidc_3.issuer",
        Preset::None,
        "A third provider. See `OIDC_ISSUER`",
    ),
    public(
        "OIDC_3_CLIENT_ID",
        "sign_in.oidc_3.client_id",
        Preset::None,
        "A third provider. See `OIDC_CLIENT_ID`",
    ),
    secret(
        "OIDC_3_CLIENT_SECRET",
        "sign_in.oidc_3.client_secret",
        "A third provider. See `OIDC_CLIENT_SECRET`",
    ),
    public(
        "OIDC_3_NAME",
        "sign_in.oidc_3.name",
        Preset::Derived("the issuer's host"),
        "A third provider. See `OIDC_NAME`",
    ),
    public(
        "OIDC_3_SCOPES",
        "sign_in.oidc_3.scopes",
        Preset::Value("email profile"),
        "A third provider. See `OIDC_SCOPES`",
    ),
    public(
        "CLERK_ENABLED",
        "integrations.clerk.enabled",
        Preset::Value("false"),
        "Sign in through Clerk; see [sign-in](sign-in.md)",
    ),
    secret(
        "CLERK_SECRET_KEY",
        "integrations.clerk.secret_key",
        "`sk_…`: asks Clerk who somebody is",
    ),
    public(
        "CLERK_PUBLISHABLE_KEY",
        "integrations.clerk.publishable_key",
        Preset::None,
        "`pk_…`: holds the address of the instance's Frontend API, the issuer of its tokens",
    ),
    secret(
        "CLERK_WEBHOOK_SECRET",
        "integrations.clerk.webhook_secret",
        "`whsec_…`: verifies what Clerk posts to `/webhooks/clerk`; without it nothing of that is believed",
    ),
    public(
        "CLERK_AUTHORIZED_PARTIES",
        "integrations.clerk.authorized_parties",
        Preset::None,
        "Origins whose tokens are taken beside this installation's own, with commas between them",
    ),
    public(
        "CLERK_FRONTEND_API_URL",
        "integrations.clerk.frontend_api_url",
        Preset::Derived("from `CLERK_PUBLISHABLE_KEY`"),
        "Address of the Frontend API, where a proxy stands before it",
    ),
    public(
        "CLERK_API_URL",
        "integrations.clerk.api_url",
        Preset::Value("https://api.clerk.com"),
        "Address of the Backend API",
    ),
    public(
        "CLERK_SIGN_IN_URL",
        "integrations.clerk.sign_in_url",
        Preset::Derived("the instance's Account Portal"),
        "Clerk's hosted sign-in page",
    ),
    public(
        "STRIPE_ENABLED",
        "integrations.stripe.enabled",
        Preset::Value("false"),
        "Bill through Stripe. Checked and kept, not used by this version",
    ),
    secret(
        "STRIPE_SECRET_KEY",
        "integrations.stripe.secret_key",
        "`sk_…` or `rk_…`. Not used by this version",
    ),
    public(
        "STRIPE_PUBLISHABLE_KEY",
        "integrations.stripe.publishable_key",
        Preset::None,
        "`pk_…`. Not used by this version",
    ),
    secret(
        "STRIPE_WEBHOOK_SECRET",
        "integrations.stripe.webhook_secret",
        "`whsec_…`. Not used by this version",
    ),
    public(
        "STRIPE_WEBHOOK_TOLERANCE",
        "integrations.stripe.webhook_tolerance",
        Preset::Value("300"),
        "Largest age of a signed webhook in seconds. Not used by this version",
    ),
    public(
        "STRIPE_PRICE_ID",
        "integrations.stripe.price_id",
        Preset::None,
        "`price_…`. Not used by this version",
    ),
    secret(
        "MAILGUN_API_KEY",
        "integrations.mailgun.api_key",
        "Sends e-mail through Mailgun, with `MAILGUN_DOMAIN`; without it e-mail ends in the outbox",
    ),
    public(
        "MAILGUN_DOMAIN",
        "integrations.mailgun.domain",
        Preset::None,
        "Sending domain",
    ),
    public(
        "MAILGUN_FROM_EMAIL",
        "integrations.mailgun.from_email",
        Preset::Derived("`no-reply@` and the domain"),
        "Sender",
    ),
    public(
        "MAILGUN_REGION",
        "integrations.mailgun.region",
        Preset::Value("us"),
        "Where the domain lives: `us` or `eu`",
    ),
    public(
        "MAILGUN_URL",
        "integrations.mailgun.url",
        Preset::None,
        "Base address of the API, in place of the region's",
    ),
    secret(
        "MAILGUN_WEBHOOK_SIGNING_KEY",
        "integrations.mailgun.webhook_signing_key",
        "Verifies what Mailgun posts to `/webhooks/mailgun`; without it nothing of that is believed",
    ),
    public(
        "TWILIO_ACCOUNT_SID",
        "integrations.twilio.account_sid",
        Preset::None,
        "`AC` and 32 hex characters",
    ),
    secret(
        "TWILIO_AUTH_TOKEN",
        "integrations.twilio.auth_token",
        "Sends text messages through Twilio, and verifies what Twilio posts to `/webhooks/twilio`",
    ),
    public(
        "TWILIO_FROM_NUMBER",
        "integrations.twilio.from_number",
        Preset::None,
        "Sender, E.164: `+15551234567`",
    ),
    public(
        "TWILIO_REGION",
        "integrations.twilio.region",
        Preset::None,
        "Where the account lives: `ie1`, `au1`; the United States when not set",
    ),
    public(
        "TWILIO_EDGE",
        "integrations.twilio.edge",
        Preset::None,
        "Where Twilio's network is entered: `dublin`",
    ),
    public(
        "TWILIO_URL",
        "integrations.twilio.url",
        Preset::None,
        "Base address of the API, in place of the region's",
    ),
    public(
        "CLIO_CLIENT_ID",
        "integrations.clio.client_id",
        Preset::None,
        "Not used by this version",
    ),
    secret(
        "CLIO_CLIENT_SECRET",
        "integrations.clio.client_secret",
        "Not used by this version",
    ),
    public(
        "AWS_SECRETS_ENABLED",
        "integrations.aws.secrets_enabled",
        Preset::Value("false"),
        "Read secrets from AWS Secrets Manager. Not supported by this version: `true` is refused",
    ),
    public(
        "AWS_SECRETS_NAME",
        "integrations.aws.secrets_name",
        Preset::None,
        "Name of the secret. Not used by this version",
    ),
    public(
        "SECRETS_ARN",
        "integrations.aws.secrets_arn",
        Preset::None,
        "ARN of the secret, in place of its name. Not used by this version",
    ),
    public(
        "AWS_REGION",
        "integrations.aws.region",
        Preset::None,
        "Region of the bucket of `REPORT_STORE`, such as `eu-central-1`; `us-east-1` when not set",
    ),
    public(
        "AWS_ENDPOINT_URL",
        "integrations.aws.endpoint_url",
        Preset::None,
        "Where the bucket is, in place of AWS: any service that speaks S3",
    ),
    public(
        "AWS_ACCESS_KEY_ID",
        "integrations.aws.access_key_id",
        Preset::None,
        "Key that may read, write and delete in the bucket",
    ),
    secret(
        "AWS_SECRET_ACCESS_KEY",
        "integrations.aws.secret_access_key",
        "Its secret",
    ),
];
