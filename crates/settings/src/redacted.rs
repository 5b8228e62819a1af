//! The configuration as it may be shown.

use std::fmt;

use figment::Figment;
use url::Url;

use crate::catalog::{Known, SETTINGS, Visibility};
use crate::layers::{Layer, find};
use crate::secret::REDACTED;

/// Query parameters of connection URLs that may be shown; what else is there may be a password.
const HARMLESS: [&str; 5] = ["sslmode", "ssl", "mode", "host", "application_name"];

/// One setting as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownSetting {
    /// The environment variable.
    pub name: &'static str,
    /// The key in the config file.
    pub key: &'static str,
    /// `None` when it is not set.
    pub value: Option<String>,
    pub layer: Layer,
}

/// Every setting as it may be shown; prints as a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redacted {
    pub settings: Vec<ShownSetting>,
}

impl Redacted {
    pub(crate) fn of(figment: &Figment) -> Self {
        let settings = SETTINGS
            .iter()
            .map(|known| {
                let (value, layer) = match find(figment, known.variable) {
                    Some((text, layer)) => (Some(shown(known, text)), layer),
                    None => (None, Layer::Default),
                };
                ShownSetting {
                    name: known.variable,
                    key: known.key,
                    value,
                    layer,
                }
            })
            .collect();
        Self { settings }
    }

    /// The setting of this variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&ShownSetting> {
        self.settings.iter().find(|setting| setting.name == name)
    }
}

impl fmt::Display for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |setting: &ShownSetting| match &setting.value {
            Some(value) => value.clone(),
            None => "-".to_owned(),
        };
        let name_width = self
            .settings
            .iter()
            .map(|s| s.name.len())
            .max()
            .unwrap_or(0);
        let width = |s: &ShownSetting| text(s).chars().count();
        let value_width = self
            .settings
            .iter()
            .map(width)
            .max()
            .unwrap_or(0)
            .clamp(5, 60);
        writeln!(f, "{:name_width$}  {:value_width$}  FROM", "NAME", "VALUE")?;
        for setting in &self.settings {
            let value = text(setting);
            writeln!(
                f,
                "{:name_width$}  {value:value_width$}  {}",
                setting.name, setting.layer
            )?;
        }
        Ok(())
    }
}

fn shown(known: &Known, text: String) -> String {
    match known.visibility {
        Visibility::Public => text,
        Visibility::Secret => REDACTED.to_owned(),
        Visibility::SecretUrl => shown_url(&text),
    }
}

/// The URL without what may be secret in it. A user name without a password may be a token.
fn shown_url(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else {
        return REDACTED.to_owned();
    };
    let hidden = if url.password().is_some() {
        url.set_password(Some("redacted"))
    } else if !url.username().is_empty() {
        url.set_username("redacted")
    } else {
        Ok(())
    };
    if hidden.is_err() {
        return REDACTED.to_owned();
    }
    url.set_fragment(None);
    if let Some(query) = url.query().map(str::to_owned) {
        let pairs: Vec<String> = query
            .split('&')
            .map(|pair| {
                let name = pair.split('=').next().unwrap_or_default();
                if HARMLESS.contains(&name) {
                    pair.to_owned()
                } else {
                    format!("{name}=redacted")
                }
            })
            .collect();
        url.set_query(Some(&pairs.join("&")));
    }
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_keep_what_is_harmless() {
        for (text, expected) in [
            (
                "postgres://u:hunter2@h/db?sslmode=require",
                "postgres://u:redacted@h/db?sslmode=require",
            ),
            (
                "postgres://h/db?password=hunter2&sslmode=allow",
                "postgres://h/db?password=redacted&sslmode=allow",
            ),
            ("redis://:hunter2@h:6379/0", "redis://:redacted@h:6379/0"),
            ("redis://hunter2@h:6379/0", "redis://redacted@h:6379/0"),
            ("sqlite:///var/data/a.db", "sqlite:///var/data/a.db"),
            ("sqlite::memory:", "sqlite::memory:"),
            ("hunter2", REDACTED),
        ] {
            assert_eq!(shown_url(text), expected);
        }
    }
}
