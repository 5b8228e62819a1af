//! Everything a test starts from.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use apiverse_cluster::Change;
use apiverse_connectors::EgressPolicy;
use apiverse_connectors::oauth2::TokenCache;
use apiverse_contract::apis::{ApiLimits, UpstreamAuth};
use apiverse_contract::key_format::{self, LOOKUP_LEN};
use apiverse_contract::keys::Environment;
use apiverse_contract::policies::{PolicyDocument, PolicyKind, PolicyScope};
use apiverse_contract::{ApiId, AuditEventId, KeyId, OrganizationId, UserId};
use apiverse_settings::Secret;
use apiverse_settings::vault::Vault;
use apiverse_store::{
    ApiKeyRow, ApiRow, AuditRow, ConnectOptions, MembershipRow, OrganizationRow, PolicyChange,
    Store, UsageFilter, UsageRow, UserRow,
};
use argon2::{Argon2, Params, PasswordHasher};
use axum::Router;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

use crate::edge::{Edge, EdgeConfig, RunningEdge};
use crate::{Gateway, GatewayConfig};

/// Longest wait for anything that must happen.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub(super) async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("waited too long for {what}"))
}

pub(super) struct World {
    pub(super) store: Store,
    pub(super) vault: Arc<Vault>,
    pub(super) gateway: Arc<Gateway>,
    pub(super) edge: Option<RunningEdge>,
    pub(super) addr: SocketAddr,
    pub(super) organization: OrganizationId,
    /// The text of a key that may do everything.
    pub(super) key: String,
    folder: tempfile::TempDir,
}

/// What may differ from the defaults.
pub(super) struct Setup {
    pub(super) gateway: GatewayConfig,
    pub(super) edge: EdgeConfig,
    pub(super) control: Router,
}

impl Default for Setup {
    fn default() -> Self {
        let gateway = GatewayConfig {
            egress: EgressPolicy::new(vec!["127.0.0.0/8".parse().unwrap()]),
            // Nothing is read again behind a test's back.
            watch_interval: Duration::from_secs(3600),
            ..GatewayConfig::default()
        };
        let mut edge = EdgeConfig::new("127.0.0.1:0".parse().unwrap());
        edge.workers = 2;
        Self {
            gateway,
            edge,
            control: Router::new(),
        }
    }
}

pub(super) fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_micros(crate::call::unix_micros()).unwrap()
}

pub(super) fn id() -> Uuid {
    uuid::Builder::from_unix_timestamp_millis(1_790_000_000_000, &rand::random()).into_uuid()
}

pub(super) fn audit() -> AuditRow {
    AuditRow {
        id: AuditEventId(id()),
        organization_id: None,
        actor_user_id: None,
        actor: "test".to_owned(),
        action: "test".to_owned(),
        target_type: "test".to_owned(),
        target_id: None,
        details: serde_json::Value::Null,
        ip: None,
        request_id: None,
        created_at: now(),
    }
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    pub(super) async fn with(mut setup: Setup) -> Self {
        let folder = tempfile::tempdir().unwrap();
        setup.gateway.usage.journal.folder = folder.path().join("journal");
        let url = format!("sqlite://{}", folder.path().join("test.db").display());
        let store = Store::connect(&url, &ConnectOptions::default())
            .await
            .unwrap();
        store.migrate().await.unwrap();
        let organization = register(&store, "first").await;

        let vault = Arc::new(Vault::new(&Secret::from("test"), &[]));
        let (gateway, edge) = start(setup, &store, &vault).await;
        let mut world = Self {
            addr: edge.local_addr(),
            store,
            vault,
            gateway,
            edge: Some(edge),
            organization,
            key: String::new(),
            folder,
        };
        world.key = world.add_key(organization, |_| {}).await.1;
        world
    }

    /// Another process on the same database, in the place of this one.
    pub(super) async fn restart(&mut self, mut setup: Setup) {
        setup.gateway.usage.journal.folder = self.folder.path().join("journal");
        let (gateway, edge) = start(setup, &self.store, &self.vault).await;
        self.addr = edge.local_addr();
        self.gateway = gateway;
        self.edge = Some(edge);
    }

    pub(super) async fn another_organization(&self) -> OrganizationId {
        register(&self.store, "second").await
    }

    /// Registers an API called `x` at an upstream.
    pub(super) async fn add_api(
        &self,
        upstream: SocketAddr,
        change: impl FnOnce(&mut ApiRow),
    ) -> ApiId {
        let mut row = ApiRow {
            id: ApiId(id()),
            organization_id: self.organization,
            created_by: None,
            name: "x".to_owned(),
            slug: "x".to_owned(),
            description: None,
            base_url: format!("http://{upstream}"),
            auth_type: "none".to_owned(),
            auth_public: serde_json::Value::Null,
            auth_sealed: None,
            is_active: true,
            allow_query_key: false,
            limits: ApiLimits::default(),
            is_sample: false,
            created_at: now(),
            updated_at: now(),
        };
        change(&mut row);
        self.store.api_insert(&row, &audit()).await.unwrap();
        self.gateway.apply(Change::Api(row.id)).await;
        row.id
    }

    /// Attaches a policy to something of the first organization; `api_id` is its API, if it has one.
    pub(super) async fn set_policy(
        &self,
        scope: PolicyScope,
        api_id: Option<ApiId>,
        kind: PolicyKind,
        document: serde_json::Value,
    ) {
        let read = PolicyDocument::from_value(kind, document.clone()).unwrap();
        read.validate(scope.level()).unwrap();
        let change = PolicyChange {
            scope,
            kind,
            document: Some(&document),
            expected: None,
            at: now(),
            by: "test",
        };
        let audit = audit();
        let set = self.store.attached_set(self.organization, &change, &audit);
        assert!(set.await.unwrap().is_some());
        let change = match (scope, api_id) {
            (PolicyScope::Key(id), _) => Change::Key(id),
            (_, Some(id)) => Change::Api(id),
            (_, None) => Change::Organization(self.organization),
        };
        self.gateway.apply(change).await;
    }

    pub(super) fn seal(&self, row: &mut ApiRow, auth: &UpstreamAuth) {
        let json = serde_json::to_vec(auth).unwrap();
        let context = format!("apis.auth:{}", row.id);
        row.auth_type = auth.auth_type().as_str().to_owned();
        row.auth_sealed = Some(self.vault.seal(context.as_bytes(), &json));
    }

    pub(super) async fn add_key(
        &self,
        organization_id: OrganizationId,
        change: impl FnOnce(&mut ApiKeyRow),
    ) -> (KeyId, String) {
        let text = key_format::compose(Environment::Live, rand::random());
        let mut row = ApiKeyRow {
            id: KeyId(id()),
            organization_id,
            created_by: None,
            name: "key".to_owned(),
            environment: "live".to_owned(),
            key_prefix: text[..LOOKUP_LEN].to_owned(),
            key_hash: hash(&text),
            previous_prefix: None,
            previous_hash: None,
            previous_expires_at: None,
            api_ids: Vec::new(),
            methods: Vec::new(),
            scopes: Vec::new(),
            allowed_ips: Vec::new(),
            created_at: now(),
            updated_at: now(),
            expires_at: None,
            revoked_at: None,
            last_used_at: None,
        };
        change(&mut row);
        self.store.key_insert(&row, &audit()).await.unwrap();
        self.gateway.apply(Change::Key(row.id)).await;
        (row.id, text)
    }

    /// A request with the key in its header.
    pub(super) fn request(&self, method: &str, path: &str) -> http::request::Builder {
        Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.addr.to_string())
            .header("x-api-key", &self.key)
    }

    pub(super) async fn get(&self, path: &str) -> Response<Bytes> {
        let request = self.request("GET", path).body(Full::default()).unwrap();
        self.send(request).await
    }

    /// Sends a request on a connection of its own.
    pub(super) async fn send(&self, request: Request<Full<Bytes>>) -> Response<Bytes> {
        let response = in_time("an answer", self.try_send(request)).await;
        response.expect("an answer")
    }

    pub(super) async fn try_send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> hyper::Result<Response<Bytes>> {
        let mut sender = self.connect().await;
        let response = sender.send_request(request).await?;
        let (parts, body) = response.into_parts();
        Ok(Response::from_parts(
            parts,
            body.collect().await?.to_bytes(),
        ))
    }

    pub(super) async fn connect(&self) -> http1::SendRequest<Full<Bytes>> {
        let socket = TcpStream::connect(self.addr).await.unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(socket)).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        sender
    }

    /// Sends bytes as they are, and returns all that comes until the edge closes.
    pub(super) async fn raw(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut socket = TcpStream::connect(self.addr).await.unwrap();
        socket.write_all(bytes.as_ref()).await.unwrap();
        let mut all = Vec::new();
        in_time("the end", socket.read_to_end(&mut all))
            .await
            .unwrap();
        String::from_utf8_lossy(&all).into_owned()
    }

    /// All calls recorded, newest first.
    pub(super) async fn calls(&self) -> Vec<UsageRow> {
        in_time("usage to be written", self.gateway.flush()).await;
        let filter = UsageFilter::calls(self.organization, 0, i64::MAX);
        let rows = self.store.usage_calls(&filter, None, 200).await.unwrap();
        rows.into_iter().map(|row| row.usage).collect()
    }

    /// The only call so far, once it is there.
    pub(super) async fn only_call(&self) -> UsageRow {
        in_time("a call", async {
            loop {
                if let [call] = self.calls().await.as_slice() {
                    return call.clone();
                }
            }
        })
        .await
    }
}

async fn start(setup: Setup, store: &Store, vault: &Arc<Vault>) -> (Arc<Gateway>, RunningEdge) {
    let client = apiverse_connectors::http::client(setup.gateway.egress.clone(), PATIENCE).unwrap();
    let tokens = TokenCache::new(client, setup.gateway.egress.clone());
    let gateway = Gateway::new(setup.gateway, store.clone(), Arc::clone(vault), tokens).unwrap();
    gateway.load().await.unwrap();
    let runtime = tokio::runtime::Handle::current();
    let edge = Edge::start(setup.edge, Arc::clone(&gateway), |_| setup.control, runtime).unwrap();
    (gateway, edge)
}

async fn register(store: &Store, name: &str) -> OrganizationId {
    let user = UserRow {
        id: UserId(id()),
        email: format!("{name}@example.com"),
        password_hash: String::new(),
        full_name: None,
        is_active: true,
        email_verified_at: None,
        credentials_version: 1,
        time_zone: None,
        created_at: now(),
        updated_at: now(),
    };
    let organization = OrganizationRow {
        id: OrganizationId(id()),
        name: name.to_owned(),
        slug: name.to_owned(),
        require_two_factor: false,
        created_at: now(),
        updated_at: now(),
    };
    let membership = MembershipRow {
        organization_id: organization.id,
        user_id: user.id,
        role: "owner".to_owned(),
        created_at: now(),
    };
    store
        .user_register(&user, &organization, &membership, &audit())
        .await
        .unwrap();
    organization.id
}

pub(super) fn hash(text: &str) -> String {
    let argon2 = Argon2::from(Params::new(8, 1, 1, None).unwrap());
    argon2
        .hash_password_with_salt(text.as_bytes(), &rand::random::<[u8; 16]>())
        .unwrap()
        .to_string()
}

/// The code of a problem, which header and body must agree on.
pub(super) fn code(response: &Response<Bytes>) -> String {
    let header = response.headers()["x-apiverse-error"].to_str().unwrap();
    let problem: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(problem["code"], header);
    assert_eq!(problem["status"], response.status().as_u16());
    let request_id = response.headers()["x-request-id"].to_str().unwrap();
    assert_eq!(problem["request_id"], request_id);
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    header.to_owned()
}

/// An upstream that serves each connection with `serve`.
pub(super) async fn upstream<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(socket));
        }
    });
    addr
}

/// Answers every request with the same bytes, keeping the connection.
pub(super) async fn answering(answer: impl Into<Bytes>) -> SocketAddr {
    let answer = answer.into();
    upstream(move |mut socket| {
        let answer = answer.clone();
        async move {
            while read_head(&mut socket).await.is_some() {
                if socket.write_all(&answer).await.is_err() {
                    return;
                }
            }
        }
    })
    .await
}

/// Reads a request's head, byte by byte so that nothing behind it is taken.
pub(super) async fn read_head(socket: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.ok()?);
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

/// An upstream on hyper's server, for what needs a well-behaved one.
pub(super) async fn hyper_upstream<F, B>(
    answer: impl Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
) -> SocketAddr
where
    F: Future<Output = Response<B>> + Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    upstream(move |socket| {
        let answer = answer.clone();
        async move {
            let service = hyper::service::service_fn(move |request| {
                let answer = answer(request);
                async move { Ok::<_, std::convert::Infallible>(answer.await) }
            });
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(socket), service)
                .with_upgrades()
                .await;
        }
    })
    .await
}
