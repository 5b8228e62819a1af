//! Texts with variables of the call in them.

use http::HeaderMap;

use crate::percent;

/// What variables stand for in one call.
#[derive(Clone, Copy)]
pub struct Facts<'c> {
    pub method: &'c str,
    /// The path below the API, as the caller sent it.
    pub path: &'c str,
    /// Without the question mark, and without our key.
    pub query: Option<&'c str>,
    pub headers: &'c HeaderMap,
    pub request_id: &'c str,
    /// What the route's template captured, decoded.
    pub captured: &'c [(String, String)],
    pub key_id: &'c str,
    pub key_name: &'c str,
    /// `live` or `test`.
    pub key_environment: &'c str,
    pub api_id: &'c str,
    pub api_slug: &'c str,
    /// Status and fields of the upstream's answer, when there is one.
    pub response: Option<(u16, &'c HeaderMap)>,
}

/// Fields that hold credentials: no variable and no expression sees them.
pub(crate) fn is_secret(name: &str) -> bool {
    const SECRET: [&str; 5] = [
        "authorization",
        "proxy-authorization",
        "cookie",
        "set-cookie",
        "x-api-key",
    ];
    SECRET
        .iter()
        .any(|secret| name.eq_ignore_ascii_case(secret))
}

/// A text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTemplate {
    #[error("has a brace without its other one; write {{{{ and }}}} for braces")]
    Brace,
    #[error("has a variable that is not known: {0}")]
    Unknown(String),
    #[error("cannot use {0}: it holds credentials")]
    Secret(String),
    #[error("can use the response only in answers: {0}")]
    NoResponse(String),
}

/// A text with variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(Variable),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Variable {
    Method,
    Path,
    RequestId,
    Query(String),
    Header(String),
    Captured(String),
    KeyId,
    KeyName,
    KeyEnvironment,
    ApiId,
    ApiSlug,
    Status,
    ResponseHeader(String),
}

impl Template {
    /// Reads a template; `answers`: variables of the response may be used.
    ///
    /// # Errors
    /// See [`BadTemplate`].
    pub fn parse(text: &str, answers: bool) -> Result<Self, BadTemplate> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                plain.push_str(brace);
                rest = after;
                continue;
            }
            if brace == "}" {
                return Err(BadTemplate::Brace);
            }
            let end = rest.find('}').ok_or(BadTemplate::Brace)?;
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::Variable(variable(&rest[..end], answers)?));
            rest = &rest[end + 1..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self(parts))
    }

    /// Whether it says something of the API key.
    pub(crate) fn names_key(&self) -> bool {
        self.0.iter().any(|part| {
            matches!(
                part,
                Part::Variable(Variable::KeyId | Variable::KeyName | Variable::KeyEnvironment)
            )
        })
    }

    /// The text for a call; `None` when it is one variable alone that has nothing in this call.
    pub(crate) fn render(&self, facts: &Facts<'_>) -> Option<String> {
        if let [Part::Variable(variable)] = &*self.0 {
            return variable.value(facts);
        }
        let mut out = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Variable(variable) => {
                    out.push_str(&variable.value(facts).unwrap_or_default())
                }
            }
        }
        Some(out)
    }

    /// The text as a path: values are segments of it, but for `{request.path}`. `None`: a value
    /// would be a step up, or nothing where a segment has to be.
    pub(crate) fn render_path(&self, facts: &Facts<'_>) -> Option<String> {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Variable(Variable::Path) => {
                    let path = facts.path;
                    // The template says where the slash is.
                    let path = match out.ends_with('/') {
                        true => path.strip_prefix('/').unwrap_or(path),
                        false => path,
                    };
                    out.push_str(path);
                }
                Part::Variable(variable) => {
                    let value = variable.value(facts)?;
                    if value.is_empty() || value == "." || value == ".." {
                        return None;
                    }
                    percent::push_encoded(&mut out, &value);
                }
            }
        }
        Some(out)
    }
}

fn variable(name: &str, answers: bool) -> Result<Variable, BadTemplate> {
    let header = |of: &str| {
        if is_secret(of) {
            Err(BadTemplate::Secret(name.to_owned()))
        } else {
            Ok(of.to_ascii_lowercase())
        }
    };
    let found = match name {
        "request.method" => Variable::Method,
        "request.path" => Variable::Path,
        "request.id" => Variable::RequestId,
        "key.id" => Variable::KeyId,
        "key.name" => Variable::KeyName,
        "key.environment" => Variable::KeyEnvironment,
        "api.id" => Variable::ApiId,
        "api.slug" => Variable::ApiSlug,
        "response.status" => Variable::Status,
        _ => {
            if let Some(of) = name.strip_prefix("request.query.") {
                Variable::Query(of.to_owned())
            } else if let Some(of) = name.strip_prefix("request.header.") {
                Variable::Header(header(of)?)
            } else if let Some(of) = name.strip_prefix("response.header.") {
                Variable::ResponseHeader(header(of)?)
            } else if let Some(of) = name.strip_prefix("path.") {
                Variable::Captured(of.to_owned())
            } else {
                return Err(BadTemplate::Unknown(name.to_owned()));
            }
        }
    };
    if !answers && matches!(found, Variable::Status | Variable::ResponseHeader(_)) {
        return Err(BadTemplate::NoResponse(name.to_owned()));
    }
    Ok(found)
}

impl Variable {
    fn value(&self, facts: &Facts<'_>) -> Option<String> {
        let header = |headers: &HeaderMap, name: &String| {
            let value = headers.get(name)?;
            Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        Some(match self {
            Self::Method => facts.method.to_owned(),
            Self::Path => facts.path.to_owned(),
            Self::RequestId => facts.request_id.to_owned(),
            Self::KeyId => facts.key_id.to_owned(),
            Self::KeyName => facts.key_name.to_owned(),
            Self::KeyEnvironment => facts.key_environment.to_owned(),
            Self::ApiId => facts.api_id.to_owned(),
            Self::ApiSlug => facts.api_slug.to_owned(),
            Self::Query(name) => {
                let pairs = crate::query::pairs(facts.query.unwrap_or_default());
                pairs.into_iter().find(|(known, _)| known == name)?.1
            }
            Self::Header(name) => header(facts.headers, name)?,
            Self::Captured(name) => {
                let found = facts.captured.iter().find(|(known, _)| known == name)?;
                found.1.clone()
            }
            Self::Status => facts.response?.0.to_string(),
            Self::ResponseHeader(name) => header(facts.response?.1, name)?,
        })
    }
}
