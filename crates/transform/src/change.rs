//! Changes to heads and addresses, compiled from their policies.

use apiverse_contract::FieldError;
use apiverse_contract::policies::transform::{
    BodyChange, Changes, PathChange, RequestTransformPolicy, ResponseTransformPolicy,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::jq::Program;
use crate::query::Query;
use crate::template::{Facts, Template};

/// A call cannot be changed as its policy says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// A variable has a value that cannot be sent in a header: a line's end, a control character.
    #[error("the header {0} would have a value that cannot be sent")]
    Header(String),
    /// A variable of the path's template has no value, or one that is a step up.
    #[error("the path cannot be made: a variable of it has no value that can be in a path")]
    Path,
}

/// A jq expression with its bounds.
#[derive(Debug)]
pub struct Body {
    pub program: Program,
    /// Largest body that is changed, and that may come out.
    pub most_bytes: usize,
    /// Longest time in milliseconds.
    pub most_ms: u32,
}

/// Changes to a request, ready to be made.
#[derive(Debug)]
pub struct RequestChange {
    pub method: Option<Method>,
    path: Option<PathRule>,
    query: Rules,
    headers: Rules,
    pub body: Option<Body>,
}

/// Changes to an answer, ready to be made.
#[derive(Debug)]
pub struct ResponseChange {
    policy: ResponseTransformPolicy,
    status: Option<StatusCode>,
    headers: Rules,
    pub body: Option<Body>,
}

#[derive(Debug)]
struct PathRule {
    strip_prefix: Option<String>,
    add_prefix: Option<String>,
    template: Option<Template>,
}

#[derive(Debug, Default)]
struct Rules {
    remove: Vec<String>,
    rename: Vec<(String, String)>,
    set: Vec<(String, Template)>,
    append: Vec<(String, Template)>,
    default: Vec<(String, Template)>,
}

impl RequestChange {
    /// Compiles a policy that is valid.
    ///
    /// # Errors
    /// Templates and expressions that cannot be read, each with its field.
    pub fn new(policy: &RequestTransformPolicy) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        let change = Self {
            method: match &policy.method {
                None => None,
                Some(method) => match method.parse() {
                    Ok(method) => Some(method),
                    Err(_) => {
                        errors.push(FieldError::new("method", "must be a method"));
                        None
                    }
                },
            },
            path: policy
                .path
                .as_ref()
                .map(|path| path_rule(path, &mut errors)),
            query: rules("query", &policy.query, false, &mut errors),
            headers: rules("headers", &policy.headers, false, &mut errors),
            body: body(policy.body.as_ref(), &mut errors),
        };
        if errors.is_empty() {
            Ok(change)
        } else {
            Err(errors)
        }
    }

    /// Whether there is anything to change in the address; without, it stays byte for byte.
    #[must_use]
    pub fn changes_address(&self) -> bool {
        let query = &self.query;
        self.path.is_some()
            || !query.remove.is_empty()
            || !query.rename.is_empty()
            || !query.set.is_empty()
            || !query.append.is_empty()
            || !query.default.is_empty()
    }

    /// The path and query for the upstream, made of the caller's.
    ///
    /// # Errors
    /// [`ChangeError::Path`].
    pub fn address(&self, facts: &Facts<'_>) -> Result<(String, Option<String>), ChangeError> {
        let path = match &self.path {
            Some(rule) => rule.apply(facts)?,
            None => facts.path.to_owned(),
        };
        let mut query = Query::parse(facts.query);
        let rules = &self.query;
        for name in &rules.remove {
            query.remove(name);
        }
        for (old, new) in &rules.rename {
            query.rename(old, new);
        }
        for (name, template) in &rules.set {
            if let Some(value) = template.render(facts) {
                query.remove(name);
                query.append(name, &value);
            }
        }
        for (name, template) in &rules.append {
            if let Some(value) = template.render(facts) {
                query.append(name, &value);
            }
        }
        for (name, template) in &rules.default {
            if !query.has(name)
                && let Some(value) = template.render(facts)
            {
                query.append(name, &value);
            }
        }
        Ok((path, query.into_text()))
    }

    /// Whether the fields tell the upstream whose key it is, so that its answers may be that
    /// key's alone. What the address tells is in the address.
    #[must_use]
    pub fn tells_key(&self) -> bool {
        let rules = &self.headers;
        let mut all = rules.set.iter().chain(&rules.append).chain(&rules.default);
        all.any(|(_, template)| template.names_key())
    }

    /// Changes the fields in place; `facts` are those of the request before that.
    ///
    /// # Errors
    /// [`ChangeError::Header`]; some may be changed then.
    pub fn headers(&self, facts: &Facts<'_>, headers: &mut HeaderMap) -> Result<(), ChangeError> {
        self.headers.apply(facts, headers)
    }
}

impl ResponseChange {
    /// See [`RequestChange::new`].
    ///
    /// # Errors
    /// See there.
    pub fn new(policy: ResponseTransformPolicy) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        let headers = rules("headers", &policy.headers, true, &mut errors);
        let body = body(policy.body.as_ref(), &mut errors);
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self {
            status: policy
                .status
                .and_then(|status| StatusCode::from_u16(status).ok()),
            policy,
            headers,
            body,
        })
    }

    /// Whether answers with this status are changed.
    #[must_use]
    pub fn is_for(&self, status: StatusCode) -> bool {
        self.policy.is_for(status.as_u16())
    }

    /// The status the caller gets. Answers that have no body, as 204 and 304, keep theirs.
    #[must_use]
    pub fn status(&self, status: StatusCode) -> StatusCode {
        let is_bare = status.is_informational() || matches!(status.as_u16(), 204 | 205 | 206 | 304);
        match self.status {
            Some(new) if !is_bare => new,
            _ => status,
        }
    }

    /// See [`RequestChange::headers`].
    ///
    /// # Errors
    /// See there.
    pub fn headers(&self, facts: &Facts<'_>, headers: &mut HeaderMap) -> Result<(), ChangeError> {
        self.headers.apply(facts, headers)
    }
}

impl PathRule {
    fn apply(&self, facts: &Facts<'_>) -> Result<String, ChangeError> {
        let mut path = facts.path;
        if let Some(prefix) = &self.strip_prefix
            && let Some(rest) = path.strip_prefix(prefix.trim_end_matches('/'))
            && (rest.is_empty() || rest.starts_with('/'))
        {
            path = rest;
        }
        if let Some(template) = &self.template {
            let facts = Facts { path, ..*facts };
            let made = template.render_path(&facts).ok_or(ChangeError::Path)?;
            if !made.starts_with('/') {
                return Err(ChangeError::Path);
            }
            return Ok(made);
        }
        Ok(match &self.add_prefix {
            Some(prefix) => format!("{}{path}", prefix.trim_end_matches('/')),
            None => path.to_owned(),
        })
    }
}

impl Rules {
    fn apply(&self, facts: &Facts<'_>, headers: &mut HeaderMap) -> Result<(), ChangeError> {
        // Of the message as it came: what one rule sets the next does not see.
        let mut values = Vec::new();
        for (list, rules) in [(0, &self.set), (1, &self.append), (2, &self.default)] {
            for (name, template) in rules {
                let Some(text) = template.render(facts) else {
                    continue;
                };
                let bad = || ChangeError::Header(name.clone());
                let value = HeaderValue::from_str(&text).map_err(|_| bad())?;
                let header: HeaderName = name.parse().map_err(|_| bad())?;
                values.push((list, header, value));
            }
        }
        for name in &self.remove {
            headers.remove(name);
        }
        for (old, new) in &self.rename {
            let (Ok(old), Ok(new)) = (old.parse::<HeaderName>(), new.parse::<HeaderName>()) else {
                continue;
            };
            let moved: Vec<HeaderValue> = headers.get_all(&old).iter().cloned().collect();
            if old == new || moved.is_empty() {
                continue;
            }
            headers.remove(&old);
            headers.remove(&new);
            for value in moved {
                headers.append(new.clone(), value);
            }
        }
        for (list, name, value) in values {
            match list {
                0 => drop(headers.insert(name, value)),
                1 => drop(headers.append(name, value)),
                _ if headers.contains_key(&name) => {}
                _ => drop(headers.insert(name, value)),
            }
        }
        Ok(())
    }
}

fn rules(field: &str, changes: &Changes, answers: bool, errors: &mut Vec<FieldError>) -> Rules {
    let mut rules = Rules {
        remove: changes.remove.clone(),
        rename: changes
            .rename
            .iter()
            .map(|(old, new)| (old.clone(), new.clone()))
            .collect(),
        ..Rules::default()
    };
    for (list, values) in changes.values() {
        for (name, text) in values {
            match Template::parse(text, answers) {
                Ok(template) => {
                    let entry = (name.clone(), template);
                    match list {
                        "set" => rules.set.push(entry),
                        "append" => rules.append.push(entry),
                        _ => rules.default.push(entry),
                    }
                }
                Err(error) => {
                    let field = format!("{field}.{list}.{name}");
                    errors.push(FieldError::new(field, error.to_string()));
                }
            }
        }
    }
    rules
}

fn path_rule(change: &PathChange, errors: &mut Vec<FieldError>) -> PathRule {
    let template = change.template.as_ref().and_then(|text| {
        Template::parse(text, false)
            .map_err(|error| errors.push(FieldError::new("path.template", error.to_string())))
            .ok()
    });
    PathRule {
        strip_prefix: change.strip_prefix.clone(),
        add_prefix: change.add_prefix.clone(),
        template,
    }
}

fn body(change: Option<&BodyChange>, errors: &mut Vec<FieldError>) -> Option<Body> {
    let change = change?;
    match Program::compile(&change.jq) {
        Ok(program) => Some(Body {
            program,
            most_bytes: change.most_bytes() as usize,
            most_ms: change.most_ms(),
        }),
        Err(error) => {
            errors.push(FieldError::new("body.jq", error.to_string()));
            None
        }
    }
}
