//! What settings have to fulfil together, and what production refuses.

use std::net::SocketAddr;

use apiverse_contract::auth::password_problem;

use crate::database_url;
use crate::problem::SettingProblem;
use crate::read::Reader;
use crate::secret::Secret;
use crate::settings::{ServerSettings, Settings};
use crate::strength::{is_placeholder, weakness};

/// Adds everything that is wrong with settings that can be read one by one.
pub(crate) fn check(settings: &Settings, reader: &mut Reader<'_>) {
    for variable in crate::secrets::GENERATED {
        if !reader.is_set(variable) {
            reader.problems.push(missing_secret(variable));
        }
    }
    listeners(&settings.server, &mut reader.problems);
    bootstrap(settings, &mut reader.problems);
    if settings.environment.is_production() {
        production(settings, reader);
    }
}

pub(crate) fn missing_secret(variable: &str) -> SettingProblem {
    SettingProblem::new(
        variable,
        "is not set",
        format!("run `apiverse secrets generate`, and set {variable} or {variable}_FILE"),
    )
}

fn listeners(server: &ServerSettings, problems: &mut Vec<SettingProblem>) {
    let clash = |one: SocketAddr, two: SocketAddr| {
        let same_ip =
            one.ip() == two.ip() || one.ip().is_unspecified() || two.ip().is_unspecified();
        one.port() != 0 && one.port() == two.port() && same_ip
    };
    let mut taken = vec![("APIVERSE_ADDR", server.addr)];
    for (name, addr) in [
        ("APIVERSE_GATEWAY_ADDR", server.gateway_addr),
        ("APIVERSE_METRICS_ADDR", server.metrics_addr),
        ("APIVERSE_TLS_ADDR", server.tls.as_ref().map(|tls| tls.addr)),
    ] {
        let Some(addr) = addr else { continue };
        if let Some((other, _)) = taken.iter().find(|(_, taken)| clash(*taken, addr)) {
            problems.push(SettingProblem::new(
                name,
                format!("is the same address as {other}"),
                "set another port, or remove it to share one listener",
            ));
        }
        taken.push((name, addr));
    }
}

fn bootstrap(settings: &Settings, problems: &mut Vec<SettingProblem>) {
    let Some(password) = &settings.bootstrap.admin_password else {
        return;
    };
    let email = settings
        .bootstrap
        .admin_email
        .as_deref()
        .unwrap_or_default();
    if let Some(message) = password_problem(password.expose(), email) {
        problems.push(SettingProblem::new(
            "APIVERSE_ADMIN_PASSWORD",
            message,
            "set another password, or none to have one generated",
        ));
    }
}

fn production(settings: &Settings, reader: &mut Reader<'_>) {
    secrets(settings, &mut reader.problems);
    if settings.debug {
        reader.problems.push(SettingProblem::new(
            "DEBUG",
            "is true in production",
            "set it to false; LOG_LEVEL=debug gives more detail in logs",
        ));
    }
    if settings
        .server
        .public_url
        .as_ref()
        .is_some_and(|url| url.scheme() != "https")
    {
        reader.problems.push(SettingProblem::new(
            "APIVERSE_PUBLIC_URL",
            "is plain HTTP in production",
            "set an https:// address; TLS may end at a load balancer",
        ));
    }
    let plain: Vec<&str> = settings
        .server
        .allowed_origins
        .iter()
        .map(String::as_str)
        .filter(|origin| !origin.starts_with("https://"))
        .collect();
    if !plain.is_empty() {
        reader.problems.push(SettingProblem::new(
            "ALLOWED_ORIGINS",
            format!("lets plain HTTP in, in production: {}", plain.join(", ")),
            "name https:// origins only",
        ));
    }
}

fn secrets(settings: &Settings, problems: &mut Vec<SettingProblem>) {
    let security = &settings.security;
    let mut strong: Vec<(&str, &Secret)> = vec![
        ("SECRET_KEY", &security.secret_key),
        ("JWT_SECRET", &security.jwt_secret),
        ("JWT_REFRESH_SECRET", &security.jwt_refresh_secret),
    ];
    strong.extend(
        security
            .unified_api_key
            .as_ref()
            .map(|key| ("UNIFIED_API_KEY", key)),
    );
    strong.retain(|(_, secret)| !secret.is_empty());
    for (index, (variable, secret)) in strong.iter().enumerate() {
        let mend = format!("run `apiverse secrets generate`, and set {variable} to what it prints");
        if let Some(message) = weakness(secret.expose()) {
            problems.push(SettingProblem::new(
                *variable,
                format!("{message} (production)"),
                mend.clone(),
            ));
        }
        let same = |other: &&(&str, &Secret)| other.1.matches(secret.expose().as_bytes());
        if let Some((other, _)) = strong[..index].iter().find(same) {
            problems.push(SettingProblem::new(
                *variable,
                format!("is the same as {other}"),
                mend,
            ));
        }
    }

    let passwords = [
        (
            "DATABASE_URL",
            database_url::password(settings.database.url.expose()),
        ),
        (
            "REDIS_URL",
            settings
                .redis
                .url
                .as_ref()
                .and_then(|url| database_url::password(url.expose())),
        ),
        (
            "APIVERSE_ADMIN_PASSWORD",
            settings
                .bootstrap
                .admin_password
                .as_ref()
                .map(|p| p.expose().to_owned()),
        ),
    ];
    for (variable, password) in passwords {
        if password.is_some_and(|password| is_placeholder(&password)) {
            problems.push(SettingProblem::new(
                variable,
                "has a placeholder for a password (production)",
                "set a password of your own",
            ));
        }
    }
}
