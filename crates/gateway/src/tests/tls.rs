//! Upstreams over TLS, in both protocols.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::world::*;
use crate::UpstreamTls;

fn certificate() -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(include_bytes!("localhost.pem")).unwrap()
}

fn client(alpn: &[&[u8]]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Arc::new(config)
}

fn trusting() -> Setup {
    let mut setup = Setup::default();
    setup.edge.workers = 1;
    setup.gateway.tls = UpstreamTls {
        calls: client(&[b"h2", b"http/1.1"]),
        upgrades: client(&[b"http/1.1"]),
    };
    setup
}

/// Echoes bodies, and tells version and authority; counts the connections it accepts.
async fn tls_upstream(alpn: &[&[u8]]) -> (SocketAddr, Arc<AtomicUsize>) {
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("localhost.key.pem")).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate()], key)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (acceptor, counter) = (acceptor.clone(), Arc::clone(&counter));
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(socket).await else {
                    return;
                };
                counter.fetch_add(1, Ordering::SeqCst);
                let _ = auto::Builder::new(TokioExecutor::new())
                    .serve_connection_with_upgrades(TokioIo::new(stream), service_fn(tell))
                    .await;
            });
        }
    });
    (addr, count)
}

async fn tell(mut request: Request<Incoming>) -> Result<Response<Incoming>, hyper::Error> {
    let version = format!("{:?}", request.version());
    let host = match request.uri().authority() {
        Some(authority) => authority.to_string(),
        None => request.headers()["host"].to_str().unwrap().to_owned(),
    };
    let hosts = request.headers().get_all("host").iter().count();
    let switched = request.headers().contains_key("upgrade");
    if switched {
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut tunnel = TokioIo::new(upgrade.await.unwrap());
            tunnel.write_all(b"switched").await.unwrap();
            tunnel.shutdown().await.unwrap();
        });
    }
    let path = request.uri().path_and_query().unwrap().to_string();
    let mut response = Response::new(request.into_body());
    if switched {
        *response.status_mut() = http::StatusCode::SWITCHING_PROTOCOLS;
        response
            .headers_mut()
            .insert("upgrade", "x".parse().unwrap());
        response
            .headers_mut()
            .insert("connection", "upgrade".parse().unwrap());
    }
    let headers = response.headers_mut();
    headers.insert("x-version", version.parse().unwrap());
    headers.insert("x-host", host.parse().unwrap());
    headers.insert("x-hosts", hosts.into());
    headers.insert("x-path", path.parse().unwrap());
    Ok(response)
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_is_spoken_where_the_upstream_offers_it() {
    let world = World::with(trusting()).await;
    let (addr, connections) = tls_upstream(&[b"h2", b"http/1.1"]).await;
    let base = format!("https://localhost:{}/v1", addr.port());
    world.add_api(addr, |row| row.base_url = base).await;
    assert_eq!(world.get("/proxy/x/first").await.status(), 200);

    let body = Bytes::from(vec![b'x'; 2 << 20]);
    let mut calls = Vec::new();
    for _ in 0..8 {
        let mut sender = world.connect().await;
        let request = world
            .request("POST", "/proxy/x//a%2F?q")
            .header("te", "trailers")
            .header("connection", "te")
            .body(Full::new(body.clone()))
            .unwrap();
        calls.push(tokio::spawn(async move {
            let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
            (parts, body.collect().await.unwrap().to_bytes())
        }));
    }
    for call in calls {
        let (parts, back) = in_time("an answer", call).await.unwrap();
        assert_eq!(parts.headers["x-version"], "HTTP/2.0");
        assert_eq!(
            parts.headers["x-host"],
            format!("localhost:{}", addr.port())
        );
        assert_eq!(parts.headers["x-hosts"], "0");
        assert_eq!(parts.headers["x-path"], "/v1//a%2F?q");
        assert!(back == body);
    }
    assert_eq!(
        connections.load(Ordering::SeqCst),
        1,
        "calls share one connection"
    );

    // Another protocol needs a connection of its own, in HTTP/1.1.
    let mut sender = world.connect().await;
    let request = world
        .request("GET", "/proxy/x/")
        .header("connection", "upgrade")
        .header("upgrade", "x")
        .body(Full::<Bytes>::default())
        .unwrap();
    let answer = in_time("the switch", sender.send_request(request))
        .await
        .unwrap();
    assert_eq!(answer.status(), 101);
    assert_eq!(answer.headers()["x-version"], "HTTP/1.1");
    let mut tunnel = TokioIo::new(hyper::upgrade::on(answer).await.unwrap());
    let mut text = String::new();
    let read = tokio::io::AsyncReadExt::read_to_string(&mut tunnel, &mut text);
    in_time("the tunnel", read).await.unwrap();
    assert_eq!(text, "switched");
}

#[tokio::test(flavor = "multi_thread")]
async fn http1_is_spoken_where_the_upstream_has_no_other() {
    let world = World::with(trusting()).await;
    let (addr, connections) = tls_upstream(&[b"http/1.1"]).await;
    let base = format!("https://localhost:{}", addr.port());
    world.add_api(addr, |row| row.base_url = base).await;
    for _ in 0..5 {
        let answer = world.get("/proxy/x/").await;
        assert_eq!(answer.headers()["x-version"], "HTTP/1.1");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_nobody_vouches_for_is_refused() {
    let world = World::new().await;
    let (addr, connections) = tls_upstream(&[b"h2", b"http/1.1"]).await;
    let base = format!("https://localhost:{}", addr.port());
    world.add_api(addr, |row| row.base_url = base).await;
    assert_eq!(code(&world.get("/proxy/x/").await), "upstream_unreachable");
    assert_eq!(connections.load(Ordering::SeqCst), 0);
}
