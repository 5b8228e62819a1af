//! The layers of the configuration: each a set of texts by variable name, and where it came from.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::Path;

use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use crate::catalog::{self, OTHER_VARIABLES, Preset, SETTINGS};
use crate::inputs::Inputs;
use crate::problem::SettingProblem;
use crate::suggest::closest;

/// Where a value comes from; a later layer wins over an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    Default,
    File,
    /// `secrets.toml` in the data folder.
    Generated,
    SecretFile,
    Environment,
    Flag,
}

impl Layer {
    const ALL: [Self; 6] = [
        Self::Default,
        Self::File,
        Self::Generated,
        Self::SecretFile,
        Self::Environment,
        Self::Flag,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File => "config file",
            Self::Generated => "generated secrets",
            Self::SecretFile => "secret file",
            Self::Environment => "environment",
            Self::Flag => "flag",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The texts of one layer. Everything is text until the end, so that one reader serves all layers.
pub(crate) struct LayerTexts {
    pub layer: Layer,
    pub texts: BTreeMap<&'static str, String>,
}

impl LayerTexts {
    pub fn new(layer: Layer) -> Self {
        Self {
            layer,
            texts: BTreeMap::new(),
        }
    }

    pub fn with(layer: Layer, texts: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        Self {
            layer,
            texts: texts.into_iter().collect(),
        }
    }

    fn insert(&mut self, variable: &'static str, text: &str) {
        let text = text.trim();
        if !text.is_empty() {
            self.texts.insert(variable, text.to_owned());
        }
    }
}

impl Provider for &LayerTexts {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.layer.as_str())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let dict: Dict = self
            .texts
            .iter()
            .map(|(variable, text)| ((*variable).to_owned(), Value::from(text.as_str())))
            .collect();
        Ok(Map::from([(Profile::Default, dict)]))
    }
}

/// The layers one over the other, the last one on top.
pub(crate) fn stack<'a>(layers: impl IntoIterator<Item = &'a LayerTexts>) -> Figment {
    layers.into_iter().fold(Figment::new(), Figment::merge)
}

/// The value on top, and the layer it is in.
pub(crate) fn find(figment: &Figment, variable: &str) -> Option<(String, Layer)> {
    let text = figment.find_value(variable).ok()?.into_string()?;
    let name = &figment.find_metadata(variable)?.name;
    let layer = Layer::ALL
        .into_iter()
        .find(|layer| layer.as_str() == *name)?;
    Some((text, layer))
}

/// The defaults that depend on nothing.
pub(crate) fn defaults() -> LayerTexts {
    let texts = SETTINGS.iter().filter_map(|known| match known.default {
        Preset::Value(value) => Some((known.variable, value.to_owned())),
        Preset::None | Preset::Derived(_) => None,
    });
    LayerTexts::with(Layer::Default, texts)
}

/// The variables of the environment that are settings.
pub(crate) fn environment(inputs: &Inputs, problems: &mut Vec<SettingProblem>) -> LayerTexts {
    let mut layer = LayerTexts::new(Layer::Environment);
    for known in SETTINGS {
        if let Some(text) = inputs.variable(known.variable) {
            layer.insert(known.variable, text);
        }
    }
    for name in &inputs.not_unicode {
        let setting = name.strip_suffix("_FILE").unwrap_or(name);
        if catalog::by_variable(setting).is_some() || name.starts_with("APIVERSE_") {
            problems.push(SettingProblem::new(
                name,
                "is not UTF-8",
                "set a text in UTF-8",
            ));
        }
    }
    unknown_variables(inputs, problems);
    layer
}

fn unknown_variables(inputs: &Inputs, problems: &mut Vec<SettingProblem>) {
    let mut names: BTreeSet<String> = SETTINGS
        .iter()
        .map(|known| known.variable.to_owned())
        .collect();
    names.extend(OTHER_VARIABLES.map(str::to_owned));
    let secrets = SETTINGS.iter().filter(|known| known.is_secret());
    names.extend(secrets.map(|known| format!("{}_FILE", known.variable)));
    for (name, value) in &inputs.env {
        if !name.starts_with("APIVERSE_") || names.contains(name) || is_service_link(name, value) {
            continue;
        }
        let mend = match closest(name, names.iter().map(String::as_str)) {
            Some(known) => format!("did you mean {known}?"),
            None => "remove it; docs/configuration.md lists all settings".to_owned(),
        };
        problems.push(SettingProblem::new(name, "is not a setting", mend));
    }
}

/// Kubernetes and Docker put variables of this shape into every container beside a service whose
/// name begins with `apiverse`. They are nobody's typing error.
fn is_service_link(name: &str, value: &str) -> bool {
    let port = || {
        name.split("_PORT_")
            .skip(1)
            .any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || (name.ends_with("_PORT") && value.contains("://"))
        || port()
}

/// Secrets from mounted files: for each secret `NAME` the content of the file `NAME_FILE` names,
/// without white space around it.
pub(crate) fn secret_files(inputs: &Inputs, problems: &mut Vec<SettingProblem>) -> LayerTexts {
    let mut layer = LayerTexts::new(Layer::SecretFile);
    for known in SETTINGS.iter().filter(|known| known.is_secret()) {
        let name = format!("{}_FILE", known.variable);
        let Some(path) = inputs.variable(&name) else {
            continue;
        };
        match fs::read_to_string(inputs.path(path)) {
            Ok(text) if text.trim().is_empty() => problems.push(SettingProblem::new(
                name,
                format!("the file `{path}` is empty"),
                format!("write {} into it, or remove the variable", known.variable),
            )),
            Ok(text) => layer.insert(known.variable, &text),
            Err(error) => problems.push(SettingProblem::new(
                name,
                format!("cannot read `{path}`: {}", reason(&error)),
                "name a text file this process may read, or remove the variable",
            )),
        }
    }
    layer
}

/// The generated secrets of earlier starts; `None` when there is no such file yet.
pub(crate) fn generated_secrets(
    path: &Path,
    problems: &mut Vec<SettingProblem>,
) -> Option<LayerTexts> {
    let mut layer = LayerTexts::new(Layer::Generated);
    let shown = path.display().to_string();
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => {
            problems.push(SettingProblem::new(
                shown,
                format!("cannot be read: {}", reason(&error)),
                "let this process read it; it belongs to the user that started it first",
            ));
            return Some(layer);
        }
    };
    let table = match crate::file::parse_toml(&text) {
        Ok(table) => table,
        Err(message) => {
            problems.push(SettingProblem::new(
                shown,
                message,
                "restore it from a backup",
            ));
            return Some(layer);
        }
    };
    for (name, value) in &table {
        let known = catalog::by_variable(name).filter(|known| known.is_secret());
        match (known, value.as_str()) {
            (Some(known), Some(text)) => layer.insert(known.variable, text),
            _ => problems.push(SettingProblem::new(
                format!("{name} in {shown}"),
                "is not the name of a secret with its text",
                "remove the line; other settings belong into apiverse.toml",
            )),
        }
    }
    Some(layer)
}

/// What the operating system says, as our messages are written.
pub(crate) fn reason(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => "there is no such file".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::IsADirectory => "it is a folder".to_owned(),
        ErrorKind::InvalidData => "it is not UTF-8".to_owned(),
        _ => error.to_string().to_lowercase(),
    }
}
