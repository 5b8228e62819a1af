//! Routes of an API: which of them a call belongs to.
//!
//! A template is written as `/users/{id}/files/*`: segments as they are, `{name}` for any one
//! segment, and `*`, only at the end, for any number of further segments, none included.
//!
//! Paths are compared by segments, percent-decoded, letter case kept. Empty segments and `.` do
//! not count and `..` takes the segment before it away, as upstreams do: otherwise `//users` or
//! `/%75sers` would slip past the limit of `/users`. Only the comparison is so; what is sent to
//! the upstream stays byte for byte.
//!
//! Of several routes that match, the most specific is the call's: from the left, a segment as it
//! is goes before `{name}`, and `{name}` before `*`; a path that ends goes before `*`. Of the same
//! template a route that lists methods goes before one for all, and the older before the newer.

use crate::RouteId;

/// Longest template in bytes.
pub const MAX_TEMPLATE: usize = 500;
/// Most segments of a template.
pub const MAX_SEGMENTS: usize = 32;

/// Why a text is no template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateError {
    NoSlash,
    TooLong,
    Segment,
    Rest,
    Escape,
    Character,
}

impl std::fmt::Display for TemplateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoSlash => "must begin with `/`",
            Self::TooLong => "must have at most 500 characters and 32 segments",
            Self::Segment => {
                "may have `{name}` only as a whole segment, the name of letters, digits and `_`"
            }
            Self::Rest => "may have `*` only as the last segment",
            Self::Escape => "has a `%` that is not followed by two hexadecimal digits",
            Self::Character => {
                "may have neither empty segments, `.`, `..`, `?`, `#`, spaces nor control characters"
            }
        })
    }
}

impl std::error::Error for TemplateError {}

/// What the places of a template hold in a path that belongs to it: names and decoded texts, the
/// rest of the path under `*`.
#[must_use]
pub fn captured(template: &str, path: &str) -> Vec<(String, String)> {
    let path = Path::new(path);
    let parts = path.segments();
    let text = |part: &[u8]| {
        let bytes: Vec<u8> = decoded(part).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let mut found = Vec::new();
    let places = template.split('/').filter(|segment| !segment.is_empty());
    for (at, segment) in places.enumerate() {
        let name = segment
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        if segment == "*" {
            let rest: Vec<String> = parts.iter().skip(at).map(|part| text(part)).collect();
            found.push(("*".to_owned(), rest.join("/")));
        } else if let (Some(name), Some(part)) = (name, parts.get(at)) {
            found.push((name.to_owned(), text(part)));
        }
    }
    found
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Segment {
    /// Decoded.
    Literal(Box<[u8]>),
    Any,
}

/// A path with places left open; the module's page says how it matches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RouteTemplate {
    segments: Box<[Segment]>,
    /// Whether it ends with `*`.
    rest: bool,
}

impl RouteTemplate {
    /// # Errors
    /// When the text is no template.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let Some(inner) = text.strip_prefix('/') else {
            return Err(TemplateError::NoSlash);
        };
        if text.len() > MAX_TEMPLATE {
            return Err(TemplateError::TooLong);
        }
        // A slash at the end means no more than in a call's path.
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        let mut segments = Vec::new();
        let mut rest = false;
        if !inner.is_empty() {
            for part in inner.split('/') {
                if rest {
                    return Err(TemplateError::Rest);
                }
                if part == "*" {
                    rest = true;
                } else {
                    segments.push(segment(part)?);
                }
            }
        }
        if segments.len() > MAX_SEGMENTS {
            return Err(TemplateError::TooLong);
        }
        Ok(Self {
            segments: segments.into(),
            rest,
        })
    }

    /// Whether a call's path belongs to it.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let path = Path::new(path);
        let parts = path.segments();
        let enough = if self.rest {
            parts.len() >= self.segments.len()
        } else {
            parts.len() == self.segments.len()
        };
        enough
            && self
                .segments
                .iter()
                .zip(parts)
                .all(|(segment, part)| match segment {
                    Segment::Any => true,
                    Segment::Literal(text) => decoded(part).eq(text.iter().copied()),
                })
    }
}

fn segment(part: &str) -> Result<Segment, TemplateError> {
    if let Some(name) = part
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
    {
        let is_word = !name.is_empty()
            && name.len() <= 64
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        return if is_word {
            Ok(Segment::Any)
        } else {
            Err(TemplateError::Segment)
        };
    }
    if part.contains(['{', '}']) {
        return Err(TemplateError::Segment);
    }
    if part.contains('*') {
        return Err(TemplateError::Rest);
    }
    if part.is_empty()
        || part
            .chars()
            .any(|c| c.is_control() || c.is_whitespace() || c == '?' || c == '#')
    {
        return Err(TemplateError::Character);
    }
    let bytes = part.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        if *byte == b'%' && escape(bytes, at).is_none() {
            return Err(TemplateError::Escape);
        }
    }
    let text: Vec<u8> = decoded(bytes).collect();
    if text == b"." || text == b".." {
        return Err(TemplateError::Character);
    }
    Ok(Segment::Literal(text.into()))
}

/// The byte that `%XX` at `at` stands for.
fn escape(bytes: &[u8], at: usize) -> Option<u8> {
    let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
    let (high, low) = (digit(at + 1)?, digit(at + 2)?);
    u8::try_from(high * 16 + low).ok()
}

/// Percent-decoded; what is no escape stays as it is.
fn decoded(bytes: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let byte = *bytes.get(at)?;
        if byte == b'%'
            && let Some(byte) = escape(bytes, at)
        {
            at += 3;
            return Some(byte);
        }
        at += 1;
        Some(byte)
    })
}

/// The segments of a call's path, as far as a template can tell them apart.
struct Path<'a> {
    parts: [&'a [u8]; MAX_SEGMENTS + 1],
    len: usize,
}

impl<'a> Path<'a> {
    fn new(path: &'a str) -> Self {
        let mut parts: [&[u8]; MAX_SEGMENTS + 1] = [b""; MAX_SEGMENTS + 1];
        // How deep the path is by now; only the first parts are kept.
        let mut depth = 0_usize;
        for part in path.as_bytes().split(|byte| *byte == b'/') {
            match dots(part) {
                Dots::Nothing => {}
                Dots::Back => depth = depth.saturating_sub(1),
                Dots::None => {
                    if let Some(place) = parts.get_mut(depth) {
                        *place = part;
                    }
                    depth += 1;
                }
            }
        }
        Self {
            parts,
            len: depth.min(MAX_SEGMENTS + 1),
        }
    }

    fn segments(&self) -> &[&'a [u8]] {
        &self.parts[..self.len]
    }
}

enum Dots {
    /// Empty or `.`.
    Nothing,
    /// `..`
    Back,
    None,
}

fn dots(part: &[u8]) -> Dots {
    // `%2e%2e` is the longest way to write it.
    if part.len() > 6 {
        return Dots::None;
    }
    let mut count = 0;
    for byte in decoded(part) {
        if byte != b'.' {
            return Dots::None;
        }
        count += 1;
    }
    match count {
        0 | 1 => Dots::Nothing,
        2 => Dots::Back,
        _ => Dots::None,
    }
}

/// The routes of one API, ready to be asked. A look-up allocates nothing and visits a part of the
/// templates' tree, so it costs little more with 200 routes than with one.
#[derive(Clone, Debug)]
pub struct RouteTable<T> {
    root: Node<T>,
    count: usize,
}

#[derive(Clone, Debug)]
struct Node<T> {
    /// By text.
    literals: Vec<(Box<[u8]>, Node<T>)>,
    any: Option<Box<Node<T>>>,
    end: Vec<Entry<T>>,
    rest: Vec<Entry<T>>,
}

#[derive(Clone, Debug)]
struct Entry<T> {
    id: RouteId,
    methods: Box<[Box<str>]>,
    value: T,
}

impl<T> Node<T> {
    const fn new() -> Self {
        Self {
            literals: Vec::new(),
            any: None,
            end: Vec::new(),
            rest: Vec::new(),
        }
    }
}

impl<T> Default for RouteTable<T> {
    fn default() -> Self {
        Self {
            root: Node::new(),
            count: 0,
        }
    }
}

impl<T> RouteTable<T> {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Adds a route. No methods: all.
    pub fn insert(&mut self, id: RouteId, template: &RouteTemplate, methods: &[String], value: T) {
        let mut node = &mut self.root;
        for segment in &template.segments {
            node = match segment {
                Segment::Any => node.any.get_or_insert_with(|| Box::new(Node::new())),
                Segment::Literal(text) => {
                    let at = match node.literals.binary_search_by(|(own, _)| own.cmp(text)) {
                        Ok(at) => at,
                        Err(at) => {
                            node.literals.insert(at, (text.clone(), Node::new()));
                            at
                        }
                    };
                    &mut node.literals[at].1
                }
            };
        }
        let entries = if template.rest {
            &mut node.rest
        } else {
            &mut node.end
        };
        entries.push(Entry {
            id,
            methods: methods
                .iter()
                .map(|method| method.to_ascii_uppercase().into())
                .collect(),
            value,
        });
        entries.sort_by_key(|entry| (entry.methods.is_empty(), entry.id));
        self.count += 1;
    }

    /// The route of a call; `path` is what stands below the API, without the query.
    #[must_use]
    pub fn find(&self, method: &str, path: &str) -> Option<&T> {
        if self.count == 0 {
            return None;
        }
        find(&self.root, Path::new(path).segments(), method)
    }
}

/// Every node is visited at most once, as a tree's depth is the path's.
fn find<'t, T>(node: &'t Node<T>, parts: &[&[u8]], method: &str) -> Option<&'t T> {
    let Some((first, others)) = parts.split_first() else {
        return entry(&node.end, method).or_else(|| entry(&node.rest, method));
    };
    let literal = node
        .literals
        .binary_search_by(|(text, _)| text.iter().copied().cmp(decoded(first)));
    if let Ok(at) = literal
        && let Some(found) = find(&node.literals[at].1, others, method)
    {
        return Some(found);
    }
    if let Some(any) = &node.any
        && let Some(found) = find(any, others, method)
    {
        return Some(found);
    }
    entry(&node.rest, method)
}

fn entry<'t, T>(entries: &'t [Entry<T>], method: &str) -> Option<&'t T> {
    entries
        .iter()
        .find(|entry| entry.methods.is_empty() || entry.methods.iter().any(|own| **own == *method))
        .map(|entry| &entry.value)
}

#[cfg(test)]
mod tests;
