//! Which parts of a request an operator wants in the key, or not.

use http::HeaderName;

/// Parts of the query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum QueryParts {
    /// The query as it is sent, byte for byte.
    #[default]
    All,
    /// These parameters only, in the order of the query.
    Only(Vec<String>),
    /// All but these.
    Except(Vec<String>),
}

/// What belongs to the key besides the path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyParts {
    pub query: QueryParts,
    /// Request fields whose values tell answers apart, whatever `Vary` says.
    pub headers: Vec<HeaderName>,
}

impl QueryParts {
    /// Writes what counts of a query. Names are compared as they are written: `%61` is not `a`,
    /// as an upstream may think so too, and two keys for one answer do no harm.
    pub(crate) fn write(&self, query: &str, out: &mut Vec<u8>) {
        let is_in: &dyn Fn(&str) -> bool = match self {
            Self::All => {
                out.extend_from_slice(query.as_bytes());
                return;
            }
            Self::Only(names) => &|name| names.iter().any(|one| one == name),
            Self::Except(names) => &|name| !names.iter().any(|one| one == name),
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            if is_in(pair.split('=').next().unwrap_or(pair)) {
                out.push(b'&');
                out.extend_from_slice(pair.as_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_cut_by_name() {
        let cut = |parts: &QueryParts| {
            let mut out = Vec::new();
            parts.write("a=1&utm_x=2&a=3&b", &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(cut(&QueryParts::All), "a=1&utm_x=2&a=3&b");
        assert_eq!(cut(&QueryParts::Only(vec!["a".into()])), "&a=1&a=3");
        assert_eq!(cut(&QueryParts::Except(vec!["utm_x".into()])), "&a=1&a=3&b");
    }
}
