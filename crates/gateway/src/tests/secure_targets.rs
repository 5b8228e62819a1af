//! Targets over TLS of an operator's own, and over HTTP/2.

use std::net::SocketAddr;
use std::sync::Arc;

use apiverse_contract::policies::upstream::TargetHealth;
use apiverse_contract::policies::{PolicyKind, PolicyScope};
use base64::Engine;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::world::*;

/// An authority, and what it has signed.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    fn sign(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate, key)
    }
}

async fn about(
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
    let text = format!("{:?} {}", request.version(), request.uri().path());
    Ok(Response::new(Full::new(Bytes::from(text))))
}

/// Asks every caller for a certificate of `authority`.
async fn strict_upstream(authority: &Authority, name: &str) -> SocketAddr {
    let mut roots = RootCertStore::empty();
    roots.add(authority.0.der().clone()).unwrap();
    let provider = Arc::new(default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .unwrap();
    let (certificate, key) = authority.sign(name);
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    upstream(move |socket| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(stream) = acceptor.accept(socket).await {
                let builder = auto::Builder::new(TokioExecutor::new());
                let _ = builder
                    .serve_connection(TokioIo::new(stream), service_fn(about))
                    .await;
            }
        }
    })
    .await
}

async fn set(world: &World, api: apiverse_contract::ApiId, document: Value) {
    let scope = PolicyScope::Api(api);
    world
        .set_policy(scope, Some(api), PolicyKind::Upstream, document)
        .await;
}

#[tokio::test]
async fn a_target_may_ask_who_the_gateway_is() {
    let world = World::new().await;
    let authority = Authority::new();
    let address = strict_upstream(&authority, "upstream.internal").await;
    let url = format!("https://{address}");
    let id = world
        .add_api(address, |row| row.base_url = url.clone())
        .await;
    let (certificate, key) = authority.sign("gateway");
    let get = async || world.get("/proxy/x/who").await;
    let tls = |change: &dyn Fn(&mut Value)| {
        let mut tls = json!({
            "ca": authority.pem(),
            "client_certificate": certificate.pem(),
            "client_key": key.serialize_pem(),
            "server_name": "upstream.internal",
        });
        change(&mut tls);
        json!({ "tls": tls, "checks": { "interval_ms": 100, "healthy": 1, "unhealthy": 1 } })
    };

    assert_eq!(code(&get().await), "upstream_unreachable", "not trusted");
    set(&world, id, tls(&|_| {})).await;
    let answer = get().await;
    assert_eq!(
        (answer.status().as_u16(), &answer.body()[..]),
        (200, &b"HTTP/2.0 /who"[..])
    );

    // As it is stored.
    let context = format!("policies.upstream.tls:{}", world.organization);
    let sealed = world
        .vault
        .seal(context.as_bytes(), key.serialize_pem().as_bytes());
    let sealed = base64::engine::general_purpose::STANDARD.encode(sealed);
    let sealed = move |tls: &mut Value| tls["client_key"] = format!("sealed:{sealed}").into();
    set(&world, id, tls(&sealed)).await;
    assert_eq!(get().await.status(), 200);

    // Connections that a certificate opened are not for a policy without it.
    let without = |tls: &mut Value| {
        let tls = tls.as_object_mut().unwrap();
        tls.remove("client_key");
        tls.remove("client_certificate");
    };
    set(&world, id, tls(&without)).await;
    assert_eq!(code(&get().await), "upstream_unreachable");
    in_time("the check to fail", async {
        while world.gateway.targets(world.organization, id)[0].targets[0].health
            != TargetHealth::Unhealthy
        {
            tokio::task::yield_now().await;
        }
    })
    .await;

    set(
        &world,
        id,
        tls(&|tls| tls["server_name"] = "another.internal".into()),
    )
    .await;
    assert_eq!(code(&get().await), "upstream_unreachable", "another name");
    let stranger = Authority::new();
    set(&world, id, tls(&|tls| tls["ca"] = stranger.pem().into())).await;
    assert_eq!(
        code(&get().await),
        "upstream_unreachable",
        "another authority"
    );
    let unverified = |tls: &mut Value| {
        tls["verify"] = false.into();
        tls.as_object_mut().unwrap().remove("ca");
    };
    set(&world, id, tls(&unverified)).await;
    assert_eq!(get().await.status(), 200);
    let http1 = tls(&|_| {});
    let mut http1 = http1;
    http1["http_version"] = "http1".into();
    set(&world, id, http1).await;
    assert_eq!(get().await.body(), "HTTP/1.1 /who");
}

#[tokio::test]
async fn http2_without_tls_by_prior_knowledge() {
    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let builder = auto::Builder::new(TokioExecutor::new());
                let _ = builder
                    .serve_connection(TokioIo::new(socket), service_fn(about))
                    .await;
            });
        }
    });
    let id = world.add_api(address, |_| {}).await;
    assert_eq!(world.get("/proxy/x/v").await.body(), "HTTP/1.1 /v");
    let checks = json!({ "interval_ms": 100, "healthy": 1, "unhealthy": 1 });
    set(
        &world,
        id,
        json!({ "http_version": "http2", "checks": checks }),
    )
    .await;
    for _ in 0..3 {
        assert_eq!(world.get("/proxy/x/v").await.body(), "HTTP/2.0 /v");
    }
    let targets = world.gateway.targets(world.organization, id);
    assert_eq!(targets[0].targets[0].health, TargetHealth::Healthy);
}
