//! The application under test, and a small client for it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use apiverse_cluster::Bus;
use apiverse_connectors::egress::EgressPolicy;
use apiverse_connectors::http as connector;
use apiverse_connectors::oauth2::TokenCache;
use apiverse_contract::auth::LoginRequest;
use apiverse_gateway::{Gateway, GatewayConfig};
use apiverse_platform::{Clock, MessagesConfig, Platform, PlatformConfig, ThrottleConfig};
use apiverse_settings::Secret;
use apiverse_settings::vault::Vault;
use apiverse_store::{ConnectOptions, Store};
use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderName, Method, Request, StatusCode};
use http_body_util::BodyExt;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;
use tower_sessions::Session;

use crate::{
    ApiProblem, Caller, HealthProbe, ProbeFuture, RestSettings, RestState, layers, router,
};

pub const PASSWORD: &str = "correct horse battery";
pub const UNIFIED: &str = "unified-0123456789abcdef0123456789abcdef";

pub struct App {
    router: Router,
    _folder: TempDir,
}

/// A dependency whose state the test chooses.
pub struct Fixed {
    pub name: &'static str,
    pub required: bool,
    pub result: Result<Option<String>, String>,
}

impl HealthProbe for Fixed {
    fn name(&self) -> &'static str {
        self.name
    }

    fn required(&self) -> bool {
        self.required
    }

    fn check(&self) -> ProbeFuture<'_> {
        Box::pin(async { self.result.clone() })
    }
}

impl App {
    pub async fn start() -> Self {
        Self::with(RestSettings::default(), Vec::new()).await
    }

    pub async fn with(settings: RestSettings, probes: Vec<Arc<dyn HealthProbe>>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("test.db").display());
        let store = Store::connect(&url, &ConnectOptions::default())
            .await
            .expect("a store");
        store.migrate().await.expect("migrations");
        let secret = |n: u8| Secret::new(format!("{n}").repeat(48));
        let vault = Arc::new(Vault::new(&secret(1), &[]));
        let config = PlatformConfig {
            jwt_secret: secret(2),
            jwt_secret_previous: Vec::new(),
            jwt_refresh_secret: secret(3),
            jwt_lifetime: Duration::from_secs(3600),
            refresh_lifetime: Duration::from_secs(86_400),
            session_lifetime: Duration::from_secs(86_400),
            unified_api_key: Some(Secret::new(UNIFIED)),
            egress: EgressPolicy::default(),
            sample_enabled: false,
            secure_cookies: settings.secure_cookies,
            calls_kept: None,
            minutes_kept: std::time::Duration::from_secs(8 * 86_400),
            questions: 8,
            throttle: ThrottleConfig::default(),
            messages: MessagesConfig {
                show_content: true,
                ..MessagesConfig::default()
            },
            sign_in: apiverse_platform::SignInConfig::default(),
            accounts: apiverse_platform::AccountsConfig::default(),
            reports: apiverse_platform::ReportsConfig {
                objects: apiverse_connectors::objects::Objects::memory(),
                kept: Duration::from_secs(86_400),
            },
        };
        let bus = Bus::local();
        let egress = EgressPolicy::default();
        let client = connector::client(egress.clone(), Duration::from_secs(1)).expect("a client");
        let mut gateway_config = GatewayConfig::default();
        gateway_config.usage.journal.folder = folder.path().join("journal");
        let gateway = Gateway::new(
            gateway_config,
            store.clone(),
            Arc::clone(&vault),
            TokenCache::new(client, egress),
        )
        .expect("a journal");
        gateway.load().await.expect("loads");
        let follower = Arc::clone(&gateway);
        bus.on_change(move |change| {
            let gateway = Arc::clone(&follower);
            Box::pin(async move { gateway.apply(change).await })
        });
        let platform = Platform::new(config, store, vault, bus, Clock::system());
        let prometheus = PrometheusBuilder::new().build_recorder().handle();
        let state = RestState::new(platform, gateway, settings, probes, prometheus);
        let extra = Router::new()
            .route("/test/sign-in", post(sign_in))
            .route("/test/panic", get(panics))
            .route("/api/fn/test", post(|| async { "done" }))
            .with_state(state.clone());
        Self {
            router: layers(router(state.clone()).merge(extra), &state),
            _folder: folder,
        }
    }

    /// Serves on a free port of this machine until the test ends.
    pub async fn listen(&self) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        let router = self.router.clone();
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    pub fn get(&self, path: &str) -> Call<'_> {
        self.call(Method::GET, path)
    }

    pub fn post(&self, path: &str) -> Call<'_> {
        self.call(Method::POST, path)
    }

    pub fn call(&self, method: Method, path: &str) -> Call<'_> {
        Call {
            app: self,
            request: Request::builder()
                .method(method)
                .uri(path)
                .header("host", "localhost"),
            body: Body::empty(),
        }
    }

    /// Registers an account and answers its access token.
    pub async fn account(&self, email: &str) -> String {
        let body = json!({ "email": email, "password": PASSWORD });
        let answer = self.post("/auth/register").json(&body).send().await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let answer = self.post("/auth/login").json(&body).send().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.text_at("/access_token")
    }

    /// Signs in as the console does and answers the cookie.
    pub async fn cookie(&self, email: &str) -> String {
        let body = json!({ "email": email, "password": PASSWORD });
        let answer = self.post("/test/sign-in").json(&body).send().await;
        assert_eq!(answer.status, 204, "{answer:?}");
        let cookie = answer.headers[SET_COOKIE].to_str().expect("a cookie");
        cookie.split(';').next().unwrap_or_default().to_owned()
    }
}

async fn sign_in(
    axum::extract::State(state): axum::extract::State<RestState>,
    session: Session,
    Caller(info): Caller,
    axum::Json(request): axum::Json<LoginRequest>,
) -> Result<StatusCode, ApiProblem> {
    state.platform.sign_in(&session, &info, request).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn panics() -> StatusCode {
    panic!("a secret inside")
}

pub struct Call<'a> {
    app: &'a App,
    request: http::request::Builder,
    body: Body,
}

impl Call<'_> {
    pub fn header(
        mut self,
        name: impl TryInto<HeaderName, Error = impl Into<http::Error>>,
        value: &str,
    ) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header(AUTHORIZATION, &format!("Bearer {token}"))
    }

    pub fn cookie(self, cookie: &str) -> Self {
        self.header(COOKIE, cookie)
    }

    pub fn json(self, value: &Value) -> Self {
        self.raw("application/json", value.to_string())
    }

    pub fn raw(mut self, content_type: &str, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self.header(CONTENT_TYPE, content_type)
    }

    pub async fn send(self) -> Answer {
        let request = self.request.body(self.body).expect("a request");
        let response = match self.app.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8(body.to_vec()).expect("text"),
        }
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub fn at(&self, pointer: &str) -> Value {
        let found = self.json().pointer(pointer).cloned();
        found.unwrap_or_else(|| panic!("no {pointer}: {self:?}"))
    }

    pub fn text_at(&self, pointer: &str) -> String {
        self.at(pointer).as_str().unwrap_or_default().to_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// Checks that this is a whole problem document with this code.
    #[track_caller]
    pub fn is_problem(&self, status: u16, code: &str) -> &Self {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{self:?}"
        );
        assert_eq!(self.text_at("/code"), code, "{self:?}");
        assert_eq!(
            self.text_at("/type"),
            format!("urn:apiverse:problem:{code}")
        );
        assert_eq!(self.at("/status"), json!(status));
        assert!(!self.text_at("/title").is_empty());
        assert!(!self.text_at("/detail").is_empty());
        assert_eq!(
            self.text_at("/request_id"),
            self.header("x-request-id"),
            "{self:?}"
        );
        assert_eq!(self.header("content-length"), self.text.len().to_string());
        if status == 401 {
            assert!(
                self.header("www-authenticate").starts_with("Bearer "),
                "{self:?}"
            );
        }
        self
    }

    /// The fields that a 422 names.
    #[track_caller]
    pub fn fields(&self) -> Vec<String> {
        self.is_problem(422, "validation_failed");
        let errors = self.at("/errors");
        let errors = errors.as_array().expect("a list");
        errors
            .iter()
            .map(|error| error["field"].as_str().unwrap_or_default().to_owned())
            .collect()
    }
}
