//! Readers of single values. None of them repeats a whole value in its complaint: it may be secret.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use url::Url;

/// Why a value is not understood: the end of a sentence, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    pub message: String,
    pub mend: String,
}

impl Complaint {
    pub fn new(message: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            mend: mend.into(),
        }
    }
}

pub(crate) type Parsed<T> = Result<T, Complaint>;

pub(crate) fn boolean(text: &str) -> Parsed<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(Complaint::new(
            "is neither true nor false",
            "set true or false",
        )),
    }
}

pub(crate) fn address(text: &str) -> Parsed<SocketAddr> {
    text.parse().map_err(|_| {
        Complaint::new(
            "is not an address with a port",
            "set an IP address and a port, such as 0.0.0.0:8000 or [::1]:8000",
        )
    })
}

/// A whole number within `range`.
pub(crate) fn number(range: std::ops::RangeInclusive<u64>) -> impl Fn(&str) -> Parsed<u64> {
    move |text| match text.parse::<u64>() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => Err(Complaint::new(
            format!(
                "is not a whole number from {} to {}",
                range.start(),
                range.end()
            ),
            "set a number within these bounds",
        )),
    }
}

/// A length of time: a whole number of seconds, or with one of the units ms, s, m, h.
pub(crate) fn duration(text: &str) -> Parsed<Duration> {
    let complaint = || {
        Complaint::new(
            "is not a length of time between 1 ms and 24 h",
            "set seconds, or a number with ms, s, m or h, such as 500ms",
        )
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| complaint())?;
    let millis = match unit.trim() {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(complaint()),
    };
    match number.checked_mul(millis) {
        Some(millis @ 1..=86_400_000) => Ok(Duration::from_millis(millis)),
        _ => Err(complaint()),
    }
}

/// A number of bytes within `range`: whole, or with one of the units KB, MB, GB (powers of 1000)
/// and KiB, MiB, GiB (powers of 1024).
pub(crate) fn bytes(range: std::ops::RangeInclusive<u64>) -> impl Fn(&str) -> Parsed<u64> {
    move |text| {
        let complaint = || {
            Complaint::new(
                format!(
                    "is not a size from {} to {} bytes",
                    range.start(),
                    range.end()
                ),
                "set a number of bytes, or a number with KiB, MiB or GiB, such as 10MiB",
            )
        };
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| complaint())?;
        let factor = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "kb" => 1_000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            "kib" => 1 << 10,
            "mib" => 1 << 20,
            "gib" => 1 << 30,
            _ => return Err(complaint()),
        };
        number
            .checked_mul(factor)
            .filter(|size| range.contains(size))
            .ok_or_else(complaint)
    }
}

/// The items of a comma-separated list, without the empty ones.
pub(crate) fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

/// Networks; a bare address is the network of that one address.
pub(crate) fn networks(text: &str) -> Parsed<Vec<IpNet>> {
    let mut networks = Vec::new();
    for item in items(text) {
        let network = match item.parse::<IpNet>() {
            Ok(network) => Some(network.trunc()),
            Err(_) => item.parse::<IpAddr>().ok().map(IpNet::from),
        };
        networks.push(network.ok_or_else(|| {
            Complaint::new(
                format!("has `{item}` in it, which is not a network"),
                "set networks with commas between them, such as 10.0.0.0/8,127.0.0.1/32",
            )
        })?);
    }
    Ok(networks)
}

/// An http or https URL without path, query and user: where people reach this installation.
pub(crate) fn public_url(text: &str) -> Parsed<Url> {
    web_origin(text).ok_or_else(|| {
        Complaint::new(
            "is not the address of a web site",
            "set scheme and host only, such as https://api.example.com",
        )
    })
}

fn web_origin(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let bare = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    bare.then_some(url)
}

/// Origins (RFC 6454) in the form browsers send them, or `*`.
pub(crate) fn origins(text: &str) -> Parsed<Vec<String>> {
    let mut origins = Vec::new();
    for item in items(text) {
        if item == "*" {
            origins.push(item.to_owned());
            continue;
        }
        let Some(url) = web_origin(item) else {
            return Err(Complaint::new(
                format!("has `{item}` in it, which is not an origin"),
                "set origins with commas between them, such as https://app.example.com",
            ));
        };
        origins.push(url.origin().ascii_serialization());
    }
    Ok(origins)
}

/// Host names in lower case, each optionally with `*.` before it, or `*` alone.
pub(crate) fn hosts(text: &str) -> Parsed<Vec<String>> {
    let mut hosts = Vec::new();
    for item in items(text) {
        let item = item.to_ascii_lowercase();
        let name = item.strip_prefix("*.").unwrap_or(&item);
        if item != "*" && !is_host(name) {
            return Err(Complaint::new(
                format!("has `{item}` in it, which is not a host name"),
                "set host names without scheme and port, with commas between them",
            ));
        }
        hosts.push(item);
    }
    Ok(hosts)
}

pub(crate) fn is_host(text: &str) -> bool {
    let address = text
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>()
        .is_ok();
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    address || (text.len() <= 253 && text.split('.').all(label))
}

/// First segments of the paths that something is served under.
pub(crate) const TAKEN: [&str; 44] = [
    "access-tokens",
    "alerts",
    "api",
    "api-keys",
    "apis",
    "audit",
    "auth",
    "billing",
    "configuration",
    "confirm-email",
    "console",
    "costs",
    "explain",
    "favicon.svg",
    "fonts",
    "forgot-password",
    "guards",
    "health",
    "insights",
    "invitations",
    "join",
    "limits",
    "login",
    "members",
    "notifications",
    "organization",
    "organizations",
    "passkeys.js",
    "pkg",
    "policies",
    "proxy",
    "register",
    "report-schedules",
    "reports",
    "reset-password",
    "robots.txt",
    "saved-views",
    "service-accounts",
    "sign-out",
    "slos",
    "theme",
    "usage",
    "verify-email",
    "webhooks",
];

/// An absolute path that nothing else is served under.
pub(crate) fn metrics_path(text: &str) -> Parsed<String> {
    let plain = text.starts_with('/')
        && text.len() > 1
        && !text.contains("//")
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"/-_.~".contains(&b));
    if !plain {
        return Err(Complaint::new(
            "is not a path",
            "set a path such as /metrics",
        ));
    }
    let first = text[1..].split('/').next().unwrap_or_default();
    if TAKEN.contains(&first) {
        return Err(Complaint::new(
            "is a path something else is served under",
            "set another path",
        ));
    }
    Ok(text.to_owned())
}

/// Log directives: a level, or `module=level`, with commas between them. The names other logging
/// systems have for levels are understood.
pub(crate) fn log_filter(text: &str) -> Parsed<String> {
    let complaint = |item: &str| {
        Complaint::new(
            format!("has `{item}` in it, which is not a log level"),
            "set trace, debug, info, warn, error or off, also by module: info,apiverse_gateway=debug",
        )
    };
    let mut directives = Vec::new();
    for item in items(text) {
        let (module, level) = match item.split_once('=') {
            Some((module, level)) => (Some(module), level),
            None => (None, item),
        };
        let level = match level.to_ascii_lowercase().as_str() {
            "trace" | "notset" => "trace",
            "debug" => "debug",
            "info" | "notice" => "info",
            "warn" | "warning" => "warn",
            "error" | "critical" | "fatal" => "error",
            "off" => "off",
            _ => return Err(complaint(item)),
        };
        directives.push(match module {
            None => level.to_owned(),
            Some(module)
                if !module.is_empty()
                    && module
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b"_:-".contains(&b)) =>
            {
                format!("{module}={level}")
            }
            Some(_) => return Err(complaint(item)),
        });
    }
    if directives.is_empty() {
        return Err(complaint(text));
    }
    Ok(directives.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("5"), Ok(Duration::from_secs(5)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2 m"), Ok(Duration::from_secs(120)));
        for bad in [
            "",
            "s",
            "0",
            "-1",
            "1.5s",
            "5 parsecs",
            "25h",
            "99999999999999999999",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes() {
        let parse = bytes(1..=u64::MAX);
        assert_eq!(parse("1GiB"), Ok(1 << 30));
        assert_eq!(parse("10 MB"), Ok(10_000_000));
        assert_eq!(parse("17"), Ok(17));
        for bad in ["", "GiB", "0", "1TiB", "99999999999999GiB"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn network_lists() {
        let networks = networks("10.1.2.3/8, 127.0.0.1,::1 ,").unwrap();
        let shown: Vec<String> = networks.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["10.0.0.0/8", "127.0.0.1/32", "::1/128"]);
        assert!(super::networks("true").is_err());
        assert!(super::networks("10.0.0.0/33").is_err());
    }

    #[test]
    fn origin_lists() {
        let list = origins("https://App.Example.com/, http://localhost:3000,*").unwrap();
        assert_eq!(
            list,
            ["https://app.example.com", "http://localhost:3000", "*"]
        );
        for bad in [
            "example.com",
            "https://a.b/path",
            "https://u:p@a.b",
            "ftp://a.b",
            "https://",
        ] {
            assert!(origins(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn host_lists() {
        assert_eq!(hosts("A.example, *.b.example,10.0.0.1").unwrap().len(), 3);
        for bad in ["https://a", "a:80", "a..b", "-a", "a*"] {
            assert!(hosts(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn log_filters() {
        assert_eq!(log_filter("INFO").unwrap(), "info");
        assert_eq!(
            log_filter("WARNING, apiverse_gateway=DEBUG").unwrap(),
            "warn,apiverse_gateway=debug"
        );
        for bad in ["loud", "a=loud", "=info", "a[b]=info"] {
            assert!(log_filter(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn metrics_paths() {
        assert!(metrics_path("/internal/metrics").is_ok());
        for bad in [
            "metrics",
            "/",
            "/a b",
            "/proxy/metrics",
            "/api/metrics",
            "//a",
            "/{x}",
            "/auth/login",
            "/apis",
            "/api-keys/x",
            "/login",
            "/usage/",
        ] {
            assert!(metrics_path(bad).is_err(), "{bad}");
        }
    }
}
