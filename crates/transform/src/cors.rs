//! The CORS protocol of the Fetch standard, from the server's side.

use apiverse_contract::policies::CorsPolicy;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::vary::add_vary;

const REQUEST_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-allow-private-network");
/// What the gateway says in answers that pages may want to read.
const OWN_EXPOSED: &str =
    "x-request-id, x-apiverse-error, retry-after, ratelimit, ratelimit-policy";
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";
const MAX_AGE: u32 = 600;

/// A CORS policy, ready to be asked.
#[derive(Debug)]
pub struct Cors {
    policy: CorsPolicy,
    all: bool,
}

/// Whether a request is a preflight: a question about another, which has neither key nor body.
#[must_use]
pub fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

impl Cors {
    /// Takes a policy that is valid.
    #[must_use]
    pub fn new(policy: CorsPolicy) -> Self {
        let all = policy.allow_origins.iter().any(|origin| origin == "*");
        Self { policy, all }
    }

    /// The value of `Access-Control-Allow-Origin`; `None`: the page's site may not call.
    fn allowed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let mut origins = headers.get_all(ORIGIN).iter();
        let origin = origins.next()?;
        if origins.next().is_some() {
            return None;
        }
        if self.all && !self.policy.allow_credentials {
            return Some(HeaderValue::from_static("*"));
        }
        let text = origin.to_str().ok()?;
        let is_allowed = self.policy.allow_origins.iter().any(|allowed| {
            allowed == text
                || allowed.split_once("*.").is_some_and(|(scheme, domain)| {
                    // `https://*.example.com`: something, a dot, the domain.
                    text.strip_prefix(scheme)
                        .and_then(|host| host.strip_suffix(domain))
                        .and_then(|rest| rest.strip_suffix('.'))
                        .is_some_and(is_host)
                })
        });
        is_allowed.then(|| origin.clone())
    }

    /// The fields of the answer (204) to a preflight request. A site that may not call gets none
    /// that allow anything, and so the browser refuses.
    #[must_use]
    pub fn preflight(&self, request: &HeaderMap) -> HeaderMap {
        let mut fields = HeaderMap::new();
        let mut vary = "origin, access-control-request-method, access-control-request-headers";
        if self.policy.allow_private_network {
            vary = "origin, access-control-request-method, access-control-request-headers, \
                    access-control-request-private-network";
        }
        fields.insert(VARY, HeaderValue::from_static(vary));
        let Some(origin) = self.allowed(request) else {
            return fields;
        };
        fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        self.add_credentials(&mut fields);
        let methods = match self.policy.allow_methods.is_empty() {
            true => METHODS.to_owned(),
            false => self.policy.allow_methods.join(", "),
        };
        put(&mut fields, ACCESS_CONTROL_ALLOW_METHODS, &methods);
        if self.policy.allow_headers.is_empty() {
            // `*` would not hold for `Authorization`, nor with credentials: what is asked for is
            // said back, if it is names.
            let asked = request.get(ACCESS_CONTROL_REQUEST_HEADERS);
            let names = asked.and_then(|value| value.to_str().ok()).filter(|text| {
                text.len() <= 4096
                    && text
                        .split(',')
                        .all(|name| apiverse_contract::validation::is_token(name.trim()))
            });
            if let Some(names) = names {
                put(&mut fields, ACCESS_CONTROL_ALLOW_HEADERS, names);
            }
        } else {
            let names = self.policy.allow_headers.join(", ");
            put(&mut fields, ACCESS_CONTROL_ALLOW_HEADERS, &names);
        }
        let age = self.policy.max_age_seconds.unwrap_or(MAX_AGE);
        fields.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(age));
        let asks_private = request
            .get(REQUEST_PRIVATE_NETWORK)
            .is_some_and(|value| value == "true");
        if asks_private && self.policy.allow_private_network {
            fields.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
        }
        fields
    }

    /// Puts the fields of an answer in place of those that the upstream may have sent: two voices
    /// would make browsers refuse it.
    pub fn answer(&self, request: &HeaderMap, response: &mut HeaderMap) {
        for name in [
            ACCESS_CONTROL_ALLOW_ORIGIN,
            ACCESS_CONTROL_ALLOW_CREDENTIALS,
            ACCESS_CONTROL_EXPOSE_HEADERS,
            ACCESS_CONTROL_ALLOW_METHODS,
            ACCESS_CONTROL_ALLOW_HEADERS,
            ACCESS_CONTROL_MAX_AGE,
            ALLOW_PRIVATE_NETWORK,
        ] {
            response.remove(name);
        }
        if !self.all || self.policy.allow_credentials {
            // Also for callers without an origin: a cache must not give their answer to a page.
            add_vary(response, "origin");
        }
        let Some(origin) = self.allowed(request) else {
            return;
        };
        response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        self.add_credentials(response);
        let mut exposed = OWN_EXPOSED.to_owned();
        for name in &self.policy.expose_headers {
            exposed.push_str(", ");
            exposed.push_str(name);
        }
        put(response, ACCESS_CONTROL_EXPOSE_HEADERS, &exposed);
    }

    fn add_credentials(&self, fields: &mut HeaderMap) {
        if self.policy.allow_credentials {
            let yes = HeaderValue::from_static("true");
            fields.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        }
    }
}

/// Labels and dots only: `evil.com/.example.com` is no sub-domain.
fn is_host(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.' || b == b'_')
        && text.split('.').all(|label| !label.is_empty())
}

fn put(fields: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        fields.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cors(document: serde_json::Value) -> Cors {
        Cors::new(serde_json::from_value(document).unwrap())
    }

    fn from(origin: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, origin.parse().unwrap());
        headers
    }

    fn allowed(cors: &Cors, origin: &str) -> Option<String> {
        let mut response = HeaderMap::new();
        // The upstream's own are not heard.
        response.insert(
            ACCESS_CONTROL_ALLOW_ORIGIN,
            HeaderValue::from_static("http://up"),
        );
        cors.answer(&from(origin), &mut response);
        let value = response.get(ACCESS_CONTROL_ALLOW_ORIGIN)?;
        Some(value.to_str().unwrap().to_owned())
    }

    #[test]
    fn only_the_named_sites_may_call() {
        let some = cors(json!({ "allow_origins": ["https://a.com", "https://*.b.com"] }));
        for good in ["https://a.com", "https://x.b.com", "https://x.y.b.com"] {
            assert_eq!(allowed(&some, good).as_deref(), Some(good));
        }
        for bad in [
            "http://a.com",
            "https://a.com:8443",
            "https://a.com.evil.com",
            "https://xa.com",
            "https://b.com",
            "https://xb.com",
            "https://.b.com",
            "https://evil.com/.b.com",
            "https://evil.com#.b.com",
            "https://evil.com:80@x.b.com",
            "null",
            "https://x.b.com.",
            "https://x..b.com",
            "https://x.b.com:1",
        ] {
            assert_eq!(allowed(&some, bad), None, "{bad}");
        }
        let mut two = from("https://a.com");
        two.append(ORIGIN, "https://evil.com".parse().unwrap());
        let mut response = HeaderMap::new();
        some.answer(&two, &mut response);
        assert!(!response.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
        assert_eq!(response[VARY], "origin");
    }

    #[test]
    fn everybody_is_a_star_and_needs_no_vary() {
        let all = cors(json!({ "allow_origins": ["*"] }));
        assert_eq!(allowed(&all, "https://a.com").as_deref(), Some("*"));
        let mut response = HeaderMap::new();
        all.answer(&from("https://a.com"), &mut response);
        assert!(!response.contains_key(VARY));
        assert!(!response.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS));
    }

    #[test]
    fn preflights_are_answered_in_full() {
        let cors = cors(json!({
            "allow_origins": ["https://a.com"], "allow_credentials": true,
            "allow_private_network": true, "max_age_seconds": 5, "allow_methods": ["GET", "PURGE"],
        }));
        let mut request = from("https://a.com");
        for (name, value) in [
            ("access-control-request-method", "PURGE"),
            ("access-control-request-headers", "x-api-key, content-type"),
            ("access-control-request-private-network", "true"),
        ] {
            request.insert(name, HeaderValue::from_static(value));
        }
        assert!(is_preflight(&Method::OPTIONS, &request));
        assert!(!is_preflight(&Method::GET, &request));
        let fields = cors.preflight(&request);
        for (name, value) in [
            ("access-control-allow-origin", "https://a.com"),
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-methods", "GET, PURGE"),
            ("access-control-allow-headers", "x-api-key, content-type"),
            ("access-control-allow-private-network", "true"),
            ("access-control-max-age", "5"),
        ] {
            assert_eq!(fields[name], value, "{name}");
        }
        request.insert(ORIGIN, HeaderValue::from_static("https://b.com"));
        let refused = cors.preflight(&request);
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert!(refused[VARY].to_str().unwrap().starts_with("origin"));
        let odd = HeaderValue::from_static("x-a, \"evil\"");
        request.insert(ACCESS_CONTROL_REQUEST_HEADERS, odd);
        request.insert(ORIGIN, HeaderValue::from_static("https://a.com"));
        assert!(
            !cors
                .preflight(&request)
                .contains_key(ACCESS_CONTROL_ALLOW_HEADERS)
        );
    }
}
