//! Tests of the whole: surroundings in, settings or problems out.

mod docs;
mod production;
mod sign_in;

use std::fs;
use std::time::Duration;

use tempfile::TempDir;

use crate::secrets::SECRETS_FILE;
use crate::{
    DatabaseKind, Environment, FirstStart, Flags, Inputs, Layer, LogFormat, Secret,
    SettingProblems, Settings,
};

const STRONG: [&str; 3] = [
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
    "fd61a03af4f77d870fc21e05e7e80678095c92d808cfb3b5c279ee04c74aca13",
];

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn load(root: &TempDir, env: &[(&str, &str)]) -> Result<Settings, SettingProblems> {
    load_with(root, env, &Flags::default())
}

fn load_with(
    root: &TempDir,
    env: &[(&str, &str)],
    flags: &Flags,
) -> Result<Settings, SettingProblems> {
    let inputs = Inputs::new(env.iter().copied(), root.path());
    Settings::load(&inputs, flags, FirstStart::Create)
}

fn problem_names(result: Result<Settings, SettingProblems>) -> Vec<String> {
    let problems = result.expect_err("there are problems").0;
    problems.into_iter().map(|problem| problem.name).collect()
}

#[test]
fn an_empty_folder_is_enough() {
    let root = folder();
    let settings = load(&root, &[]).unwrap();
    assert_eq!(settings.environment, Environment::Development);
    assert!(settings.sample);
    assert!(!settings.debug);
    assert_eq!(settings.server.addr.to_string(), "0.0.0.0:8000");
    assert_eq!(settings.server.base_url(), "http://localhost:8000");
    assert_eq!(settings.server.metrics_endpoint, "/metrics");
    assert_eq!(settings.server.site_root, root.path().join("target/site"));
    assert_eq!(settings.database.kind, DatabaseKind::Sqlite);
    let expected = format!(
        "sqlite://{}",
        root.path().join("data/apiverse.db").display()
    );
    assert_eq!(settings.database.url.expose(), expected);
    assert_eq!(
        settings.security.jwt_expiration,
        Duration::from_secs(86_400)
    );
    assert_eq!(settings.gateway.connect_timeout, Duration::from_secs(5));
    assert_eq!(settings.gateway.first_byte_timeout, Duration::from_secs(60));
    assert_eq!(settings.gateway.idle_timeout, Duration::from_secs(60));
    assert_eq!(settings.gateway.max_body, 1 << 30);
    assert_eq!(settings.logging.filter, "info");
    assert_eq!(settings.logging.format, LogFormat::Pretty);
    assert!(settings.egress.allow_private_upstreams.is_empty());
    assert!(settings.redis.url.is_none());
}

#[test]
fn secrets_are_generated_once_and_kept() {
    let root = folder();
    let first = load(&root, &[]).unwrap();
    let file = root.path().join("data").join(SECRETS_FILE);
    assert_eq!(first.secrets_created.as_deref(), Some(file.as_path()));
    let text = fs::read_to_string(&file).unwrap();

    let second = load(&root, &[]).unwrap();
    assert_eq!(second.secrets_created, None);
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    assert_eq!(
        first.security.secret_key.expose(),
        second.security.secret_key.expose()
    );
    assert_eq!(
        first.security.jwt_secret.expose(),
        second.security.jwt_secret.expose()
    );
    assert_ne!(
        first.security.jwt_secret.expose(),
        first.security.jwt_refresh_secret.expose()
    );
    let shown = second.redacted().get("SECRET_KEY").unwrap();
    assert_eq!(shown.layer, Layer::Generated);
}

#[test]
fn looking_writes_nothing() {
    let root = folder();
    let inputs = Inputs::new([("ENVIRONMENT", "test")], root.path());
    let settings = Settings::load(&inputs, &Flags::default(), FirstStart::Preview).unwrap();
    assert_eq!(settings.environment, Environment::Test);
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn only_missing_secrets_are_generated_and_problems_write_none() {
    let root = folder();
    assert!(load(&root, &[("DEBUG", "perhaps")]).is_err());
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);

    load(&root, &[("SECRET_KEY", STRONG[0])]).unwrap();
    let text = fs::read_to_string(root.path().join("data").join(SECRETS_FILE)).unwrap();
    assert!(!text.contains("\nSECRET_KEY ="));
    assert!(text.contains("\nJWT_SECRET ="));
    // A key that was never generated is not made up later: it was somewhere else before.
    assert_eq!(problem_names(load(&root, &[])), ["SECRET_KEY"]);
}

#[test]
fn starting_twice_at_once_ends_with_the_same_secrets() {
    let root = folder();
    let settings: Vec<Settings> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| load(&root, &[]).unwrap()))
            .collect();
        starts
            .into_iter()
            .map(|start| start.join().unwrap())
            .collect()
    });
    assert_eq!(
        settings
            .iter()
            .filter(|s| s.secrets_created.is_some())
            .count(),
        1
    );
    for other in &settings {
        assert_eq!(
            other.security.secret_key.expose(),
            settings[0].security.secret_key.expose()
        );
        assert_eq!(
            other.security.jwt_secret.expose(),
            settings[0].security.jwt_secret.expose()
        );
    }
}

#[test]
fn later_layers_win() {
    let root = folder();
    let secret_file = root.path().join("jwt");
    fs::write(&secret_file, format!("{}\n", STRONG[1])).unwrap();
    fs::create_dir(root.path().join("data")).unwrap();
    fs::write(
        root.path().join("data").join(SECRETS_FILE),
        "SECRET_KEY = \"generated\"\nJWT_SECRET = \"generated\"\nJWT_REFRESH_SECRET = \"generated\"\n",
    )
    .unwrap();
    fs::write(
        root.path().join("apiverse.toml"),
        "debug = true\n\
         [server]\naddr = \"127.0.0.1:1\"\nmetrics_endpoint = \"/m\"\nallowed_hosts = [\"a.b\", \"c.d\"]\n\
         [security]\nsecret_key = \"file\"\njwt_expiration = 600\n\
         [logging]\nlevel = \"warn\"\n",
    )
    .unwrap();
    let env = [
        ("APIVERSE_ADDR", "127.0.0.1:2"),
        ("LOG_LEVEL", "ERROR"),
        ("JWT_SECRET_FILE", secret_file.to_str().unwrap()),
        ("JWT_REFRESH_SECRET_FILE", "jwt"),
        ("JWT_REFRESH_SECRET", "from the environment"),
        ("METRICS_ENDPOINT", ""),
    ];
    let flags = Flags {
        addr: Some("127.0.0.1:3".into()),
        ..Flags::default()
    };
    let settings = load_with(&root, &env, &flags).unwrap();

    assert_eq!(settings.server.addr.port(), 3);
    assert_eq!(
        settings.server.metrics_endpoint, "/m",
        "an empty variable is not set"
    );
    assert_eq!(settings.server.allowed_hosts, ["a.b", "c.d"]);
    assert_eq!(settings.logging.filter, "error");
    assert!(settings.debug);
    assert_eq!(settings.security.jwt_expiration, Duration::from_secs(600));
    assert_eq!(settings.security.secret_key.expose(), "generated");
    assert_eq!(settings.security.jwt_secret.expose(), STRONG[1]);
    assert_eq!(
        settings.security.jwt_refresh_secret.expose(),
        "from the environment"
    );
    for (name, layer) in [
        ("APIVERSE_ADDR", Layer::Flag),
        ("LOG_LEVEL", Layer::Environment),
        ("JWT_SECRET", Layer::SecretFile),
        ("SECRET_KEY", Layer::Generated),
        ("METRICS_ENDPOINT", Layer::File),
        ("APIVERSE_CONNECT_TIMEOUT", Layer::Default),
    ] {
        assert_eq!(
            settings.redacted().get(name).unwrap().layer,
            layer,
            "{name}"
        );
    }
}

#[test]
fn the_config_file_can_be_elsewhere_but_must_be_there() {
    let root = folder();
    fs::write(root.path().join("a.toml"), "sample = false\n").unwrap();
    fs::write(root.path().join("b.toml"), "sample = true\n").unwrap();
    let env = [("APIVERSE_CONFIG", "a.toml")];
    assert!(!load(&root, &env).unwrap().sample);
    let flags = Flags {
        config: Some("b.toml".into()),
        ..Flags::default()
    };
    assert!(load_with(&root, &env, &flags).unwrap().sample);
    assert_eq!(
        problem_names(load(&root, &[("APIVERSE_CONFIG", "c.toml")])),
        ["APIVERSE_CONFIG"]
    );
}

#[test]
fn every_problem_is_reported_at_once() {
    let root = folder();
    fs::write(
        root.path().join("apiverse.toml"),
        "secret_key = \"hunter2\"\n[sever]\naddr = \"x\"\n[server]\nadr = \"x\"\nallowed_hosts = [[1]]\n",
    )
    .unwrap();
    let env = [
        ("APIVERSE_ADDRESS", "0.0.0.0:1"),
        ("APIVERSE_GATEWAY_ADDR", "0.0.0.0:8000"),
        ("DATABASE_URL", "mysql://u:hunter2@h/d"),
        ("DEBUG", "perhaps"),
        ("ENVIRONMENT", "staging"),
        ("JWT_ALGORITHM", "none"),
        ("JWT_EXPIRATION", "-1"),
        ("JWT_SECRET_FILE", "nowhere"),
        ("REDIS_PASSWORD", "hunter2"),
        ("ALLOW_PRIVATE_UPSTREAMS", "yes"),
        ("STRIPE_ENABLED", "true"),
        ("STRIPE_SECRET_KEY", "pk_hunter2"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_x"),
        ("TWILIO_FROM_NUMBER", "5551234"),
        ("AWS_SECRETS_ENABLED", "true"),
        ("APIVERSE_ADMIN_EMAIL", "admin"),
        ("APIVERSE_ADMIN_PASSWORD", "hunter2"),
    ];
    let problems = load(&root, &env).unwrap_err();
    let mut names: Vec<&str> = problems
        .0
        .iter()
        .map(|problem| problem.name.as_str())
        .collect();
    names.sort_unstable();
    let mut expected = vec![
        "ALLOWED_HOSTS",
        "ALLOW_PRIVATE_UPSTREAMS",
        "APIVERSE_ADDRESS",
        "APIVERSE_ADMIN_EMAIL",
        "APIVERSE_ADMIN_PASSWORD",
        "APIVERSE_GATEWAY_ADDR",
        "AWS_SECRETS_ENABLED",
        "DATABASE_URL",
        "DEBUG",
        "ENVIRONMENT",
        "JWT_ALGORITHM",
        "JWT_EXPIRATION",
        "JWT_SECRET_FILE",
        "REDIS_PASSWORD",
        "STRIPE_SECRET_KEY",
        "TWILIO_FROM_NUMBER",
        "secret_key",
        "server.adr",
        "sever.addr",
    ];
    expected.sort_unstable();
    assert_eq!(names, expected);

    let printed = problems.to_string();
    assert!(
        printed.starts_with("19 settings need mending\n"),
        "{printed}"
    );
    assert!(!printed.contains("hunter2"), "{printed}");
    for hint in [
        "did you mean APIVERSE_ADDR?",
        "did you mean security.secret_key?",
        "did you mean server.addr?",
        "not supported by this version",
        "`-1` is not a whole number from 60 to 2592000 (environment)",
    ] {
        assert!(printed.contains(hint), "{hint} in {printed}");
    }
    assert!(problems.0.iter().all(|problem| !problem.mend.is_empty()));
}

#[test]
fn broken_toml_is_located_but_not_quoted() {
    let root = folder();
    for line in [
        "secret_key = hunter2",
        "secret_key = \"hunter2",
        "hunter2",
        "a = 1\na = 2",
    ] {
        fs::write(
            root.path().join("apiverse.toml"),
            format!("[security]\n{line}\n"),
        )
        .unwrap();
        let printed = load(&root, &[]).unwrap_err().to_string();
        assert!(printed.contains("line "), "{printed}");
        assert!(!printed.contains("hunter2"), "{printed}");
    }
}

#[test]
fn a_damaged_secrets_file_is_reported_and_kept() {
    let root = folder();
    let file = root.path().join("data").join(SECRETS_FILE);
    fs::create_dir(root.path().join("data")).unwrap();
    let text = "SECRET_KEY = \"abc\nDEBUG = true\n";
    fs::write(&file, text).unwrap();
    let printed = load(&root, &[]).unwrap_err().to_string();
    assert!(printed.contains("line 1"), "{printed}");
    assert!(!printed.contains("abc"), "{printed}");
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
}

#[test]
fn variables_of_container_platforms_are_not_typing_errors() {
    let root = folder();
    let env = [
        ("APIVERSE_SERVICE_HOST", "10.0.0.1"),
        ("APIVERSE_SERVICE_PORT", "80"),
        ("APIVERSE_SERVICE_PORT_HTTP", "80"),
        ("APIVERSE_PORT", "tcp://10.0.0.1:80"),
        ("APIVERSE_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("APIVERSE_GATEWAY_SERVICE_HOST", "10.0.0.1"),
    ];
    assert!(load(&root, &env).is_ok());
    assert_eq!(
        problem_names(load(&root, &[("APIVERSE_PORT", "8000")])),
        ["APIVERSE_PORT"]
    );
}

#[test]
fn only_secrets_come_from_files() {
    let root = folder();
    fs::write(root.path().join("f"), "0.0.0.0:1").unwrap();
    fs::write(
        root.path().join("db"),
        "postgresql+asyncpg://u:p@h/d?ssl=require\n",
    )
    .unwrap();
    assert_eq!(
        problem_names(load(&root, &[("APIVERSE_ADDR_FILE", "f")])),
        ["APIVERSE_ADDR_FILE"]
    );
    let settings = load(&root, &[("DATABASE_URL_FILE", "db")]).unwrap();
    assert_eq!(settings.database.kind, DatabaseKind::Postgres);
    assert_eq!(
        settings.database.url.expose(),
        "postgres://u:p@h/d?sslmode=require"
    );
    fs::write(root.path().join("db"), " \n").unwrap();
    assert_eq!(
        problem_names(load(&root, &[("DATABASE_URL_FILE", "db")])),
        ["DATABASE_URL_FILE"]
    );
}

#[test]
fn variables_that_are_not_utf8_are_reported_if_they_are_ours() {
    let root = folder();
    let mut inputs = Inputs::new([("A", "b")], root.path());
    inputs.not_unicode = vec![
        "SECRET_KEY".into(),
        "SECRET_KEY_FILE".into(),
        "LS_COLORS".into(),
    ];
    let result = Settings::load(&inputs, &Flags::default(), FirstStart::Preview);
    assert_eq!(problem_names(result), ["SECRET_KEY", "SECRET_KEY_FILE"]);
}

#[test]
fn the_redis_password_gets_into_the_url() {
    let root = folder();
    let url = |env: &[(&str, &str)]| {
        load(&root, env)
            .unwrap()
            .redis
            .url
            .map(|url| url.expose().to_owned())
    };
    let host = ("REDIS_URL", "redis://cache:6379/0");
    assert_eq!(
        url(&[host, ("REDIS_PASSWORD", "p@ss/word")]).unwrap(),
        "redis://:p%40ss%2Fword@cache:6379/0",
    );
    assert_eq!(
        url(&[
            ("REDIS_URL", "rediss://:inner@cache/1"),
            ("REDIS_PASSWORD", "outer")
        ])
        .unwrap(),
        "rediss://:inner@cache/1",
    );
    assert_eq!(
        url(&[host, ("REDIS_PASSWORD", "")]).unwrap(),
        "redis://cache:6379/0"
    );
    for bad in [
        "cache:6379",
        "http://cache",
        "redis://",
        "redis://:hunter2@",
    ] {
        let problems = load(&root, &[("REDIS_URL", bad)]).unwrap_err();
        assert_eq!(problems.0[0].name, "REDIS_URL");
        assert!(!problems.to_string().contains("hunter2"));
    }
}

#[test]
fn the_console_is_found_beside_the_program() {
    let root = folder();
    let packed = folder();
    fs::create_dir(packed.path().join("site")).unwrap();
    let mut inputs = Inputs::new([("LEPTOS_SITE_ROOT", "elsewhere")], root.path());
    let site = |inputs: &Inputs| {
        let settings = Settings::load(inputs, &Flags::default(), FirstStart::Preview).unwrap();
        settings.server.site_root
    };
    assert_eq!(site(&inputs), root.path().join("elsewhere"));
    inputs.program_dir = Some(packed.path().to_owned());
    assert_eq!(site(&inputs), packed.path().join("site"));
    inputs
        .env
        .insert("APIVERSE_SITE_ROOT".into(), "mine".into());
    assert_eq!(site(&inputs), root.path().join("mine"));
}

#[test]
fn no_secret_is_shown() {
    let root = folder();
    let secret_text = "hunter2-hunter2-hunter2";
    let url = format!("postgres://u:{secret_text}@h/d?sslmode=require&password={secret_text}");
    let redis = format!("redis://{secret_text}@cache");
    let stripe = format!("sk_{secret_text}");
    let webhook = format!("whsec_{secret_text}");
    let header = format!("authorization={secret_text}");
    let env: Vec<(&str, &str)> = crate::catalog::SETTINGS
        .iter()
        .filter(|known| known.is_secret())
        .map(|known| match known.variable {
            "DATABASE_URL" => (known.variable, url.as_str()),
            "REDIS_URL" => (known.variable, redis.as_str()),
            "OTEL_EXPORTER_OTLP_HEADERS" => (known.variable, header.as_str()),
            name if name.ends_with("_WEBHOOK_SECRET") => (name, webhook.as_str()),
            "CLERK_SECRET_KEY" | "STRIPE_SECRET_KEY" => (known.variable, stripe.as_str()),
            name => (name, secret_text),
        })
        .collect();
    assert!(env.len() >= 14);
    let flags = Flags {
        admin_password: Some(Secret::from(secret_text)),
        ..Flags::default()
    };
    let settings = load_with(&root, &env, &flags).unwrap();
    let inputs = Inputs::new(env.iter().copied(), root.path());
    for shown in [
        format!("{settings:?}"),
        format!("{settings:#?}"),
        settings.redacted().to_string(),
        format!("{:?}", settings.redacted()),
        format!("{flags:?}"),
        format!("{inputs:?}"),
        format!("{:?}", settings.security.vault()),
    ] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    let table = settings.redacted().to_string();
    assert!(table.contains("postgres://u:redacted@h/d?sslmode=require&password=redacted"));
    assert!(
        table
            .lines()
            .any(|l| l.starts_with("SECRET_KEY ") && l.ends_with("environment"))
    );
    assert!(
        table
            .lines()
            .any(|l| l.starts_with("APIVERSE_ADMIN_PASSWORD") && l.ends_with("flag"))
    );
    assert!(
        table
            .lines()
            .any(|l| l.starts_with("METRICS_ENDPOINT ") && l.contains("/metrics"))
    );
}

#[test]
fn hosts_match_exactly_or_below() {
    let root = folder();
    let mut server = load(&root, &[]).unwrap().server;
    assert!(server.allows_host("anything"));
    server.allowed_hosts = vec!["a.example".into(), "*.b.example".into()];
    for host in ["a.example", "A.EXAMPLE", "x.b.example", "x.y.b.example"] {
        assert!(server.allows_host(host), "{host}");
    }
    for host in [
        "b.example",
        ".b.example",
        "xb.example",
        "x.a.example",
        "",
        "é",
    ] {
        assert!(!server.allows_host(host), "{host}");
    }
}

#[test]
fn flags_parse_from_a_command_line() {
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        flags: Flags,
    }

    let line = [
        "x",
        "--addr",
        "[::1]:9",
        "--data-dir",
        "d",
        "--log-format",
        "json",
        "--admin-email",
        "a@b.co",
    ];
    let root = folder();
    let settings = load_with(&root, &[], &Line::parse_from(line).flags).unwrap();
    assert_eq!(settings.server.addr.to_string(), "[::1]:9");
    assert_eq!(settings.server.data_dir, root.path().join("d"));
    assert!(root.path().join("d").join(SECRETS_FILE).is_file());
    assert_eq!(settings.logging.format, LogFormat::Json);
    assert_eq!(settings.bootstrap.admin_email.as_deref(), Some("a@b.co"));
}
