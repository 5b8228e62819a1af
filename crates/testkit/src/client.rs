//! A client of the REST API and the gateway.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

/// Calls one node.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

/// An answer, read whole.
pub struct Answer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: bytes::Bytes,
    call: String,
}

impl Client {
    /// # Panics
    /// When no HTTP client can be made.
    #[must_use]
    pub fn new(base: &str) -> Self {
        Self::with(base, None)
    }

    /// One that calls from an address of this machine, such as `127.0.0.2`.
    ///
    /// # Panics
    /// When no HTTP client can be made.
    #[must_use]
    pub fn from_address(base: &str, address: std::net::IpAddr) -> Self {
        Self::with(base, Some(address))
    }

    fn with(base: &str, address: Option<std::net::IpAddr>) -> Self {
        // Another part of the process may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(crate::WAIT)
            .local_address(address)
            .build()
            .expect("a client");
        Self {
            http,
            base: base.to_owned(),
            token: None,
        }
    }

    /// The same account on another node.
    #[must_use]
    pub fn at(&self, base: &str) -> Self {
        Self {
            base: base.to_owned(),
            ..self.clone()
        }
    }

    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..self.clone()
        }
    }

    /// # Panics
    /// When signing in fails.
    pub async fn login(&mut self, email: &str, password: &str) {
        let body = json!({ "email": email, "password": password });
        let answer = self
            .post("/api/v1/auth/login", &body)
            .await
            .expect_status(200);
        self.token = answer.json()["access_token"].as_str().map(str::to_owned);
        assert!(self.token.is_some(), "a login answers an access token");
    }

    /// A request to this node; `path` may be a whole address.
    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method: Method = method.parse().expect("a method");
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.base)
        };
        let request = self.http.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// # Panics
    /// When no answer comes.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let request = request.build().expect("a request");
        let call = format!("{} {}", request.method(), request.url());
        let answer = self
            .http
            .execute(request)
            .await
            .unwrap_or_else(|error| panic!("{call}: {error:?}"));
        let status = answer.status().as_u16();
        let headers = answer.headers().clone();
        let body = answer
            .bytes()
            .await
            .unwrap_or_else(|error| panic!("{call}: {error:?}"));
        Answer {
            status,
            headers,
            body,
            call,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request("DELETE", path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request("POST", path).json(body)).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request("PUT", path).json(body)).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request("PATCH", path).json(body)).await
    }

    /// Registers an API without upstream credentials; its id.
    ///
    /// # Panics
    /// When that fails.
    pub async fn create_api(&self, slug: &str, base_url: &str) -> String {
        let body = json!({ "name": slug, "slug": slug, "base_url": base_url, "auth_type": "none" });
        let api = self
            .post("/api/v1/apis", &body)
            .await
            .expect_status(201)
            .json();
        api["id"].as_str().expect("an id").to_owned()
    }

    /// Makes a live key for all APIs: id and text.
    ///
    /// # Panics
    /// When that fails.
    pub async fn create_key(&self, name: &str) -> (String, String) {
        self.create_key_with(json!({ "name": name, "environment": "live" }))
            .await
    }

    /// # Panics
    /// When that fails.
    pub async fn create_key_with(&self, body: Value) -> (String, String) {
        let key = self
            .post("/api/v1/api-keys", &body)
            .await
            .expect_status(201)
            .json();
        let text = |field: &str| key[field].as_str().expect("text").to_owned();
        (text("id"), text("key"))
    }

    /// What `/metrics` says of a series, named as it stands there: `name{label="value"}`. 0 when it
    /// is not there.
    ///
    /// # Panics
    /// When there are no metrics.
    pub async fn metric(&self, series: &str) -> f64 {
        let text = self.get("/metrics").await.expect_status(200).text();
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or(0.0)
    }

    /// A call through the gateway.
    pub fn proxy(&self, method: &str, path: &str, key: &str) -> RequestBuilder {
        let anonymous = Self {
            token: None,
            ..self.clone()
        };
        anonymous
            .request(method, &format!("/proxy{path}"))
            .header("x-api-key", key)
    }
}

impl Answer {
    /// # Panics
    /// When the status is another.
    #[must_use = "or use `assert_status`"]
    pub fn expect_status(self, status: u16) -> Self {
        self.assert_status(status);
        self
    }

    /// # Panics
    /// When the status is another.
    pub fn assert_status(&self, status: u16) {
        assert_eq!(self.status, status, "{}: {}", self.call, self.text());
    }

    /// Checks that this is a problem document of `code` that fits its own status.
    ///
    /// # Panics
    /// When it is not.
    pub fn assert_problem(&self, status: u16, code: &str) -> Value {
        self.assert_status(status);
        let kind = self.header("content-type").unwrap_or_default();
        assert!(
            kind.starts_with("application/problem+json"),
            "{}: {kind}",
            self.call
        );
        let problem = self.json();
        assert_eq!(problem["code"], code, "{}: {problem}", self.call);
        assert_eq!(problem["status"], status, "{}: {problem}", self.call);
        assert!(problem["title"].is_string() && problem["detail"].is_string());
        assert_eq!(
            problem["request_id"].as_str(),
            self.header("x-request-id"),
            "{}",
            self.call
        );
        problem
    }

    /// Checks a problem of the gateway's own.
    ///
    /// # Panics
    /// When it is not.
    pub fn assert_gateway_problem(&self, status: u16, code: &str) {
        self.assert_problem(status, code);
        assert_eq!(self.header("x-apiverse-error"), Some(code), "{}", self.call);
    }

    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// # Panics
    /// When the body is not JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{}: {error}: {}", self.call, self.text()))
    }
}
