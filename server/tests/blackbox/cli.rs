//! The command line.

use std::path::Path;
use std::process::{Command, Output};

use apiverse_testkit::{App, Engine};

use crate::{BINARY, options};

fn run(folder: &Path, args: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(BINARY);
    command.args(args).current_dir(folder).env_clear();
    for (name, value) in env {
        command.env(name, value);
    }
    command.output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn every_problem_of_the_settings_is_named_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = run(
        folder.path(),
        &["config", "check"],
        &[
            ("ENVIRONMENT", "production"),
            ("DEBUG", "true"),
            ("SECRET_KEY", "changeme"),
            ("APIVERSE_ADDR", "not an address"),
            ("ALLOW_PRIVATE_UPSTREAMS", "10.0.0.0/99"),
            ("JWT_ALGORITHM", "none"),
        ],
    );
    assert!(!output.status.success());
    let said = text(&output.stdout) + &text(&output.stderr);
    for name in [
        "DEBUG",
        "SECRET_KEY",
        "APIVERSE_ADDR",
        "ALLOW_PRIVATE_UPSTREAMS",
        "JWT_ALGORITHM",
    ] {
        assert!(said.contains(name), "{name} is missing:\n{said}");
    }
}

#[test]
fn settings_are_shown_without_secrets() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";
    let database = "postgres://user:db-password@db.example/x";
    let output = run(
        folder.path(),
        &["config", "show"],
        &[("SECRET_KEY", secret), ("DATABASE_URL", database)],
    );
    let said = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(
        said.contains("SECRET_KEY") && said.contains("db.example"),
        "{said}"
    );
    assert!(
        !said.contains(secret) && !said.contains("db-password"),
        "{said}"
    );
}

#[test]
fn secrets_differ_each_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = run(folder.path(), &["secrets", "generate"], &[]);
    let second = run(folder.path(), &["secrets", "generate"], &[]);
    assert!(first.status.success());
    assert!(text(&first.stdout).contains("SECRET_KEY"));
    assert_ne!(first.stdout, second.stdout);
}

#[test]
fn the_document_is_printed() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = run(folder.path(), &["openapi"], &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(document["paths"].is_object());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_are_made_and_helped() {
    let app = App::start(options(Engine::Sqlite)).await;
    let data = app.data_dir();
    let env = [("APIVERSE_DATA_DIR", data.to_str().expect("a path"))];
    let args = [
        "user",
        "create",
        "--email",
        "new@example.com",
        "--password",
        "a long password",
    ];
    let made = run(app.folder(), &args, &env);
    assert!(made.status.success(), "{}", text(&made.stderr));
    app.anonymous()
        .login("new@example.com", "a long password")
        .await;
    let again = run(app.folder(), &args, &env);
    assert!(!again.status.success());
    assert!(
        text(&again.stderr).contains("new@example.com"),
        "{}",
        text(&again.stderr)
    );

    let reset = run(
        app.folder(),
        &["user", "reset-password", "--email", "new@example.com"],
        &env,
    );
    assert!(reset.status.success(), "{}", text(&reset.stderr));
    let said = text(&reset.stdout);
    let password = said.split_whitespace().last().expect("a password");
    app.anonymous().login("new@example.com", password).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_looks_at_a_running_node() {
    let app = App::start(options(Engine::Sqlite)).await;
    let url = format!("{}/health", app.base());
    let well = run(app.folder(), &["doctor", "--url", &url], &[]);
    assert!(well.status.success(), "{}", text(&well.stderr));
    let ill = run(
        app.folder(),
        &["doctor", "--url", "http://127.0.0.1:1/health"],
        &[],
    );
    assert!(!ill.status.success());
}

#[test]
fn the_doctor_checks_what_serve_would_need() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = run(folder.path(), &["doctor"], &[]);
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("database"), "{said}");
}

#[test]
fn a_configuration_goes_into_a_file_and_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = run(
        folder.path(),
        &["user", "create", "--email", "ada@example.com"],
        &[],
    );
    assert!(made.status.success(), "{}", text(&made.stderr));
    let file = folder.path().join("apiverse.json");
    let document = r#"{
        "apiverse": 1,
        "policies": { "mock": { "status": 204 } },
        "apis": { "weather": {
            "name": "Weather", "base_url": "https://api.example.com",
            "versions": { "v2": { "base_url": "https://v2.example.com" } },
            "routes": { "all": { "path": "/*" } }
        } }
    }"#;
    std::fs::write(&file, document).expect("writes");
    let config = |args: &[&str]| {
        let mut all = vec!["config"];
        all.extend(args);
        let output = run(folder.path(), &all, &[]);
        assert!(
            output.status.success(),
            "{args:?}: {}",
            text(&output.stderr)
        );
        text(&output.stdout)
    };
    let told = config(&["apply", "apiverse.json", "--dry-run"]);
    assert!(told.contains("+ apis.weather.versions.v2\n"), "{told}");
    assert!(told.ends_with("4 changes would be made\n"), "{told}");
    let told = config(&["plan", "apiverse.json"]);
    assert!(told.starts_with("no call changes\n0 calls now:"), "{told}");
    let told = config(&["apply", "apiverse.json"]);
    assert!(told.ends_with("4 changes made\n"), "{told}");
    assert_eq!(config(&["apply", "apiverse.json"]), "nothing differs\n");

    let exported = config(&["export"]);
    assert!(exported.contains("\"weather\""), "{exported}");
    config(&["export", "--output", "again.json"]);
    let again = std::fs::read_to_string(folder.path().join("again.json")).expect("reads");
    assert_eq!(again, exported);
    assert_eq!(
        config(&["diff", "again.json", "--prune"]),
        "nothing differs\n"
    );

    std::fs::write(&file, r#"{ "apiverse": 1, "apis": { "weather": {} } }"#).expect("writes");
    let wrong = run(folder.path(), &["config", "diff", "apiverse.json"], &[]);
    assert!(!wrong.status.success());
    assert!(
        text(&wrong.stderr).contains("name"),
        "{}",
        text(&wrong.stderr)
    );
}

/// Whether any file in a folder, or below it, has these bytes.
fn is_in_a_file(folder: &Path, wanted: &str) -> bool {
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries
        .map(|entry| entry.expect("an entry").path())
        .any(|path| {
            if path.is_dir() {
                return is_in_a_file(&path, wanted);
            }
            let bytes = std::fs::read(&path).expect("reads");
            bytes
                .windows(wanted.len())
                .any(|part| part == wanted.as_bytes())
        })
}

#[test]
fn a_clients_key_in_a_configuration_is_stored_encrypted() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = tempfile::tempdir().expect("a folder");
    let made = run(
        folder.path(),
        &["user", "create", "--email", "ada@example.com"],
        &[],
    );
    assert!(made.status.success(), "{}", text(&made.stderr));
    let made = rcgen::generate_simple_self_signed(["gateway".to_owned()]).expect("a certificate");
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let middle = |pem: &str| pem.lines().nth(1).expect("a line of base64").to_owned();
    let document = serde_json::json!({
        "apiverse": 1,
        "apis": { "bank": {
            "name": "Bank", "base_url": "https://api.example.com",
            "policies": { "upstream": { "tls": {
                "client_certificate": certificate, "client_key": key,
            } } },
        } },
    });
    // Not among the files that are looked through.
    let file = files.path().join("bank.json");
    std::fs::write(&file, document.to_string()).expect("writes");
    let config = |args: &[&str]| {
        let output = run(folder.path(), &[&["config"], args].concat(), &[]);
        let (told, wrong) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{args:?}: {wrong}");
        assert!(!format!("{told}{wrong}").contains(&middle(&key)), "{told}");
        told
    };
    let bank = file.to_str().expect("a path");
    let told = config(&["apply", bank]);
    assert!(told.ends_with("changes made\n"), "{told}");
    assert!(is_in_a_file(folder.path(), &middle(&certificate)));
    assert!(!is_in_a_file(folder.path(), &middle(&key)));
    assert_eq!(config(&["apply", bank]), "nothing differs\n");

    let exported = config(&["export"]);
    let exported: serde_json::Value = serde_json::from_str(&exported).expect("JSON");
    let tls = &exported["apis"]["bank"]["policies"]["upstream"]["tls"];
    assert_eq!(tls["client_certificate"], certificate.as_str());
    let sealed = tls["client_key"].as_str().expect("a text");
    assert!(sealed.starts_with("sealed:"), "{sealed}");
    // What was exported is the same configuration, with the key that is here already.
    std::fs::write(&file, exported.to_string()).expect("writes");
    assert_eq!(config(&["diff", bank, "--prune"]), "nothing differs\n");
}
