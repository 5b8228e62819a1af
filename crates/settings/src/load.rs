//! Putting the layers together and making settings of them.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use figment::Figment;
use url::Url;

use crate::flags::Flags;
use crate::inputs::Inputs;
use crate::layers::{self, Layer, LayerTexts, find, stack};
use crate::parse::{self, Complaint, Parsed};
use crate::problem::{SettingProblem, SettingProblems};
use crate::read::Reader;
use crate::redacted::Redacted;
use crate::secret::Secret;
use crate::secrets::{self, GENERATED, SECRETS_FILE};
use crate::settings::{
    BootstrapSettings, DatabaseKind, DatabaseSettings, EgressSettings, Environment,
    GatewaySettings, JwtAlgorithm, LogFormat, LoggingSettings, RedisSettings, SecuritySettings,
    ServerSettings, Settings, TlsSettings, UsageSettings,
};
use crate::{database_url, file, integrations, reports, sign_in, telemetry, validate};

/// What to do about secrets that are missing outside production.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstStart {
    /// Generate them and write `secrets.toml`: for commands that run the installation.
    Create,
    /// Leave the disk as it is: for commands that only look. The settings hold secrets that are
    /// thrown away afterwards.
    Preview,
}

impl Settings {
    /// Reads the configuration: defaults < config file < generated secrets < secret files <
    /// environment < flags.
    ///
    /// # Errors
    /// Every problem found, never only the first.
    pub fn load(
        inputs: &Inputs,
        flags: &Flags,
        first_start: FirstStart,
    ) -> Result<Self, SettingProblems> {
        let mut problems = Vec::new();
        let defaults = layers::defaults();
        let config = file::read(inputs, flags.config.as_deref(), &mut problems);
        let environment = layers::environment(inputs, &mut problems);
        let flags = flags.layer();

        let early = Early::read(&stack([&defaults, &config, &environment, &flags]), inputs);
        let derived = early.derived_defaults(inputs);
        let secrets_path = early.data_dir.join(SECRETS_FILE);
        let kept = layers::generated_secrets(&secrets_path, &mut problems);
        let secret_files = layers::secret_files(inputs, &mut problems);
        let layers_with = |generated: &LayerTexts| {
            stack([
                &defaults,
                &derived,
                &config,
                generated,
                &secret_files,
                &environment,
                &flags,
            ])
        };

        let mut created = None;
        let figment = match kept {
            Some(kept) => layers_with(&kept),
            None => {
                let none = layers_with(&LayerTexts::new(Layer::Generated));
                let missing: Vec<(&'static str, Secret)> = GENERATED
                    .into_iter()
                    .filter(|variable| find(&none, variable).is_none())
                    .map(|variable| (variable, secrets::generate_secret()))
                    .collect();
                if missing.is_empty() || early.environment.is_production() {
                    none
                } else {
                    let texts = missing
                        .iter()
                        .map(|(name, text)| (*name, text.expose().to_owned()));
                    let figment = layers_with(&LayerTexts::with(Layer::Generated, texts));
                    created = Some(missing);
                    figment
                }
            }
        };

        let mut reader = Reader::new(&figment, problems);
        let mut settings = read(&mut reader, inputs, Redacted::of(&figment));
        validate::check(&settings, &mut reader);
        if !reader.problems.is_empty() {
            return Err(SettingProblems(reader.problems));
        }
        if let (Some(created), FirstStart::Create) = (created, first_start) {
            match secrets::create_file(&secrets_path, &created) {
                Ok(()) => settings.secrets_created = Some(secrets_path),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    return settings.with_secrets_of_another(&secrets_path);
                }
                Err(error) => return Err(unwritable(&secrets_path, &error)),
            }
        }
        Ok(settings)
    }

    /// Two processes started at the same time for the first time: the other one's file counts.
    fn with_secrets_of_another(mut self, path: &Path) -> Result<Self, SettingProblems> {
        let mut problems = Vec::new();
        let theirs = layers::generated_secrets(path, &mut problems)
            .unwrap_or_else(|| LayerTexts::new(Layer::Generated));
        for (variable, secret) in [
            ("SECRET_KEY", &mut self.security.secret_key),
            ("JWT_SECRET", &mut self.security.jwt_secret),
            ("JWT_REFRESH_SECRET", &mut self.security.jwt_refresh_secret),
        ] {
            let generated = self.redacted.get(variable).map(|shown| shown.layer);
            if generated != Some(Layer::Generated) {
                continue;
            }
            match theirs.texts.get(variable) {
                Some(text) => *secret = Secret::from(text.as_str()),
                None => problems.push(validate::missing_secret(variable)),
            }
        }
        if problems.is_empty() {
            Ok(self)
        } else {
            Err(SettingProblems(problems))
        }
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> SettingProblems {
    SettingProblems(vec![SettingProblem::new(
        "APIVERSE_DATA_DIR",
        format!(
            "cannot write `{}`: {}",
            path.display(),
            layers::reason(error)
        ),
        format!(
            "let this process write there, or set {}",
            GENERATED.join(", ")
        ),
    )])
}

/// What has to be known before the rest can be read. Problems with these few are reported when
/// they are read again with all others.
struct Early {
    environment: Environment,
    debug: bool,
    data_dir: PathBuf,
}

impl Early {
    fn read(figment: &Figment, inputs: &Inputs) -> Self {
        let mut reader = Reader::new(figment, Vec::new());
        let data_dir = reader.required("APIVERSE_DATA_DIR", "data".into(), text);
        Self {
            environment: reader.required("ENVIRONMENT", Environment::Development, environment),
            debug: reader.required("DEBUG", false, parse::boolean),
            data_dir: inputs.path(&data_dir),
        }
    }

    fn derived_defaults(&self, inputs: &Inputs) -> LayerTexts {
        let production = self.environment.is_production();
        let beside = inputs
            .program_dir
            .as_ref()
            .map(|folder| folder.join("site"))
            .filter(|site| site.is_dir())
            .map(|site| site.to_string_lossy().into_owned());
        let site_root = beside
            .or_else(|| inputs.variable("LEPTOS_SITE_ROOT").map(str::to_owned))
            .unwrap_or_else(|| "target/site".to_owned());
        LayerTexts::with(
            Layer::Default,
            [
                ("APIVERSE_SAMPLE", (!production).to_string()),
                ("APIVERSE_SITE_ROOT", site_root),
                ("DATABASE_URL", database_url::embedded(&self.data_dir)),
                (
                    "REPORT_STORE",
                    self.data_dir.join("reports").to_string_lossy().into_owned(),
                ),
                (
                    "LOG_LEVEL",
                    if self.debug { "debug" } else { "info" }.to_owned(),
                ),
                (
                    "LOG_FORMAT",
                    if production { "json" } else { "pretty" }.to_owned(),
                ),
            ],
        )
    }
}

fn read(reader: &mut Reader<'_>, inputs: &Inputs, redacted: Redacted) -> Settings {
    Settings {
        // An unreadable name is a problem by itself; what production refuses would only be noise.
        environment: reader.required("ENVIRONMENT", Environment::Development, environment),
        debug: reader.required("DEBUG", false, parse::boolean),
        sample: reader.required("APIVERSE_SAMPLE", false, parse::boolean),
        server: server(reader, inputs),
        database: database(reader),
        redis: redis(reader),
        security: security(reader),
        egress: EgressSettings {
            allow_private_upstreams: reader.required(
                "ALLOW_PRIVATE_UPSTREAMS",
                Vec::new(),
                parse::networks,
            ),
        },
        gateway: gateway(reader),
        usage: usage(reader),
        reports: reports::read(reader, inputs),
        telemetry: telemetry::read(reader),
        logging: LoggingSettings {
            filter: reader.required("LOG_LEVEL", "info".to_owned(), parse::log_filter),
            format: reader.required("LOG_FORMAT", LogFormat::Pretty, log_format),
        },
        bootstrap: BootstrapSettings {
            admin_email: reader.optional("APIVERSE_ADMIN_EMAIL", integrations::email),
            admin_password: reader.optional("APIVERSE_ADMIN_PASSWORD", secret),
        },
        integrations: integrations::read(reader),
        oidc: sign_in::read(reader),
        secrets_created: None,
        redacted,
    }
}

fn server(reader: &mut Reader<'_>, inputs: &Inputs) -> ServerSettings {
    let data_dir = reader.required("APIVERSE_DATA_DIR", String::new(), text);
    let site_root = reader.required("APIVERSE_SITE_ROOT", String::new(), text);
    let threads = reader.optional("APIVERSE_WORKER_THREADS", parse::number(1..=1024));
    ServerSettings {
        addr: reader.required("APIVERSE_ADDR", ([0, 0, 0, 0], 8000).into(), parse::address),
        gateway_addr: reader.optional("APIVERSE_GATEWAY_ADDR", parse::address),
        metrics_addr: reader.optional("APIVERSE_METRICS_ADDR", parse::address),
        tls: tls(reader, inputs),
        metrics_endpoint: reader.required("METRICS_ENDPOINT", String::new(), parse::metrics_path),
        public_url: reader.optional("APIVERSE_PUBLIC_URL", parse::public_url),
        allowed_origins: reader.required("ALLOWED_ORIGINS", Vec::new(), parse::origins),
        allowed_hosts: reader.required("ALLOWED_HOSTS", Vec::new(), parse::hosts),
        trusted_proxies: reader.required("TRUSTED_PROXIES", Vec::new(), parse::networks),
        data_dir: inputs.path(&data_dir),
        site_root: inputs.path(&site_root),
        worker_threads: threads.map(|count| count as usize),
    }
}

fn tls(reader: &mut Reader<'_>, inputs: &Inputs) -> Option<TlsSettings> {
    const NAMES: [&str; 3] = [
        "APIVERSE_TLS_ADDR",
        "APIVERSE_TLS_CERTIFICATE",
        "APIVERSE_TLS_KEY",
    ];
    let given = NAMES.map(|name| reader.is_set(name));
    let addr = reader.optional(NAMES[0], parse::address);
    let certificate = reader.optional(NAMES[1], text);
    let key = reader.optional(NAMES[2], text);
    if given.contains(&true) {
        for (name, given) in NAMES.into_iter().zip(given) {
            if !given {
                reader.problems.push(SettingProblem::new(
                    name,
                    "is not set, but others of the TLS listener are",
                    "set address, certificate and key, or none of them",
                ));
            }
        }
    }
    Some(TlsSettings {
        addr: addr?,
        certificate: inputs.path(&certificate?),
        key: inputs.path(&key?),
    })
}

fn database(reader: &mut Reader<'_>) -> DatabaseSettings {
    let unread = (DatabaseKind::Sqlite, String::new());
    let (kind, url) = reader.required("DATABASE_URL", unread, database_url::normalise);
    DatabaseSettings {
        kind,
        url: Secret::new(url),
    }
}

fn redis(reader: &mut Reader<'_>) -> RedisSettings {
    let password = reader.optional("REDIS_PASSWORD", secret);
    let url = reader.optional("REDIS_URL", redis_url);
    if password.is_some() && !reader.is_set("REDIS_URL") {
        reader.problems.push(SettingProblem::new(
            "REDIS_PASSWORD",
            "is set, but REDIS_URL is not",
            "set REDIS_URL to where the Redis is, or remove REDIS_PASSWORD",
        ));
    }
    let Some(mut url) = url else {
        return RedisSettings { url: None };
    };
    if let Some(password) = password
        && url.password().is_none()
        && url.set_password(Some(password.expose())).is_err()
    {
        reader.problems.push(SettingProblem::new(
            "REDIS_PASSWORD",
            "cannot be used with a REDIS_URL that has no host",
            "add ?pass=… to REDIS_URL, and remove REDIS_PASSWORD",
        ));
    }
    RedisSettings {
        url: Some(Secret::new(String::from(url))),
    }
}

fn redis_url(text: &str) -> Parsed<Url> {
    let complaint = |message: &str| {
        Complaint::new(
            message,
            "set redis://host:6379/0, or rediss://host:6379/0 for TLS",
        )
    };
    let url = Url::parse(text).map_err(|_| complaint("is not a readable URL"))?;
    match url.scheme() {
        "redis" | "rediss" if url.has_host() && url.host_str() != Some("") => Ok(url),
        "redis" | "rediss" => Err(complaint("names no host")),
        "unix" | "redis+unix" => Ok(url),
        _ => Err(complaint("does not begin with redis:// or rediss://")),
    }
}

fn security(reader: &mut Reader<'_>) -> SecuritySettings {
    let empty = || Secret::new("");
    let secret_list = |text: &str| Ok(parse::items(text).map(Secret::from).collect());
    let seconds = parse::number(60..=2_592_000);
    let kept = reader.required("AUDIT_RETENTION_DAYS", 0, parse::number(0..=36_500));
    SecuritySettings {
        breached_passwords_file: reader
            .optional("BREACHED_PASSWORDS_FILE", |text| Ok(PathBuf::from(text))),
        audit_retention: (kept > 0).then(|| Duration::from_secs(kept * 86_400)),
        secret_key: reader.required("SECRET_KEY", empty(), secret),
        secret_key_previous: reader.required("SECRET_KEY_PREVIOUS", Vec::new(), secret_list),
        jwt_secret: reader.required("JWT_SECRET", empty(), secret),
        jwt_secret_previous: reader.required("JWT_SECRET_PREVIOUS", Vec::new(), secret_list),
        jwt_refresh_secret: reader.required("JWT_REFRESH_SECRET", empty(), secret),
        jwt_algorithm: reader.required("JWT_ALGORITHM", JwtAlgorithm::Hs256, jwt_algorithm),
        jwt_expiration: Duration::from_secs(reader.required("JWT_EXPIRATION", 86_400, seconds)),
        unified_api_key: reader.optional("UNIFIED_API_KEY", secret),
        registration_by_email: reader.optional("REGISTRATION_BY_EMAIL", parse::boolean),
    }
}

fn gateway(reader: &mut Reader<'_>) -> GatewaySettings {
    let minute = Duration::from_secs(60);
    let head = reader.required(
        "APIVERSE_MAX_HEADER_BYTES",
        64 << 10,
        parse::bytes((8 << 10)..=(1 << 20)),
    );
    let headers = reader.required("APIVERSE_MAX_HEADERS", 100, parse::number(16..=1000));
    let calls = reader.required("APIVERSE_MAX_CALLS", 16_384, parse::number(5..=10_000_000));
    let keys = reader.required(
        "APIVERSE_KEYS_IN_MEMORY",
        100_000,
        parse::number(1000..=100_000_000),
    );
    let entry = reader.required(
        "APIVERSE_CACHE_SHARED_ENTRY",
        1 << 20,
        parse::bytes((1 << 10)..=(16 << 20)),
    );
    GatewaySettings {
        connect_timeout: reader.required("APIVERSE_CONNECT_TIMEOUT", minute, parse::duration),
        first_byte_timeout: reader.required("APIVERSE_FIRST_BYTE_TIMEOUT", minute, parse::duration),
        idle_timeout: reader.required("APIVERSE_IDLE_TIMEOUT", minute, parse::duration),
        tunnel_idle_timeout: reader.required(
            "APIVERSE_TUNNEL_IDLE_TIMEOUT",
            minute * 5,
            parse::duration,
        ),
        tunnel_lifetime: reader.required(
            "APIVERSE_TUNNEL_LIFETIME",
            minute * 1440,
            parse::duration,
        ),
        max_body: reader.required("APIVERSE_MAX_BODY", 1 << 30, parse::bytes(1..=(1 << 40))),
        max_header_bytes: head as usize,
        max_headers: headers as usize,
        max_calls: calls as usize,
        keys_in_memory: keys as usize,
        cache_bytes: reader.required(
            "APIVERSE_CACHE_BYTES",
            256 << 20,
            parse::bytes((1 << 20)..=(1 << 40)),
        ),
        cache_shared: reader.required("APIVERSE_CACHE_SHARED", true, parse::boolean),
        cache_shared_wait: reader.required(
            "APIVERSE_CACHE_SHARED_WAIT",
            Duration::from_millis(20),
            parse::duration,
        ),
        cache_shared_entry: entry as usize,
        rate_limit_legacy_headers: reader.required(
            "RATE_LIMIT_LEGACY_HEADERS",
            false,
            parse::boolean,
        ),
    }
}

fn usage(reader: &mut Reader<'_>) -> UsageSettings {
    let days = reader.required("USAGE_RETENTION_DAYS", 30, parse::number(0..=36_500));
    let sums = reader.required("USAGE_SUMS_DAYS", 400, parse::number(1..=36_500));
    let minutes = reader.required("USAGE_MINUTES_DAYS", 8, parse::number(1..=400));
    UsageSettings {
        sums: Duration::from_secs(sums * 86_400),
        minutes: Duration::from_secs(minutes * 86_400),
        retention: (days > 0).then(|| Duration::from_secs(days * 86_400)),
        journal_max_bytes: reader.required(
            "USAGE_JOURNAL_MAX_BYTES",
            1 << 30,
            parse::bytes((16 << 20)..=(1 << 40)),
        ),
        journal_sync: reader.required(
            "USAGE_JOURNAL_SYNC",
            Duration::from_secs(1),
            parse::duration,
        ),
        questions: reader.required("USAGE_QUESTIONS", 8, parse::number(1..=256)) as usize,
    }
}

fn text(text: &str) -> Parsed<String> {
    Ok(text.to_owned())
}

fn secret(text: &str) -> Parsed<Secret> {
    Ok(Secret::from(text))
}

fn environment(text: &str) -> Parsed<Environment> {
    match text.to_ascii_lowercase().as_str() {
        "development" | "dev" => Ok(Environment::Development),
        "test" | "testing" => Ok(Environment::Test),
        "production" | "prod" => Ok(Environment::Production),
        _ => Err(Complaint::new(
            "is not an environment",
            "set development, test or production; a staging installation is a production one",
        )),
    }
}

fn log_format(text: &str) -> Parsed<LogFormat> {
    match text.to_ascii_lowercase().as_str() {
        "json" => Ok(LogFormat::Json),
        "pretty" => Ok(LogFormat::Pretty),
        _ => Err(Complaint::new("is not a log format", "set pretty or json")),
    }
}

fn jwt_algorithm(text: &str) -> Parsed<JwtAlgorithm> {
    if text == "HS256" {
        return Ok(JwtAlgorithm::Hs256);
    }
    Err(Complaint::new(
        "is not supported",
        "set HS256, or remove the variable",
    ))
}
