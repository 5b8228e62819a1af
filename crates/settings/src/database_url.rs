//! The many spellings of a database's address, made into the one the store understands.

use std::fmt::Write;
use std::path::Path;

use url::Url;

use crate::parse::{Complaint, Parsed};
use crate::settings::DatabaseKind;

const SSL_MODES: [&str; 6] = [
    "disable",
    "allow",
    "prefer",
    "require",
    "verify-ca",
    "verify-full",
];
const MEND: &str = "set sqlite://path/to/file.db or postgres://user:password@host:5432/name";

/// Recognises the database, and rewrites `postgresql://` and the names Python's drivers have for
/// it to `postgres://`, and asyncpg's `ssl=` to `sslmode=`. Everything else stays byte for byte.
pub(crate) fn normalise(text: &str) -> Parsed<(DatabaseKind, String)> {
    if let Some(rest) = text.strip_prefix("sqlite:") {
        let path = rest.strip_prefix("//").unwrap_or(rest);
        if path.is_empty() || path.starts_with('?') {
            return Err(Complaint::new("names no database file", MEND));
        }
        return Ok((DatabaseKind::Sqlite, text.to_owned()));
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(Complaint::new("is not a URL", MEND));
    };
    match scheme.to_ascii_lowercase().as_str() {
        "postgres" | "postgresql" | "postgresql+asyncpg" | "postgres+asyncpg" => postgres(rest),
        _ => Err(Complaint::new("is neither SQLite nor PostgreSQL", MEND)),
    }
}

fn postgres(rest: &str) -> Parsed<(DatabaseKind, String)> {
    let percent = "percent-encode special characters in user and password: # is %23, / is %2F, @ is %40, ? is %3F";
    let readable = Url::parse(&format!("postgres://{rest}"))
        .map_err(|_| Complaint::new("is not a readable URL", percent))?;
    if readable.fragment().is_some() {
        return Err(Complaint::new("has a # in it", percent));
    }
    let Some((place, query)) = rest.split_once('?') else {
        return Ok((DatabaseKind::Postgres, format!("postgres://{rest}")));
    };
    let has_sslmode = query.split('&').any(|pair| pair.starts_with("sslmode="));
    let mut url = format!("postgres://{place}");
    let mut separator = '?';
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if matches!(name, "ssl" | "sslmode") && !SSL_MODES.contains(&value) {
            return Err(Complaint::new(
                format!("has an unknown mode in {name}"),
                format!("set sslmode to one of {}", SSL_MODES.join(", ")),
            ));
        }
        let name = match name {
            "ssl" if has_sslmode => continue,
            "ssl" => "sslmode",
            name => name,
        };
        // Writing to a String cannot fail.
        let _ = write!(url, "{separator}{name}={value}");
        separator = '&';
    }
    Ok((DatabaseKind::Postgres, url))
}

/// The embedded database's URL in this folder.
pub(crate) fn embedded(data_dir: &Path) -> String {
    let path = data_dir.join("apiverse.db").to_string_lossy().into_owned();
    let path = path
        .replace('%', "%25")
        .replace('?', "%3F")
        .replace('#', "%23");
    format!("sqlite://{path}")
}

/// The password inside a database's URL, still percent-encoded.
pub(crate) fn password(url: &str) -> Option<String> {
    Url::parse(url).ok()?.password().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> String {
        normalise(text).unwrap().1
    }

    #[test]
    fn asyncpg_becomes_postgres() {
        assert_eq!(
            url("postgresql+asyncpg://u:p%40ss@ep-x.neon.tech/db?ssl=require"),
            "postgres://u:p%40ss@ep-x.neon.tech/db?sslmode=require",
        );
        assert_eq!(
            url("postgresql+asyncpg://u:p@h:5432/db?sslmode=require&application_name=a%20b"),
            "postgres://u:p@h:5432/db?sslmode=require&application_name=a%20b",
        );
        assert_eq!(
            url("postgresql+asyncpg://h/db?ssl=prefer&sslmode=verify-full"),
            "postgres://h/db?sslmode=verify-full",
        );
        assert_eq!(url("postgresql://h/db"), "postgres://h/db");
        assert_eq!(
            url("postgres:///db?host=/run/postgresql"),
            "postgres:///db?host=/run/postgresql"
        );
    }

    #[test]
    fn sqlite_stays_as_it_is() {
        for text in [
            "sqlite://data/a.db",
            "sqlite:///var/a.db",
            "sqlite::memory:",
            "sqlite:a.db?mode=rwc",
        ] {
            assert_eq!(
                normalise(text).unwrap(),
                (DatabaseKind::Sqlite, text.to_owned())
            );
        }
    }

    #[test]
    fn refuses_without_repeating_the_url() {
        for bad in [
            "",
            "data/hunter2.db",
            "sqlite:",
            "sqlite://?mode=rwc",
            "mysql://u:hunter2@h/db",
            "postgres://u:hunter2#x@h/db",
            "postgres://u:hunter2@h:port/db",
            "postgres://u:hunter2@h/db?sslmode=yes",
            "postgresql+asyncpg://u:hunter2@h/db?ssl=true",
        ] {
            let complaint = normalise(bad).unwrap_err();
            assert!(!format!("{complaint:?}").contains("hunter2"), "{bad}");
        }
    }

    #[test]
    fn embedded_paths_are_escaped() {
        assert_eq!(
            embedded(Path::new("/var/a?b%")),
            "sqlite:///var/a%3Fb%25/apiverse.db"
        );
    }
}
