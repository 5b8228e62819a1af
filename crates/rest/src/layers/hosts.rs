//! `ALLOWED_HOSTS`: the names this service answers to.

use apiverse_contract::ErrorCode;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::origin::request_host;
use crate::{ApiProblem, RestState};

pub async fn check(State(state): State<RestState>, request: Request, next: Next) -> Response {
    let settings = &state.shared.settings;
    let allowed = &settings.allowed_hosts;
    let path = request.uri().path();
    // Probes and Prometheus ask by address.
    let exempt = path.starts_with("/health") || settings.metrics_path.as_deref() == Some(path);
    if exempt || allowed.is_empty() {
        return next.run(request).await;
    }
    let host = request_host(request.headers(), request.uri()).unwrap_or_default();
    if !allowed.iter().any(|pattern| matches(pattern, host)) {
        return ApiProblem::new(
            ErrorCode::InvalidRequest,
            "this service does not answer to that host name; see `ALLOWED_HOSTS`",
        )
        .into_response();
    }
    next.run(request).await
}

/// `pattern` is a name, `.example.com` or `*.example.com` for its subdomains, or `*`.
fn matches(pattern: &str, host: &str) -> bool {
    let name = without_port(host)
        .trim_end_matches('.')
        .to_ascii_lowercase();
    let pattern = pattern.to_ascii_lowercase();
    if pattern == "*" {
        return true;
    }
    if let Some(domain) = pattern.strip_prefix("*.") {
        return is_below(&name, domain);
    }
    if let Some(domain) = pattern.strip_prefix('.') {
        return name == domain || is_below(&name, domain);
    }
    name == without_port(&pattern)
}

fn is_below(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain)
        .is_some_and(|labels| labels.len() > 1 && labels.ends_with('.'))
}

/// Takes `:8000` off, but not a piece of an IPv6 address.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|b| b.is_ascii_digit())
                && (!name.contains(':') || name.ends_with(']')) =>
        {
            name
        }
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn host_patterns() {
        for (pattern, host) in [
            ("api.example.com", "api.example.com"),
            ("api.example.com", "API.example.com:8000"),
            ("api.example.com", "api.example.com."),
            (".example.com", "a.b.example.com"),
            (".example.com", "example.com"),
            ("*.example.com", "a.example.com"),
            ("[::1]", "[::1]:8000"),
            ("*", "anything"),
        ] {
            assert!(matches(pattern, host), "{pattern} {host}");
        }
        for (pattern, host) in [
            ("api.example.com", "evil.com"),
            ("api.example.com", "api.example.com.evil.com"),
            (".example.com", "notexample.com"),
            ("*.example.com", "example.com"),
            ("api.example.com", ""),
        ] {
            assert!(!matches(pattern, host), "{pattern} {host}");
        }
    }
}
