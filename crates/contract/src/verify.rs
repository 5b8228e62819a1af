//! Checking a key without the gateway: for services that take the keys themselves.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::keys::Environment;
use crate::redacted::redacted_debug;
use crate::validation::is_token;
use crate::{ApiId, FieldError, KeyId, Validation};

redacted_debug! {
    VerifyApiKey { api_id, method, path, address, permissions, cost }
}

/// Longest text that is looked at; a key has 58 characters.
pub const MAX_KEY_TEXT: usize = 256;
/// Most calls that one verification may count for.
pub const MAX_COST: u32 = 1_000_000;
/// Most words of an expression, and deepest nesting.
const MAX_WORDS: usize = 100;
const MAX_DEPTH: usize = 16;

/// `POST /api-keys/verify`
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct VerifyApiKey {
    /// The text that the consumer sent.
    #[cfg_attr(feature = "openapi", schema(example = "apv_live_…"))]
    pub key: String,
    /// The API that is meant: the key must be for it, and its limits apply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_id: Option<ApiId>,
    /// The consumer's method: the key must be for it, and it chooses the route with `path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The path below the API, for the limits of its routes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The consumer's address. A key that is tied to networks is refused without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, example = "192.0.2.7"))]
    pub address: Option<std::net::IpAddr>,
    /// What the key's `scopes` must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Permissions>,
    /// How many calls this counts for: 0 (only look) to 1,000,000; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<u32>,
}

impl VerifyApiKey {
    /// # Errors
    /// Every field that is not acceptable.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        v.check(!self.key.is_empty(), "key", "is required");
        v.check(
            self.method.as_deref().is_none_or(is_token),
            "method",
            "must be an HTTP method",
        );
        v.check(
            self.path.is_none() || self.api_id.is_some(),
            "api_id",
            "is required with `path`",
        );
        v.check(
            self.cost.is_none_or(|cost| cost <= MAX_COST),
            "cost",
            "must be between 0 and 1000000",
        );
        if let Some(permissions) = &self.permissions
            && let Err(message) = permissions.read()
        {
            v.check(false, "permissions", message);
        }
        v.finish()
    }
}

/// Words that must be among a key's scopes: a list of which all must, or an expression such as
/// `read AND (write OR admin)`. `AND` binds tighter than `OR`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum Permissions {
    All(Vec<String>),
    Expression(String),
}

impl Permissions {
    /// Whether `scopes` are enough. An expression that cannot be read never is.
    #[must_use]
    pub fn are_met_by(&self, scopes: &[String]) -> bool {
        self.read().is_ok_and(|needed| needed.holds(scopes))
    }

    fn read(&self) -> Result<Needed<'_>, &'static str> {
        match self {
            Self::All(words) => {
                if words.len() > MAX_WORDS {
                    return Err("must have at most 100 words");
                }
                Ok(Needed::All(
                    words.iter().map(|word| Needed::Word(word)).collect(),
                ))
            }
            Self::Expression(text) => {
                let tokens = tokens(text)?;
                let mut reader = Reader {
                    tokens: &tokens,
                    at: 0,
                };
                let needed = reader.any(0)?;
                if reader.at == tokens.len() {
                    Ok(needed)
                } else {
                    Err(MALFORMED)
                }
            }
        }
    }
}

const MALFORMED: &str = "must be words with AND, OR and parentheses between them";

enum Needed<'a> {
    Word(&'a str),
    All(Vec<Self>),
    Any(Vec<Self>),
}

impl Needed<'_> {
    fn holds(&self, scopes: &[String]) -> bool {
        match self {
            Self::Word(word) => scopes.iter().any(|scope| scope == word),
            Self::All(all) => all.iter().all(|one| one.holds(scopes)),
            Self::Any(all) => all.iter().any(|one| one.holds(scopes)),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Open,
    Close,
    And,
    Or,
    Word(&'a str),
}

fn tokens(text: &str) -> Result<Vec<Token<'_>>, &'static str> {
    let mut all = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '(' | ')' => 1,
            _ => rest
                .find(|c: char| c.is_whitespace() || c == '(' || c == ')')
                .unwrap_or(rest.len()),
        };
        let (word, after) = rest.split_at(length);
        all.push(match word {
            "(" => Token::Open,
            ")" => Token::Close,
            _ if word.eq_ignore_ascii_case("and") => Token::And,
            _ if word.eq_ignore_ascii_case("or") => Token::Or,
            _ => Token::Word(word),
        });
        if all.len() > 4 * MAX_WORDS {
            return Err("must have at most 100 words");
        }
        rest = after.trim_start();
    }
    Ok(all)
}

struct Reader<'t, 'a> {
    tokens: &'t [Token<'a>],
    at: usize,
}

impl<'a> Reader<'_, 'a> {
    fn next(&mut self) -> Option<Token<'a>> {
        let token = self.tokens.get(self.at).copied();
        self.at += 1;
        token
    }

    fn takes(&mut self, token: Token<'_>) -> bool {
        let is_it = self.tokens.get(self.at) == Some(&token);
        self.at += usize::from(is_it);
        is_it
    }

    fn any(&mut self, depth: usize) -> Result<Needed<'a>, &'static str> {
        if depth > MAX_DEPTH {
            return Err("must not be nested deeper than 16 parentheses");
        }
        let mut all = vec![self.all(depth)?];
        while self.takes(Token::Or) {
            all.push(self.all(depth)?);
        }
        Ok(Needed::Any(all))
    }

    fn all(&mut self, depth: usize) -> Result<Needed<'a>, &'static str> {
        let mut all = vec![self.one(depth)?];
        while self.takes(Token::And) {
            all.push(self.one(depth)?);
        }
        Ok(Needed::All(all))
    }

    fn one(&mut self, depth: usize) -> Result<Needed<'a>, &'static str> {
        match self.next() {
            Some(Token::Word(word)) => Ok(Needed::Word(word)),
            Some(Token::Open) => {
                let inner = self.any(depth + 1)?;
                if self.takes(Token::Close) {
                    Ok(inner)
                } else {
                    Err(MALFORMED)
                }
            }
            _ => Err(MALFORMED),
        }
    }
}

/// What a verification found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum VerifyCode {
    /// The key may do what was asked.
    Valid,
    /// Garbled, unknown, revoked, or another organization's.
    InvalidApiKey,
    ExpiredApiKey,
    /// Not for this API or method.
    KeyNotAllowed,
    /// Not from this address.
    IpNotAllowed,
    /// Its scopes are not enough for `permissions`.
    InsufficientPermissions,
    /// The API is switched off.
    ApiDisabled,
    /// A rate limit or the number of calls at once is reached.
    RateLimited,
    /// The quota of the day or month is used up.
    QuotaExceeded,
}

/// Where one limit stands after a verification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LimitState {
    /// Name of the limit.
    pub name: String,
    /// Calls in its window or period.
    pub limit: u64,
    /// Calls left now.
    pub remaining: u64,
    /// Seconds until more are allowed, or until it is as if unused while calls are left; `null`
    /// when no waiting helps, as with a `cost` above the limit.
    pub reset_seconds: Option<u64>,
}

/// `POST /api-keys/verify`: status 200 whatever the verdict, as the question was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyVerification {
    pub valid: bool,
    pub code: VerifyCode,
    /// Absent with `invalid_api_key`.
    #[serde(flatten)]
    pub key: Option<VerifiedKey>,
}

/// The key that was verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VerifiedKey {
    pub key_id: KeyId,
    pub name: String,
    pub environment: Environment,
    pub scopes: Vec<String>,
    pub expires_at: Option<DateTime<Utc>>,
    /// Calls left in the tightest limit; `null` without limits.
    pub remaining: Option<u64>,
    /// The tightest limit, the one that refuses first.
    pub ratelimit: Option<LimitState>,
    /// Every limit that applies.
    pub ratelimits: Vec<LimitState>,
}

impl KeyVerification {
    /// What is told of a key that is nobody's, or another organization's.
    #[must_use]
    pub const fn invalid() -> Self {
        Self {
            valid: false,
            code: VerifyCode::InvalidApiKey,
            key: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn met(expression: &str, scopes: &[&str]) -> Option<bool> {
        let needed = Permissions::Expression(expression.to_owned());
        let scopes: Vec<String> = scopes.iter().map(|&scope| scope.to_owned()).collect();
        needed.read().ok()?;
        Some(needed.are_met_by(&scopes))
    }

    #[test]
    fn expressions_are_understood() {
        for (expression, scopes, expected) in [
            ("read", &["read"][..], true),
            ("read", &["reader"], false),
            ("read", &[], false),
            ("read AND write", &["read"], false),
            ("read and write", &["write", "read"], true),
            ("a OR b AND c", &["a"], true),
            ("a OR b AND c", &["b"], false),
            ("(a OR b) AND c", &["a"], false),
            ("(a OR b) AND c", &["b", "c"], true),
            ("a.read AND(b:x OR c/*)", &["a.read", "c/*"], true),
            (" ( ( a ) ) ", &["a"], true),
            ("android OR order", &["order"], true),
        ] {
            assert_eq!(met(expression, scopes), Some(expected), "{expression}");
        }
        let deep = format!("{}a{}", "(".repeat(17), ")".repeat(17));
        let long = "a OR ".repeat(200) + "a";
        for malformed in [
            "",
            "  ",
            "AND",
            "a AND",
            "a b",
            "(a",
            "a)",
            "()",
            "a OR OR b",
            &deep,
            &long,
        ] {
            assert_eq!(met(malformed, &["a"]), None, "{malformed}");
            let never = Permissions::Expression(malformed.to_owned());
            assert!(!never.are_met_by(&["a".to_owned()]));
        }
    }

    #[test]
    fn all_of_a_list_must_be_there() {
        let scopes = ["read all".to_owned(), "OR".to_owned()];
        let all =
            |words: &[&str]| Permissions::All(words.iter().map(|&word| word.to_owned()).collect());
        assert!(all(&[]).are_met_by(&scopes));
        assert!(all(&["OR", "read all"]).are_met_by(&scopes));
        assert!(!all(&["OR", "write"]).are_met_by(&scopes));
    }

    #[test]
    fn a_refusal_tells_nothing_more() {
        let text = serde_json::to_value(KeyVerification::invalid()).expect("is JSON");
        assert_eq!(
            text,
            serde_json::json!({ "valid": false, "code": "invalid_api_key" })
        );
    }

    proptest! {
        #[test]
        fn no_expression_is_a_surprise(text in "[ab()ANDOR ]{0,40}") {
            let _ = met(&text, &["a"]);
        }
    }
}
