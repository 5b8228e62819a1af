//! What production refuses.

use super::*;

fn sound() -> Vec<(&'static str, &'static str)> {
    vec![
        ("ENVIRONMENT", "production"),
        ("SECRET_KEY", STRONG[0]),
        ("JWT_SECRET", STRONG[1]),
        ("JWT_REFRESH_SECRET", STRONG[2]),
    ]
}

fn sound_but(changes: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let mut env = sound();
    env.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    env.extend(changes);
    env
}

#[test]
fn sound_settings_are_taken() {
    let root = folder();
    let settings = load(
        &root,
        &sound_but(&[
            ("ALLOWED_ORIGINS", "https://app.example.com"),
            ("APIVERSE_PUBLIC_URL", "https://api.example.com"),
            (
                "DATABASE_URL",
                "postgresql+asyncpg://u:Zk3vQ9@h/d?sslmode=require",
            ),
        ]),
    )
    .unwrap();
    assert!(settings.environment.is_production());
    assert!(!settings.sample);
    assert_eq!(settings.logging.format, LogFormat::Json);
    assert_eq!(settings.server.base_url(), "https://api.example.com");
    assert_eq!(
        fs::read_dir(root.path()).unwrap().count(),
        0,
        "production generates nothing"
    );
}

#[test]
fn missing_secrets_are_refused() {
    let root = folder();
    let names = problem_names(load(&root, &[("ENVIRONMENT", "production")]));
    assert_eq!(names, ["SECRET_KEY", "JWT_SECRET", "JWT_REFRESH_SECRET"]);
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn each_of_these_is_refused() {
    let root = folder();
    for (name, value) in [
        ("SECRET_KEY", "short"),
        ("SECRET_KEY", "changemechangemechangemechangeme12345"),
        (
            "SECRET_KEY",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ),
        ("JWT_SECRET", "your-jwt-key-your-jwt-key-0123456789"),
        ("JWT_SECRET", STRONG[0]),
        ("JWT_REFRESH_SECRET", STRONG[1]),
        ("UNIFIED_API_KEY", "dev-api-key"),
        ("UNIFIED_API_KEY", STRONG[2]),
        ("DEBUG", "true"),
        ("ALLOWED_ORIGINS", "https://a.example,http://b.example"),
        ("ALLOWED_ORIGINS", "*"),
        ("APIVERSE_PUBLIC_URL", "http://api.example.com"),
        ("DATABASE_URL", "postgres://u:changeme@h/d"),
        ("REDIS_URL", "redis://:REPLACE_ME@h"),
        ("APIVERSE_ADMIN_PASSWORD", "changeme-now"),
    ] {
        let env = sound_but(&[(name, value)]);
        assert_eq!(problem_names(load(&root, &env)), [name], "{value}");
        let lenient: Vec<_> = env
            .into_iter()
            .filter(|(name, _)| *name != "ENVIRONMENT")
            .collect();
        assert!(
            load(&root, &lenient).is_ok(),
            "{name} is fine in development"
        );
    }
}

#[test]
fn all_refusals_come_together() {
    let root = folder();
    let env = [
        ("ENVIRONMENT", "production"),
        ("SECRET_KEY", "changeme"),
        ("JWT_SECRET", "changeme"),
        ("DEBUG", "1"),
        ("ALLOWED_ORIGINS", "http://a.example"),
        ("APIVERSE_PUBLIC_URL", "http://a.example"),
    ];
    let mut names = problem_names(load(&root, &env));
    names.dedup();
    assert_eq!(
        names,
        [
            "JWT_REFRESH_SECRET",
            "SECRET_KEY",
            "JWT_SECRET",
            "DEBUG",
            "APIVERSE_PUBLIC_URL",
            "ALLOWED_ORIGINS",
        ],
    );
}
